import { Fault, PortFailure } from "../../runtime/index.ts";

/** What the ports need of the ring of keys. */
export interface TextKeys {
  /** @throws Fault `not_found` when the conversation has no key any more. */
  seal(conversation: string, context: string, text: string): string;
  /** Null when the conversation has no key any more. */
  open(conversation: string, sealed: string): string | null;
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

  /** @throws PortFailure `not_found`. */
  open(sealed: string): string {
    const text = this.#keys.open(this.#conversation, sealed);
    if (text === null) throw deleted();
    return text;
  }
  /** What was sealed in pieces. @throws PortFailure `not_found`. */
  openParts(parts: readonly string[]): string {
    return parts.map((part) => this.open(part)).join("");
  }
  openOrNull(sealed: string | null): string | null {
    return sealed === null ? null : this.open(sealed);
  }
}

/** Bytes of UTF-8 that one sealed text may hold: what the conversation's own schema takes is a little more. */
export const TEXT_BYTES_MAX = 96 * 1024;

const deleted = (): PortFailure => new PortFailure("the conversation was deleted", { isRetryable: false, code: "not_found" });
const tooLong = (bytes: number): PortFailure =>
  new PortFailure(`the model's text has ${bytes} bytes; ${TEXT_BYTES_MAX} can be stored`, { isRetryable: false });
