/** Runs what the conversations' door let in, and says how it ended. */
import { type OutcomeReply, outcomeReplySchema, type PostReply, postReplySchema, reachedIdOf } from "../../actors/index.ts";
import { type Answer, type AskOptions, addressOf, type Json, type Refusal } from "../../runtime/index.ts";
import type { TroupeSystem } from "../system.ts";
import type { ConversationCall, ConversationDoor } from "./conversation-door.ts";
import { isJsonObject } from "./json-body.ts";
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
/** As `PendingPost`, and what makes the reply does not answer now: nobody knows how long it takes, so nobody is kept waiting. */
export interface WaitingPost extends Omit<PendingPost, "kind"> {
  readonly kind: "waiting";
  /** `OVERLOADED`: no attempt is made for a while. `UPSTREAM_TIMEOUT`: attempts have failed for as long as an answer may take. */
  readonly code: "OVERLOADED" | "UPSTREAM_TIMEOUT";
  /** When it is worth to ask again; null = nobody knows. */
  readonly retryAfterMs: number | null;
}
export interface RefusedPost extends Refusal {
  readonly kind: "refused";
}
export type PostResult = PostOutcome | PendingPost | WaitingPost | RefusedPost;
type PostCall = ConversationCall & { readonly commandId: string };
type PostOptions = AskOptions & { readonly timeoutMs: number };

/** How long the second look at a message may take whose answer did not come. */
const LOOK_MS_MAX = 1_000;
/** A post whose reply is not made now: it only has to become durable. */
const STORE_MS_MAX = 2_000;
/** When replies stop being made, those that have failed by that are told so a moment later: theirs are not made later. */
const FAILED_TOLD_MS = 200;
const REPLY_PORT = "reply";

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

  /**
   * Posts or regenerates, and waits for the reply; while what makes it does not answer, only until the message is durable. Rejects only for a programmer's
   * error, or a text that was damaged on the disk.
   */
  async post(call: PostCall, options: PostOptions): Promise<PostResult> {
    const begunMs = performance.now();
    const answer = await this.#answerOf(call, options);
    if ("kind" in answer) return answer;
    if (!answer.ok) return answer.code === "OUTCOME_UNKNOWN" ? await this.#lookAgain(call, answer) : refused(answer);
    const reply = postReplySchema.parse(answer.value);
    if (this.#isInline)
      await this.#summarized(call.id, reply, { ...options, timeoutMs: options.timeoutMs - (performance.now() - begunMs) });
    return await this.#shown(call.id, reply);
  }

  /**
   * Posts if no reply can be made now, for those who would hear it as it comes. Null: it can, or was made, or the message was refused; then nothing is known, and the
   * caller posts, which is a repeat.
   */
  async postUnlessReplied(call: PostCall, options: PostOptions): Promise<WaitingPost | null> {
    if (!wantsReply(call) || this.#system.ports.refusesMs(REPLY_PORT) === null) return null;
    const answer = await this.#answerOf(call, options);
    return "kind" in answer ? answer : null;
  }

  /** Is the message durable, and does its reply wait for what does not answer now? */
  async waiting(call: PostCall): Promise<WaitingPost | null> {
    const seen = await this.#lookAt(call);
    const restMs = this.#system.ports.refusesMs(REPLY_PORT);
    if (seen?.kind !== "pending" || restMs === null) return null;
    return { ...seen, kind: "waiting", code: "OVERLOADED", retryAfterMs: restMs };
  }

  /** For how long no reply is made; null when replies are. */
  get replyRestMs(): number | null {
    return this.#system.ports.refusesMs(REPLY_PORT);
  }

  /** Calls `listener` each time that replies have stopped being made, and those that failed by that were told so. @returns what ends that. */
  onReplyStop(listener: () => void): () => void {
    return this.#system.ports.onOpen(REPLY_PORT, () => void aMoment().then(listener));
  }

  /** What came of an earlier post or regenerate, by its message's id, without waiting for it. */
  async outcome(call: ConversationCall, options: AskOptions): Promise<PostResult> {
    const answer: Answer = await this.#system.ask(call.address, call.command, call.body, options);
    return answer.ok ? await this.#known(call.id, outcomeReplySchema.parse(answer.value)) : refused(answer);
  }

  /** The answer, or that it is not worth waiting for. */
  async #answerOf(call: PostCall, { timeoutMs, ...options }: PostOptions): Promise<Answer<Json> | WaitingPost> {
    const { ports } = this.#system;
    const asked = (msMax: number): Promise<Answer<Json>> =>
      this.#system.ask(call.address, call.command, call.body, { ...options, id: call.commandId, timeoutMs: msMax, waitsOutside: true });
    if (!wantsReply(call)) return await asked(timeoutMs);
    const stopped = Promise.withResolvers<null>();
    const unlisten = ports.onOpen(REPLY_PORT, () => stopped.resolve(null));
    const isRefused = ports.refusesMs(REPLY_PORT) !== null;
    if (isRefused) stopped.resolve(null);
    const answer = asked(isRefused ? Math.min(timeoutMs, STORE_MS_MAX) : timeoutMs);
    try {
      const first = (await Promise.race([answer, stopped.promise])) ?? (isRefused ? null : await Promise.race([answer, aMoment()]));
      return first ?? (await this.waiting(call)) ?? (await answer);
    } finally {
      unlisten();
      answer.catch(() => undefined); // Nobody may wait for it any more.
    }
  }

  /** The answer did not come in time, or got lost: is the message there? */
  async #lookAgain(call: PostCall, unknown: Refusal): Promise<PostResult> {
    const seen = await this.#lookAt(call);
    if (seen === null) return refused(unknown);
    const { ports } = this.#system;
    const restMs = ports.refusesMs(REPLY_PORT);
    if (seen.kind !== "pending" || (restMs === null && !ports.isFailing(REPLY_PORT))) return seen;
    return { ...seen, kind: "waiting", code: restMs === null ? "UPSTREAM_TIMEOUT" : "OVERLOADED", retryAfterMs: restMs };
  }

  /** Null when nobody knows of it. */
  async #lookAt({ id, commandId }: PostCall): Promise<PostOutcome | PendingPost | null> {
    const checked = this.#door.outcome(id, commandId);
    if (!checked.ok) return null;
    const seen = await this.outcome(checked.call, { timeoutMs: LOOK_MS_MAX });
    return seen.kind === "outcome" || seen.kind === "pending" ? seen : null;
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

  /**
   * Deletes a conversation and waits until its key is destroyed. False: it is deleted, and its key will be destroyed, which did not come to pass in time.
   */
  async erase(call: ConversationCall, options: PostOptions): Promise<Answer<boolean>> {
    const begunMs = performance.now();
    const answer = await this.#system.ask(call.address, call.command, call.body, options);
    if (!answer.ok) return answer;
    return { ok: true, value: await this.#system.destroyKey(call.id, options.timeoutMs - (performance.now() - begunMs)) };
  }

  /** Whatever keeps the summary from being made, the reply is answered: it is durable. */
  async #summarized(id: string, { turn }: PostReply, options: AskOptions & { readonly timeoutMs: number }): Promise<void> {
    if (options.timeoutMs <= 0) return;
    await this.#system.ask(addressOf("summary", id), "reached", { turn }, { ...options, id: reachedIdOf(turn), waitsOutside: true });
  }
}

const aMoment = (): Promise<null> =>
  new Promise((resolve) => {
    setTimeout(resolve, FAILED_TOLD_MS, null);
  });
/** A regenerate always does. */
const wantsReply = ({ body }: ConversationCall): boolean => !isJsonObject(body) || body.wantsReply !== false;
const refused = ({ code, detail }: Refusal): RefusedPost => ({ kind: "refused", ok: false, code, detail });
const gone = (id: string): Refusal => refuse("not_found", `conversation ${JSON.stringify(id)} was deleted`);
