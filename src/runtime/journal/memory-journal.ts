import { CommitError, type JournalStore } from "./journal.ts";
import type { Group, StoredRecord } from "./record.ts";

/**
 * What goes wrong at the next append: `before` = nothing was written; `commit-lost` and `commit-kept` = the error came at the commit, and
 * `reopen` will find the groups gone or there.
 */
export type JournalFailure = "before" | "commit-lost" | "commit-kept";

/**
 * The journal in memory: it states what the port means, and simulations run on it. The object is the disk: it keeps what was committed across
 * any crash of those that use it. `close` lets go of it, `reopen` takes it again.
 */
export class MemoryJournal implements JournalStore {
  /** While true, appends fail before they write anything, and `reopen` and `probe` throw. */
  isDiskBroken = false;
  readonly #records: StoredRecord[] = [];
  readonly #failures: JournalFailure[] = [];
  /** Groups of an append whose outcome is open: what `reopen` will find of them. */
  #found: { readonly groups: readonly Group[]; readonly incarnationHigh: number } | null = null;
  #incarnationHigh = 0;
  #state: "open" | "outcome-open" | "closed" = "open";

  get lastSeq(): number {
    return this.#records.length;
  }

  get incarnationHigh(): number {
    return this.#incarnationHigh;
  }

  /** The next appends fail so, in this order. */
  failNext(...failures: readonly JournalFailure[]): void {
    this.#failures.push(...failures);
  }

  append(groups: readonly Group[], incarnationHigh: number): number {
    if (this.#state !== "open") {
      throw new CommitError("the journal must be reopened first", { isOutcomeOpen: this.#state === "outcome-open", cause: undefined });
    }
    const failure = this.isDiskBroken ? "before" : this.#failures.shift();
    if (failure === "before") throw new CommitError("nothing was written", { isOutcomeOpen: false, cause: undefined });
    if (failure !== undefined) {
      this.#state = "outcome-open";
      if (failure === "commit-kept") this.#found = { groups, incarnationHigh };
      throw new CommitError("the commit failed", { isOutcomeOpen: true, cause: undefined });
    }
    const first = this.lastSeq + 1;
    this.#keep(groups, incarnationHigh);
    return first;
  }

  reopen(): void {
    if (this.isDiskBroken) throw new Error("the disk does not answer");
    if (this.#found !== null) this.#keep(this.#found.groups, this.#found.incarnationHigh);
    this.#found = null;
    this.#state = "open";
  }

  probe(): void {
    if (this.#state !== "open") throw new Error("the journal must be reopened first");
    if (this.isDiskBroken) throw new Error("the disk does not answer");
  }

  read(after: number, recordsMax: number): readonly StoredRecord[] {
    return this.#records.slice(after, after + recordsMax);
  }

  close(): void {
    if (this.#state === "open") this.#state = "closed";
  }

  #keep(groups: readonly Group[], incarnationHigh: number): void {
    for (const { domain, incarnation, number, time, count, body } of groups) {
      this.#records.push({
        seq: this.lastSeq + 1,
        domain,
        incarnation,
        number,
        time,
        count,
        body: typeof body === "string" ? body : body.slice(),
      });
    }
    if (groups.length > 0) this.#incarnationHigh = Math.max(this.#incarnationHigh, incarnationHigh);
  }
}
