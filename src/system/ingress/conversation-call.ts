/** Runs what the conversations' door let in, and says how it ended. */
import { type OutcomeReply, outcomeReplySchema, type PostReply, postReplySchema, reachedIdOf } from "../../actors/index.ts";
import { type Answer, type AskOptions, addressOf, type Refusal } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import type { ConversationCall, ConversationDoor } from "./conversation-door.ts";
import { refuse } from "./ledger-door.ts";

/** What came of a post or a regenerate. `content` is null when no reply was wanted, none came, or it ended before its first word. */
export interface PostOutcome {
  readonly kind: "outcome";
  readonly reply: PostReply;
  readonly content: string | null;
  readonly isReplayed: boolean;
}
/** The message is durable and its reply under way, or waiting for its turn. */
export interface PendingPost {
  readonly kind: "pending";
  readonly messageId: string;
  readonly turn: number;
}
export interface RefusedPost extends Refusal {
  readonly kind: "refused";
}
export type PostResult = PostOutcome | PendingPost | RefusedPost;

/** How long the second look at a message may take whose answer did not come. */
const LOOK_MS_MAX = 1_000;

/** The conversations of one system, as every ingress asks for them. */
export class ConversationCalls {
  readonly #system: TroupeSystem;
  readonly #door: ConversationDoor;
  /** The answer waits until the turn is summarized too (R-CON-7). */
  readonly #isInline: boolean;

  constructor(options: { readonly system: TroupeSystem; readonly door: ConversationDoor; readonly isInline: boolean }) {
    this.#system = options.system;
    this.#door = options.door;
    this.#isInline = options.isInline;
  }

  /** Posts or regenerates, and waits for the reply. Rejects only for a programmer's error, or a text that was damaged on the disk. */
  async post(
    call: ConversationCall & { readonly commandId: string },
    options: AskOptions & { readonly timeoutMs: number },
  ): Promise<PostResult> {
    const begunMs = performance.now();
    const answer = await this.#system.ask(call.address, call.command, call.body, { ...options, id: call.commandId });
    if (!answer.ok) return answer.code === "OUTCOME_UNKNOWN" ? await this.#lookAgain(call, answer) : refused(answer);
    const reply = postReplySchema.parse(answer.value);
    if (this.#isInline)
      await this.#summarized(call.id, reply, { ...options, timeoutMs: options.timeoutMs - (performance.now() - begunMs) });
    return await this.#shown(call.id, reply);
  }

  /** What came of an earlier post or regenerate, by its message's id, without waiting for it. */
  async outcome(call: ConversationCall, options: AskOptions): Promise<PostResult> {
    const answer: Answer = await this.#system.ask(call.address, call.command, call.body, options);
    return answer.ok ? await this.#known(call.id, outcomeReplySchema.parse(answer.value)) : refused(answer);
  }

  /** The answer did not come in time, or got lost: is the message there? */
  async #lookAgain({ id, commandId }: ConversationCall & { readonly commandId: string }, unknown: Refusal): Promise<PostResult> {
    const checked = this.#door.outcome(id, commandId);
    if (!checked.ok) return refused(unknown);
    const seen = await this.outcome(checked.call, { timeoutMs: LOOK_MS_MAX });
    return seen.kind === "refused" ? refused(unknown) : seen;
  }

  async #known(id: string, { messageId, turn, outcome }: OutcomeReply): Promise<PostResult> {
    return outcome === null ? { kind: "pending", messageId, turn } : await this.#shown(id, outcome);
  }

  async #shown(id: string, reply: PostReply): Promise<PostResult> {
    const isReplayed = reply.isRepeat === true;
    const parts = await this.#partsOf(id, reply);
    if (!parts.ok) return refused(parts);
    if (parts.value.length === 0) return { kind: "outcome", reply, content: null, isReplayed };
    const content = this.#door.opened(id, parts.value);
    return content === null ? refused(gone(id)) : { kind: "outcome", reply, content, isReplayed };
  }

  /** An entity keeps no text for its keys: a repeat's reply stands in the read model. */
  async #partsOf(id: string, { parts, turn, replyId }: PostReply): Promise<Answer<readonly string[]>> {
    if (parts !== null || replyId === null) return { ok: true, value: parts ?? [] };
    const found = await this.#system.message(id, turn, replyId);
    if (!found.ok) return found;
    return found.value === null ? gone(id) : { ok: true, value: found.value.parts };
  }

  /** Whatever keeps the summary from being made, the reply is answered: it is durable. */
  async #summarized(id: string, { turn }: PostReply, options: AskOptions & { readonly timeoutMs: number }): Promise<void> {
    if (options.timeoutMs <= 0) return;
    await this.#system.ask(addressOf("summary", id), "reached", { turn }, { ...options, id: reachedIdOf(turn) });
  }
}

const refused = ({ code, detail }: Refusal): RefusedPost => ({ kind: "refused", ok: false, code, detail });
const gone = (id: string): Refusal => refuse("not_found", `conversation ${JSON.stringify(id)} was deleted`);
