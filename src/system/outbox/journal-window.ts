/**
 * Records that were read and have events that are not settled (acknowledged, given up, or their entity's that is held), and all behind them. Its
 * beginning is the position: what a successor must read again.
 */
export class JournalWindow {
  #position: number;
  #readTo: number;
  /** Without a gap from the first one that is not settled. */
  #records: Array<{ readonly seq: number; readonly at: number; open: number }> = [];
  #first = 0;

  constructor(position: number) {
    this.#position = position;
    this.#readTo = position;
  }

  /** All events up to this record are settled. */
  get position(): number {
    return this.#position;
  }
  /** The last record that was read. */
  get readTo(): number {
    return this.#readTo;
  }
  /** When the first record that is not settled was written; null when all are. */
  get oldestAt(): number | null {
    return this.#records[this.#first]?.at ?? null;
  }
  /** Records in it. */
  get length(): number {
    return this.#records.length - this.#first;
  }

  /** The next record was read. */
  took(seq: number, at: number, events: number): void {
    if (seq !== this.#readTo + 1) throw new Error(`record ${seq} was read after record ${this.#readTo}`);
    this.#readTo = seq;
    if (events === 0 && this.length === 0) this.#position = seq;
    else this.#records.push({ seq, at, open: events });
  }

  /** An event of the record is settled. */
  settled(seq: number): void {
    const record = this.#records[this.#first + seq - this.#position - 1];
    if (record === undefined || record.seq !== seq || record.open === 0) throw new Error(`record ${seq} has no open event`);
    record.open--;
    for (let next = this.#records[this.#first]; next?.open === 0; next = this.#records[this.#first]) {
      this.#position = next.seq;
      this.#first++;
    }
    if (this.#first < SETTLED_KEPT_MAX) return;
    this.#records = this.#records.slice(this.#first);
    this.#first = 0;
  }
}

/** Settled records are cut off in one go. */
const SETTLED_KEPT_MAX = 4_096;
