import { CommitFence } from "../journal/commit-fence.ts";
import { CommitError } from "../journal/journal.ts";
import type { MemoryJournal } from "../journal/memory-journal.ts";
import type { Group } from "../journal/record.ts";
import type { FromJournal } from "../worker/protocol.ts";
import type { Channel } from "./channel.ts";
import type { Random } from "./random.ts";

export interface SimulatedJournalOptions {
  readonly store: MemoryJournal;
  readonly random: Random;
  readonly after: (delayMs: number, run: () => void) => void;
  /** How long a commit takes at most; read at each. */
  readonly commitMsMax: () => number;
  /** A planted bug: groups are appended whatever the fence says. */
  readonly isFenceIgnored: boolean;
  /** The store may hold more than before. Called before anybody is told so. */
  readonly onCommit: () => void;
}

interface Waiting {
  readonly group: Group;
  readonly port: Channel<FromJournal>;
}

/** The journal thread in virtual time: batches of waiting groups through the fence, one transaction each, and the failures of a disk. */
export class SimulatedJournal {
  readonly #options: SimulatedJournalOptions;
  readonly #fence: CommitFence;
  readonly #ports = new Map<number, Channel<FromJournal>>();
  #waiting: Waiting[] = [];
  #whenKnown: Array<() => void> = [];
  #isScheduled = false;
  #isDown = false;
  #isOutcomeOpen = false;

  constructor(options: SimulatedJournalOptions) {
    this.#options = options;
    this.#fence = new CommitFence(options.store.incarnationHigh);
  }

  /** While the outcome of a commit is open nobody is registered: a group of the old incarnation may yet turn out to be there. */
  register(domain: number, port: Channel<FromJournal>, registered: (incarnation: number) => void): void {
    if (this.#isOutcomeOpen) {
      this.#whenKnown.push(() => this.register(domain, port, registered));
      return;
    }
    this.#ports.get(domain)?.close();
    this.#ports.set(domain, port);
    if (this.#isDown) port.send({ kind: "down" });
    registered(this.#fence.register(domain));
  }

  receive(group: Group, port: Channel<FromJournal>): void {
    this.#waiting.push({ group, port });
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.after(this.#options.random.next() * this.#options.commitMsMax(), () => this.#commit());
  }

  #commit(): void {
    this.#isScheduled = false;
    if (this.#isOutcomeOpen) return;
    const batch: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (this.#isDown) this.#refuse(waiting);
      else if (this.#fence.admit(waiting.group) || this.#options.isFenceIgnored) batch.push(waiting);
      else waiting.port.send({ kind: "refused" });
    }
    this.#waiting = [];
    if (batch.length > 0) this.#append(batch);
  }

  #append(batch: readonly Waiting[]): void {
    const { store } = this.#options;
    const before = store.lastSeq;
    try {
      const first = store.append(
        batch.map(({ group }) => group),
        this.#fence.incarnationHigh,
      );
      this.#options.onCommit();
      for (const [i, { group, port }] of batch.entries()) port.send({ kind: "committed", number: group.number, seq: first + i });
    } catch (cause) {
      if (!(cause instanceof CommitError)) throw cause;
      if (!this.#isDown) for (const port of this.#ports.values()) port.send({ kind: "down" });
      this.#isDown = true;
      if (cause.isOutcomeOpen) {
        this.#isOutcomeOpen = true;
        this.#reopenLater(batch, before);
      } else {
        for (const waiting of batch) this.#refuse(waiting);
        this.#probeLater();
      }
    }
  }

  #reopenLater(batch: readonly Waiting[], before: number): void {
    const { store, random } = this.#options;
    this.#options.after(random.next() * REOPEN_MS_MAX, () => {
      try {
        store.reopen();
      } catch {
        return this.#reopenLater(batch, before);
      }
      const found = store.read(before, batch.length);
      this.#options.onCommit();
      for (const [i, waiting] of batch.entries()) {
        const { domain, incarnation, number } = waiting.group;
        const record = found[i];
        if (record !== undefined && record.domain === domain && record.incarnation === incarnation && record.number === number) {
          waiting.port.send({ kind: "committed", number, seq: record.seq });
        } else this.#refuse(waiting);
      }
      this.#isOutcomeOpen = false;
      const whenKnown = this.#whenKnown;
      this.#whenKnown = [];
      for (const run of whenKnown) run();
      this.#commit();
      this.#probeLater();
    });
  }

  #refuse({ group, port }: Waiting): void {
    this.#fence.refuse(group);
    port.send({ kind: "refused" });
  }

  #probeLater(): void {
    this.#options.after(this.#options.random.next() * PROBE_MS_MAX, () => {
      try {
        this.#options.store.probe();
      } catch {
        return this.#probeLater();
      }
      this.#isDown = false;
      for (const port of this.#ports.values()) port.send({ kind: "up" });
    });
  }
}

const REOPEN_MS_MAX = 80;
const PROBE_MS_MAX = 40;
