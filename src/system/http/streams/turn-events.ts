import type { FeedEvent } from "../../conversation-reads.ts";
import { isJsonObject } from "../../ingress/json-body.ts";

/** `before`: the turn has not begun. `other`: of another turn. `last`: the turn's end. */
export type TurnPart = "before" | "other" | "shown" | "last";

/** Picks the events of one turn out of a feed: from the message to the end of its reply. */
export class TurnEvents {
  readonly #messageId: string;
  #turn: number | null = null;

  constructor(messageId: string) {
    this.#messageId = messageId;
  }

  /** The message was met. */
  get hasBegun(): boolean {
    return this.#turn !== null;
  }

  partOf({ kind, data }: FeedEvent): TurnPart {
    if (!isJsonObject(data)) return "other";
    if (this.#turn === null) {
      if (kind !== "posted" || data.messageId !== this.#messageId || typeof data.turn !== "number") return "before";
      this.#turn = data.turn;
      return data.wantsReply === false ? "last" : "shown";
    }
    if (data.turn !== this.#turn) return "other";
    const isEnd = ENDS.has(kind) || (kind === "replyInterrupted" && data.isOver === true);
    return isEnd ? "last" : "shown";
  }
}

const ENDS: ReadonlySet<string> = new Set(["replied", "replyStopped", "replyFailed"]);
