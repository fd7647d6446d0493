import type { Answer, Code, Refusal } from "../../runtime/index.ts";
import type { JournalReader } from "../sqlite/journal-file.ts";
import type { SqliteViews } from "../sqlite/view-store.ts";
import type { Heartbeat } from "./heartbeat.ts";

export interface ViewsThreadOptions {
  readonly journal: JournalReader;
  readonly views: SqliteViews;
  /** Shared: the sequence of the last committed record. */
  readonly committed: BigInt64Array;
  /** Shared: the sequence that somebody beside this thread waits to read, in the file itself. */
  readonly wanted: BigInt64Array;
  readonly recordsMax: number;
  /** Does somebody watch a conversation now? */
  readonly isWatched: () => boolean;
  /** Called once: when a look at the journal first finds nothing that is not in the view, or a batch first takes all that there was as it began. */
  readonly onCaughtUp: () => void;
  /** Runs a call to the disk: see `Heartbeat`. */
  readonly during: Heartbeat["during"];
}

/**
 * Follows the journal into the read model. It pulls: what it has not read yet lies in the journal, so its memory is bounded however far
 * behind it is, and catching up, following and rebuilding are one path. Small batches when idle, large ones when behind; as soon as a commit
 * is there while somebody watches.
 */
export class ViewsThread {
  readonly #options: ViewsThreadOptions;
  #timer: NodeJS.Timeout | null = null;
  #failure: string | null = null;
  #isClosed = false;
  #isPrompt = false;
  #hasCaughtUp = false;

  constructor(options: ViewsThreadOptions) {
    this.#options = options;
  }

  get failure(): string | null {
    return this.#failure;
  }

  start(): void {
    this.#timer = setTimeout(this.#follow, 0); // A successor is behind by what its predecessor had left, and all that came since.
    void this.#followWanted();
  }

  close(): void {
    this.#isClosed = true;
    Atomics.notify(this.#options.wanted, 0);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** From now on, as long as somebody watches, a commit is followed within some milliseconds. */
  async followPromptly(): Promise<void> {
    if (this.#isPrompt) return;
    this.#isPrompt = true;
    const { committed, views, isWatched } = this.#options;
    while (isWatched() && !this.#isClosed) {
      this.#step();
      // The rest makes one batch of the commits of some milliseconds: a busy ledger beside a chat does not cost a transaction for each of them.
      await new Promise((resolve) => setTimeout(resolve, this.#failure === null ? PROMPT_REST_MS : FOLLOW_EVERY_MS));
      const commit = Atomics.waitAsync(committed, 0, BigInt(views.position));
      if (commit.async) await commit.value;
    }
    this.#isPrompt = false;
  }

  /** Whoever reads the file cannot make this thread hurry by a call, and under load it rests long. */
  async #followWanted(): Promise<void> {
    const { wanted, views } = this.#options;
    while (!this.#isClosed) {
      const last = Atomics.load(wanted, 0);
      if (views.position < Number(last)) {
        this.#step();
        await new Promise((resolve) => setTimeout(resolve, this.#failure === null ? PROMPT_REST_MS : FOLLOW_EVERY_MS));
      } else {
        const more = Atomics.waitAsync(wanted, 0, last);
        if (more.async) await more.value;
      }
    }
  }

  /** Runs the query once the view holds everything up to `seq`; `VIEW_BEHIND` when it is not there in time. */
  async read<Value>(seq: number, waitMsMax: number, query: () => Value): Promise<Answer<Value>> {
    const until = performance.now() + waitMsMax;
    while (this.#options.views.position < seq) {
      if (this.#isClosed || this.#failure !== null || performance.now() > until) {
        const why = this.#failure ?? `it stands at record ${this.#options.views.position}, the journal at ${seq}`;
        return refusal("VIEW_BEHIND", `The read model has not caught up with the journal: ${why}. Read again later.`);
      }
      this.#step();
      await new Promise((resolve) => setImmediate(resolve)); // Queries for which it is enough are answered between two batches.
    }
    return { ok: true, value: query() };
  }

  readonly #follow = (): void => {
    if (this.#isClosed) return;
    const from = this.#options.views.position;
    const isBehind = this.#step();
    const records = this.#options.views.position - from;
    this.#timer = setTimeout(this.#follow, isBehind ? 0 : records < LOADED_RECORDS_MIN ? FOLLOW_EVERY_MS : FOLLOW_LOADED_EVERY_MS);
  };

  /** One batch. True when there is more. */
  #step(): boolean {
    const { views, committed, onCaughtUp } = this.#options;
    const target = Number(Atomics.load(committed, 0));
    if (views.position < target && !this.#applyBatch()) return false;
    if (views.position < target) return true;
    if (!this.#hasCaughtUp) onCaughtUp();
    this.#hasCaughtUp = true;
    return false;
  }

  /** False when it failed. */
  #applyBatch(): boolean {
    const { journal, views, recordsMax, during } = this.#options;
    try {
      // Bounded in characters and records; a rebuilt or late view takes one such step after the other.
      during(() => views.apply(journal.each(views.position, recordsMax, READ_CHARS_MAX)));
      this.#failure = null;
      return true;
    } catch (cause) {
      this.#failure = String(cause instanceof Error ? cause.message : cause);
      return false;
    }
  }
}

/** A read that wants more than this has brings the view up to date itself. */
const FOLLOW_EVERY_MS = 25;
/** Under load rows are cheaper in large batches, sorted by key: 325 k rows/s against 135 k (measured), on cores that commits need too. */
const FOLLOW_LOADED_EVERY_MS = 400;
/** After each batch while somebody watches. */
const PROMPT_REST_MS = 2;
const LOADED_RECORDS_MIN = 8;
const READ_CHARS_MAX = 16 * 1024 * 1024;

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
