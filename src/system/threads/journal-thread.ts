import type { MessagePort } from "node:worker_threads";
import {
  COUNT_BOUNDS,
  CommitError,
  CommitFence,
  type FromJournal,
  type Group,
  Histogram,
  type HistogramLook,
  type JournalStore,
  SECONDS_BOUNDS,
} from "../../runtime/records.ts";

export interface JournalThreadOptions {
  readonly store: JournalStore;
  /** Shared with all threads: the sequence of the last committed record. */
  readonly committed: BigInt64Array;
  /** Longest rest between two looks at a disk that takes no writes. */
  readonly probeMsMax: number;
  /** Called when nothing waits: a chance for work off the commit path. */
  readonly whenIdle: () => void;
  readonly onState: (state: "up" | "down", reason: string) => void;
  /** Hears of the sampled traces in a record that is durable; null when nobody listens. */
  readonly onTraced: ((traces: readonly string[], seq: number) => void) | null;
}

/** Whether commits get on. Milliseconds. */
export interface JournalProgress {
  readonly groupsWaiting: number;
  /** Since when the oldest of them has waited; 0 when none does. */
  readonly oldestGroupMs: number;
  /** Since the last commit, or the start. */
  readonly lastCommitMs: number;
}

interface Waiting {
  readonly group: Group;
  readonly port: MessagePort;
  readonly sinceMs: number;
}

/**
 * Group commit for all shard threads: takes every group that waits, writes them in one transaction with one sync, and answers each;
 * the next groups gather meanwhile. At low load it commits at once.
 *
 * T1. A group is answered `committed` only after the transaction that holds it is durable.
 * T2. After an error at the commit itself nothing is answered until the file was opened anew and says what it holds.
 *     Until then no incarnation is given out either: its owner would read the journal without what the reopened file may show.
 * T3. While the disk takes no writes groups are refused at once, and a probe, not a caller's data, finds out when it does again.
 */
export class JournalThread {
  readonly #options: JournalThreadOptions;
  readonly #fence: CommitFence;
  readonly #ports = new Map<number, MessagePort>();
  #waiting: Waiting[] = [];
  #isScheduled = false;
  #isDown = false;
  /** The outcome of a commit is not known yet: later groups wait, because an answer to them would speak of it. */
  #isOutcomeOpen = false;
  readonly #whenKnown: Array<() => void> = [];
  #probeMs = PROBE_MS_MIN;
  #downSince = 0;
  #reason = "";
  readonly #commits = new Histogram(SECONDS_BOUNDS);
  readonly #batches = new Histogram(COUNT_BOUNDS);
  #committedMs = performance.now();

  constructor(options: JournalThreadOptions) {
    this.#options = options;
    this.#fence = new CommitFence(options.store.incarnationHigh);
    this.#publish();
  }

  /** Seconds of each transaction, and entries in it. */
  look(): { readonly commits: HistogramLook; readonly batches: HistogramLook } {
    return { commits: this.#commits.look(), batches: this.#batches.look() };
  }

  progress(): JournalProgress {
    const nowMs = performance.now();
    const oldest = this.#waiting[0];
    return {
      groupsWaiting: this.#waiting.length,
      oldestGroupMs: oldest === undefined ? 0 : nowMs - oldest.sinceMs,
      lastCommitMs: nowMs - this.#committedMs,
    };
  }

  get downReason(): string | null {
    return this.#isDown ? this.#reason : null;
  }

  /**
   * Gives the domain a new incarnation and takes its groups from the port; older incarnations are refused from now on. Waits while the
   * outcome of a commit is open (T2). `isDown`: the domain must begin by refusing writes.
   */
  async register(domain: number, port: MessagePort): Promise<{ readonly incarnation: number; readonly isDown: boolean }> {
    while (this.#isOutcomeOpen) await new Promise<void>((resolve) => this.#whenKnown.push(resolve));
    this.#ports.get(domain)?.close();
    this.#ports.set(domain, port);
    port.on("message", (group: Group) => {
      this.#waiting.push({ group, port, sinceMs: performance.now() });
      if (!this.#isScheduled) {
        this.#isScheduled = true;
        setImmediate(this.#commit);
      }
    });
    return { incarnation: this.#fence.register(domain), isDown: this.#isDown };
  }

  readonly #commit = (): void => {
    this.#isScheduled = false;
    if (this.#isOutcomeOpen) return;
    const batch: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (this.#isDown) this.#refuse(waiting);
      else if (this.#fence.admit(waiting.group)) batch.push(waiting);
      else {
        letGo(waiting.group);
        post(waiting.port, { kind: "refused" });
      }
    }
    this.#waiting = [];
    if (batch.length > 0) this.#append(batch);
    if (!this.#isDown) this.#options.whenIdle();
  };

  #append(batch: readonly Waiting[]): void {
    const { store } = this.#options;
    const before = store.lastSeq;
    const begunMs = performance.now();
    try {
      const first = store.append(
        batch.map(({ group }) => group),
        this.#fence.incarnationHigh,
      );
      this.#publish();
      for (const [i, { group, port }] of batch.entries()) post(port, { kind: "committed", number: group.number, seq: first + i });
      this.#count(batch, begunMs);
      this.#tellTraced(batch, first);
      for (const { group } of batch) letGo(group);
    } catch (cause) {
      if (!(cause instanceof CommitError)) throw cause; // What we cannot name is a defect: the thread must end, not go on.
      this.#goDown(cause);
      if (cause.isOutcomeOpen) {
        this.#isOutcomeOpen = true;
        this.#reopen(batch, before);
      } else {
        for (const waiting of batch) this.#refuse(waiting);
        this.#probeLater();
      }
    }
  }

  #count(batch: readonly Waiting[], begunMs: number): void {
    this.#committedMs = performance.now();
    this.#commits.observe((this.#committedMs - begunMs) / 1000);
    this.#batches.observe(batch.reduce((sum, { group }) => sum + group.count, 0));
  }

  #tellTraced(batch: readonly Waiting[], first: number): void {
    const { onTraced } = this.#options;
    if (onTraced === null) return;
    for (const [i, { group }] of batch.entries()) if (group.traces !== undefined) onTraced(group.traces, first + i);
  }

  /** T2: opens the file anew until the disk lets it, then tells each group whether it is there. */
  #reopen(batch: readonly Waiting[], before: number): void {
    const { store } = this.#options;
    try {
      store.reopen();
    } catch (cause) {
      this.#reason = textOf(cause);
      setTimeout(() => this.#reopen(batch, before), this.#nextProbeMs());
      return;
    }
    this.#publish(); // Before any answer leaves: who reads after it must see it.
    const found = store.read(before, batch.length);
    for (const [i, waiting] of batch.entries()) {
      const { domain, incarnation, number } = waiting.group;
      const record = found[i];
      if (record !== undefined && record.domain === domain && record.incarnation === incarnation && record.number === number) {
        letGo(waiting.group);
        post(waiting.port, { kind: "committed", number, seq: record.seq });
      } else this.#refuse(waiting);
    }
    this.#isOutcomeOpen = false;
    for (const resolve of this.#whenKnown.splice(0)) resolve();
    this.#commit();
    this.#probeLater();
  }

  #refuse({ group, port }: Waiting): void {
    this.#fence.refuse(group);
    letGo(group);
    post(port, { kind: "refused" });
  }

  #goDown(cause: CommitError): void {
    this.#reason = cause.message;
    if (this.#isDown) return;
    this.#isDown = true;
    this.#downSince = performance.now();
    this.#probeMs = PROBE_MS_MIN;
    for (const port of this.#ports.values()) post(port, { kind: "down" });
    this.#options.onState("down", this.#reason);
  }

  #probeLater(): void {
    setTimeout(() => {
      try {
        this.#options.store.probe();
      } catch (cause) {
        this.#reason = textOf(cause);
        this.#probeLater();
        return;
      }
      this.#isDown = false;
      for (const port of this.#ports.values()) post(port, { kind: "up" });
      this.#options.onState("up", `writes were refused for ${Math.round(performance.now() - this.#downSince)} ms: ${this.#reason}`);
    }, this.#nextProbeMs());
  }

  #nextProbeMs(): number {
    const now = this.#probeMs;
    this.#probeMs = Math.min(this.#probeMs * 2, this.#options.probeMsMax);
    return now;
  }

  #publish(): void {
    Atomics.store(this.#options.committed, 0, BigInt(this.#options.store.lastSeq));
    Atomics.notify(this.#options.committed, 0); // The views thread waits for it while somebody watches.
  }
}

const PROBE_MS_MIN = 50;

/**
 * Frees a body that nobody reads any more. Its bytes lie outside V8's heap, and this thread makes so little inside that a collection comes for them only
 * when 64 MiB of them wait.
 */
function letGo({ body }: Group): void {
  if (typeof body !== "string") (body.buffer as ArrayBuffer).transfer(0);
}

const post = (port: MessagePort, message: FromJournal): void => port.postMessage(message);

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
