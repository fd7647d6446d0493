import type { Answer, Json, Refusal } from "../../../runtime/index.ts";
import { type ConversationReads, FEED_START, type FeedEvent } from "../../conversation-reads.ts";
import type { WaitingPost } from "../../ingress/conversation-call.ts";
import { type ClientEvent, clientEvent, type OpenText } from "./client-event.ts";
import { FeedPump, type Taken } from "./feed-pump.ts";
import { TurnEvents } from "./turn-events.ts";

/** Whoever hears the events of a turn. */
export interface TurnListener {
  /** In order, the message first. `isLast`: nothing follows. @returns whether there is room for another one; if not, `resume` is to be called. */
  take(event: ClientEvent, isLast: boolean): boolean;
  /** The message was not taken, and nothing was heard. */
  refused(refusal: Refusal): void;
  /** The reply is not made for a while; nothing follows. */
  waits(waiting: WaitingPost): void;
  /** The conversation was deleted; nothing follows. */
  deleted(): void;
  defect(cause: unknown): void;
}

export interface TurnFollowerOptions {
  readonly reads: Pick<ConversationReads, "feedAfter" | "feedEnd" | "watch">;
  readonly open: OpenText;
  readonly conversation: string;
  readonly messageId: string;
  /** Posts the message. Called once. Its answer comes when the reply is there; what is heard does not wait for it. */
  readonly post: () => Promise<Answer<Json>>;
  /** Whether the reply is still to be made, when replies stop being made. */
  readonly replies: { onStop(listener: () => void): () => void; waiting(): Promise<WaitingPost | null> };
  readonly listener: TurnListener;
}

/** A message that is not in the feed by then is a repeat of an earlier one, in all likelihood: it is looked for from the beginning. */
const LOOK_BACK_MS = 1_000;

/**
 * Posts a message and hears its turn: from the message, whenever it was posted first, to the end of its reply. The reply goes on when nobody hears it
 * any more. @throws Fault `OVERLOADED` before anything is posted.
 */
export class TurnFollower {
  readonly #options: TurnFollowerOptions;
  readonly #turn: TurnEvents;
  readonly #pump: FeedPump;
  readonly #lookBack: NodeJS.Timeout;
  readonly #unlisten: () => void;
  /** The attempt under way has said something, so it is worth hearing to its end. */
  #isSpeaking = false;
  #isOver = false;

  constructor(options: TurnFollowerOptions) {
    const { reads, conversation, messageId, listener, post, replies } = options;
    this.#options = options;
    this.#turn = new TurnEvents(messageId);
    this.#pump = new FeedPump({
      reads,
      conversation,
      from: reads.feedEnd(), // Taken before the message is posted: a new one lies behind it.
      take: (event) => this.#take(event),
      onDeleted: () => this.#deleted(),
      onDefect: (cause) => listener.defect(cause),
    });
    this.#lookBack = setTimeout(() => void this.#lookFromStart(), LOOK_BACK_MS);
    this.#unlisten = replies.onStop(() => {
      this.#lookWhetherItWaits().catch((cause: unknown) => {
        this.close();
        listener.defect(cause);
      });
    });
    this.#pump.start();
    post().then(
      (answer) => this.#answered(answer),
      (cause: unknown) => {
        this.close();
        listener.defect(cause);
      },
    );
  }

  /** The listener has room again. */
  resume(): void {
    this.#pump.resume();
  }

  /** Nobody listens any more. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#lookBack);
    this.#unlisten();
    this.#pump.close();
  }

  #take(event: FeedEvent): Taken {
    const part = this.#turn.partOf(event);
    if (part === "before" || part === "other") return "more";
    const shown = clientEvent(event, this.#options.open);
    if (shown === null) {
      this.#deleted();
      return "over";
    }
    if (event.kind === "replyChunk") this.#isSpeaking = true;
    if (event.kind === "replyInterrupted") this.#isSpeaking = false;
    const isLast = part === "last";
    if (isLast) this.close();
    const hasRoom = this.#options.listener.take(shown, isLast);
    return isLast ? "over" : hasRoom ? "more" : "full";
  }

  #answered(answer: Answer<Json>): void {
    // What has begun to be heard ends by itself: the answer may be that nobody waited so long.
    if (this.#isOver || this.#turn.hasBegun) return;
    if (answer.ok) return void this.#lookFromStart();
    this.close();
    this.#options.listener.refused(answer);
  }

  /** Everything that the journal has must have been looked at first: nearly always the message is among it. */
  async #lookFromStart(): Promise<void> {
    await this.#pump.caughtUp();
    if (!this.#isOver && !this.#turn.hasBegun) this.#pump.moveTo(FEED_START);
  }

  async #lookWhetherItWaits(): Promise<void> {
    if (this.#isOver) return;
    const waiting = await this.#options.replies.waiting();
    if (waiting === null || this.#isOver || this.#isSpeaking) return;
    this.close();
    this.#options.listener.waits(waiting);
  }

  #deleted(): void {
    if (this.#isOver) return;
    this.close();
    this.#options.listener.deleted();
  }
}
