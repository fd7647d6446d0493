/** A step of a start. `records` of the journal are done, of `of` behind the last checkpoint. */
export interface StartStep {
  /** `checking`: the hash chain is added up. `recovering`: shard threads read it; the figures are those of the thread that has most to read. */
  readonly phase: "checking" | "recovering";
  readonly records: number;
  readonly of: number;
}
export type ProgressListener = (step: StartStep) => void;

/** A start that is over before this says nothing; a longer one speaks no more often. */
const EVERY_MS = 1_000;

/**
 * Says how far a start is that takes long, because whoever waits must be able to tell work from a hang. The threads that recover report as
 * often as they like; the listener hears at most one step a second.
 */
export class StartProgress {
  readonly #listener: ProgressListener;
  readonly #nowMs: () => number;
  readonly #threads = new Map<number, { readonly records: number; readonly of: number }>();
  #toldMs: number;

  constructor({ listener, nowMs = () => performance.now() }: { readonly listener: ProgressListener; readonly nowMs?: () => number }) {
    this.#listener = listener;
    this.#nowMs = nowMs;
    this.#toldMs = nowMs();
  }

  checked(records: number, of: number): void {
    this.#tell({ phase: "checking", records, of });
  }

  recovering(thread: number, records: number, of: number): void {
    this.#threads.set(thread, { records, of });
    let last = { records, of };
    for (const other of this.#threads.values()) if (other.of - other.records > last.of - last.records) last = other;
    this.#tell({ phase: "recovering", ...last });
  }

  #tell(step: StartStep): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#toldMs < EVERY_MS) return;
    this.#toldMs = nowMs;
    this.#listener(step);
  }
}
