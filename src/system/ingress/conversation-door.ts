/**
 * The conversations' door: what a client says becomes a call of an entity or a refusal, once, whatever carried it. Texts and names are sealed here and
 * opened on the way out, so nothing behind it holds a readable one. A refusal here has used no key and reached no entity; none quotes a text.
 */
import { type OnBusy, onBusySchema, SPEAKER_CHARS_MAX, TEXT_CHARS_MAX, transferIdOf } from "../../actors/index.ts";
import { addressOf, Fault, type Json, type Refusal, sha256Base64Url, whyNotId } from "../../runtime/index.ts";
import type { TextRing, TroupeSystem } from "../system.ts";
import { kindOf, shown, unknownField } from "./fields.ts";
import type { JsonObject } from "./json-body.ts";
import { LOCAL_CALLER, refuse } from "./ledger-door.ts";

/** A call of one conversation. `commandId` tells a repeat; null = the command needs none. */
export interface ConversationCall {
  /** The conversation's. */
  readonly id: string;
  readonly address: string;
  readonly command: string;
  readonly body: Json;
  readonly commandId: string | null;
}
export type CheckedConversation = { readonly ok: true; readonly call: ConversationCall } | Refusal;
/** A post or a regenerate: its command id is the message's id in the address of its status. */
export type CheckedPost = { readonly ok: true; readonly call: ConversationCall & { readonly commandId: string } } | Refusal;

export interface PostOptions {
  /** Whose key it is. */
  readonly caller?: string;
  /** The reply is to come in chunks too. */
  readonly stream?: boolean;
}

const OPEN_FIELDS = ["id", "onBusy", "instructions", "user"] as const;
const POST_FIELDS = ["content", "speaker", "role", "reply", "onBusy"] as const;
const USER_CHARS_MAX = 200;
const REPLY_ID_CHARS_MAX = 200;

/** Where keys are made, and what seals with them. */
export type KeyMaker = Pick<TroupeSystem, "keyRing" | "makeKey">;

export class ConversationDoor {
  readonly #keys: KeyMaker;
  readonly #ring: TextRing;

  constructor(keys: KeyMaker) {
    this.#keys = keys;
    this.#ring = keys.keyRing;
  }

  /** The opening of a conversation, whose key is made here. Without an `id` of the client's the key makes one; with it the id makes a repeat safe. */
  async open(fields: JsonObject, key: string | null, { caller = LOCAL_CALLER }: PostOptions = {}): Promise<CheckedConversation> {
    const { onBusy = "enqueue", instructions = null, user = null } = fields;
    const unknown = unknownField(fields, OPEN_FIELDS);
    if (unknown !== null) return unknown;
    if (!isOnBusy(onBusy)) return badOnBusy(onBusy);
    if (instructions !== null && !isText(instructions, TEXT_CHARS_MAX)) return badText("instructions", instructions, TEXT_CHARS_MAX);
    if (user !== null && !isText(user, USER_CHARS_MAX)) return badText("user", user, USER_CHARS_MAX);
    if (fields.id === undefined && key === null)
      return refuse(
        "idempotency_key_missing",
        "send an id in the body or an Idempotency-Key header: without both a repeat would open a second conversation",
      );
    const id = fields.id === undefined ? transferIdOf(caller, key ?? "") : fields.id;
    if (typeof id !== "string")
      return refuse("validation_failed", `id is ${kindOf(id)}; expected the id of a conversation in a JSON string`);
    const why = await this.#whyNoKey(id);
    if (why !== null) return why;
    return this.#checked(id, () => {
      const sealed = instructions === null ? null : this.#ring.seal(id, "instructions", instructions);
      return callOf(id, "open", { onBusy, instructions: sealed, user });
    });
  }

  /** A message. Its id is made from caller, conversation and key, and is the command's id too: by it a repeat meets the first. */
  post(id: string, fields: JsonObject, key: string, { caller = LOCAL_CALLER, stream = false }: PostOptions = {}): CheckedPost {
    const { content, role = "user", reply = role !== "assistant", onBusy } = fields;
    const speaker = fields.speaker ?? role;
    const unknown = unknownField(fields, POST_FIELDS);
    if (unknown !== null) return unknown;
    if (!isText(content, TEXT_CHARS_MAX)) return badText("content", content, TEXT_CHARS_MAX);
    if (role !== "user" && role !== "assistant")
      return refuse("validation_failed", `role is ${shown(role)}; expected "user", or "assistant" for an earlier reply that is brought in`);
    if (!isText(speaker, SPEAKER_CHARS_MAX)) return badText("speaker", speaker, SPEAKER_CHARS_MAX);
    if (typeof reply !== "boolean") return refuse("validation_failed", `reply is ${kindOf(reply)}; expected true or false`);
    if (reply && role === "assistant")
      return refuse("validation_failed", "a message of the assistant is stored without a reply; leave reply out, or send false");
    if (onBusy !== undefined && !isOnBusy(onBusy)) return badOnBusy(onBusy);
    return this.#checked(id, () => {
      const messageId = idOfKey(caller, id, key);
      const text = this.#ring.seal(id, messageId, content);
      // By the role's own name nobody is known: it is worth no seal.
      const name = speaker === role ? null : this.#ring.seal(id, `${messageId}.speaker`, speaker);
      const said = { messageId, speaker: name, role, text, chars: content.length, wantsReply: reply };
      const body = { ...said, ...(onBusy === undefined ? {} : { onBusy }), ...(stream ? { stream } : {}) };
      return { ...callOf(id, "post", body), commandId: messageId };
    });
  }

  /** Another reply for the last turn that wanted one. */
  regenerate(
    id: string,
    replyId: string,
    fields: JsonObject,
    key: string,
    { caller = LOCAL_CALLER, stream = false }: PostOptions = {},
  ): CheckedPost {
    const unknown = unknownField(fields, []);
    if (unknown !== null) return unknown;
    if (replyId.length > REPLY_ID_CHARS_MAX) return refuse("validation_failed", "the reply's id is too long; use the replyId of an answer");
    return this.#checked(id, () => ({
      ...callOf(id, "regenerate", { replyId, ...(stream ? { stream } : {}) }),
      commandId: idOfKey(caller, id, key),
    }));
  }

  /** What needs no more than the conversation's id. */
  plain(id: string, command: "get" | "stop" | "delete"): CheckedConversation {
    return this.#checked(id, () => callOf(id, command, {}));
  }

  /** What came of a post or regenerate, by the id of its message as the door made it. */
  outcome(id: string, messageId: string): CheckedConversation {
    return this.#checked(id, () => callOf(id, "outcome", { id: messageId }));
  }

  /** The same by the key under which it was posted. */
  outcomeOfKey(id: string, key: string, { caller = LOCAL_CALLER }: PostOptions = {}): CheckedConversation {
    return this.#checked(id, () => callOf(id, "outcome", { id: idOfKey(caller, id, key) }));
  }

  /** The text that was sealed, in one piece or several; null when the conversation's key was destroyed. @throws Fault for damaged text. */
  opened(id: string, parts: readonly string[]): string | null {
    let text = "";
    for (const part of parts) {
      const piece = this.#ring.open(id, part);
      if (piece === null) return null;
      text += piece;
    }
    return text;
  }

  /** How the speaker is shown; null as with `opened`. */
  speaker(id: string, { speaker, role }: { readonly speaker: string | null; readonly role: string }): string | null {
    return speaker === null ? role : this.#ring.open(id, speaker);
  }

  /** Makes the conversation's key, unless it has one. Null, or why it cannot get one. */
  async #whyNoKey(id: string): Promise<Refusal | null> {
    if (whyNotId(id) !== null) return null; // Refused when its call is made.
    try {
      if (!this.#ring.has(id)) await this.#keys.makeKey(id);
      this.#ring.has(id); // It may have been deleted meanwhile.
      return null;
    } catch (cause) {
      const refusal = refusalOf(cause, id);
      if (refusal === null) throw cause;
      return refusal;
    }
  }

  #checked<Call extends ConversationCall>(id: string, make: () => Call): { readonly ok: true; readonly call: Call } | Refusal {
    const why = whyNotId(id);
    if (why !== null) return refuse("validation_failed", `the conversation's id is refused: ${why}`);
    try {
      return { ok: true, call: make() };
    } catch (cause) {
      const refusal = refusalOf(cause, id);
      if (refusal === null) throw cause;
      return refusal;
    }
  }
}

/** What the ring says no to: no key, because nobody opened the conversation or it was deleted, or a disk that fails. */
function refusalOf(cause: unknown, id: string): Refusal | null {
  if (!(cause instanceof Fault)) return null;
  if (cause.code === "not_found") return refuse("not_found", `conversation ${shown(id)} does not exist`);
  if (cause.code === "JOURNAL_UNAVAILABLE")
    return refuse(cause.code, "the file of keys takes no writes now; nothing was done, repeat later");
  return null;
}

/** Bound to caller and conversation (TRAPS 4). */
const idOfKey = (caller: string, conversation: string, key: string): string => sha256Base64Url(`${caller}\0${conversation}\0${key}`);

const callOf = (id: string, command: string, body: Json): ConversationCall => ({
  id,
  address: addressOf("conversation", id),
  command,
  body,
  commandId: null,
});

const isOnBusy = (value: unknown): value is OnBusy => onBusySchema.safeParse(value).success;
const isText = (value: unknown, charsMax: number): value is string =>
  typeof value === "string" && value.length > 0 && value.length <= charsMax && value.isWellFormed();

const badOnBusy = (value: unknown): Refusal =>
  refuse("validation_failed", `onBusy is ${shown(value)}; expected "enqueue", "reject" or "interrupt"`);

/** Says what is wrong with a text without quoting it. */
function badText(field: string, value: unknown, charsMax: number): Refusal {
  const what =
    typeof value !== "string"
      ? kindOf(value)
      : value.length === 0
        ? "empty"
        : value.length > charsMax
          ? `${value.length} characters long`
          : "no well-formed Unicode";
  return refuse("validation_failed", `${field} is ${what}; expected 1 to ${charsMax} characters (UTF-16 units) of text in a JSON string`);
}
