import { Fault, PortFailure } from "../../runtime/index.ts";

export type OpenText = (sealed: string) => string;

/** What the ports need of the ring of keys. */
export interface TextKeys {
  /** @throws Fault `not_found` when the conversation has no key any more. */
  seal(conversation: string, context: string, text: string): string;
  /** Opens texts with the key as it stands now, to be used at once; null when the conversation has no key any more. */
  reader(conversation: string): OpenText | null;
}

/** The texts of one conversation, opened and sealed for a port. A conversation that was deleted meanwhile is a failure that no other attempt changes. */
export class ConversationText {
  readonly #keys: TextKeys;
  readonly #conversation: string;

  constructor(keys: TextKeys, conversation: string) {
    this.#keys = keys;
    this.#conversation = conversation;
  }

  /** @throws PortFailure `not_found`; `UPSTREAM_BAD_RESPONSE` when the text is too long to be stored. */
  seal(context: string, text: string): string {
    const bytes = Buffer.byteLength(text);
    if (bytes > TEXT_BYTES_MAX) throw tooLong(bytes);
    try {
      return this.#keys.seal(this.#conversation, context, text);
    } catch (thrown) {
      throw thrown instanceof Fault && thrown.code === "not_found" ? deleted() : thrown;
    }
  }

  /** Opens what was sealed, for this moment: a conversation is deleted while a model thinks. @throws PortFailure `not_found`. */
  reader(): OpenText {
    const open = this.#keys.reader(this.#conversation);
    if (open === null) throw deleted();
    return open;
  }
}

/** What was sealed in pieces. */
export const openedParts = (open: OpenText, parts: readonly string[]): string => parts.map(open).join("");
export const openedOrNull = (open: OpenText, sealed: string | null): string | null => (sealed === null ? null : open(sealed));

/** Bytes of UTF-8 that one sealed text may hold: what the conversation's own schema takes is a little more. */
export const TEXT_BYTES_MAX = 96 * 1024;

const deleted = (): PortFailure => new PortFailure("the conversation was deleted", { isRetryable: false, code: "not_found" });
const tooLong = (bytes: number): PortFailure =>
  new PortFailure(`the model's text has ${bytes} bytes; ${TEXT_BYTES_MAX} can be stored`, { isRetryable: false });
