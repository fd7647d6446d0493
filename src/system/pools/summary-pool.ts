import { type AttemptResult, PortFailure, unreachable } from "../../runtime/index.ts";
import { type Measure, measure } from "../observe/measure.ts";
import { moduleUrl } from "../threads/module-url.ts";
import type { MadeSummary, SummaryTask, Transcript } from "./summary-task.ts";
import { TaskPool } from "./task-pool.ts";

export interface SummaryPoolOptions {
  readonly threads: number;
  /** Transcripts that wait for a thread; the next one is refused. */
  readonly queueMax: number;
  /** Longest time for making one summary, from its start; then its thread is ended. */
  readonly taskMsMax: number;
  readonly heapMiBMax: number;
  /** Module that exports `perform`, instead of the summarizer's own. */
  readonly task?: URL;
}

/** The threads that make summaries: their own, so that nothing else waits for them and they wait for nothing else. */
export class SummaryPool implements AsyncDisposable {
  readonly #pool: TaskPool;

  constructor({ threads, queueMax, taskMsMax, heapMiBMax, task }: SummaryPoolOptions) {
    const url = task ?? moduleUrl("./summary-task", import.meta.url);
    this.#pool = new TaskPool({ url, name: "perform", workerData: null, threads, queueMax, heapMiBMax, runMsMax: taskMsMax });
  }

  /**
   * @throws PortFailure that may be attempted again: `OVERLOADED` when too many wait, `UPSTREAM_TIMEOUT`, `INTERNAL_ERROR` when the thread ended; or
   * the reason of the signal, whose abort ends a thread that is at it.
   */
  async summarize(transcript: Transcript, signal: AbortSignal): Promise<MadeSummary> {
    signal.throwIfAborted();
    const bytes = new TextEncoder().encode(JSON.stringify(transcript));
    const result = await this.#run({ transcript: bytes }, signal);
    switch (result.kind) {
      case "done":
        return result.value as MadeSummary;
      case "failed":
        throw new PortFailure(result.failure.error, result.failure);
      case "busy":
        throw new PortFailure(result.reason, { isRetryable: true, code: "OVERLOADED" });
      default:
        return unreachable(result);
    }
  }

  get figures(): { readonly running: number; readonly queued: number } {
    return this.#pool.figures;
  }

  measures(): Measure[] {
    const labels = { pool: "summaries" };
    return [measure("pool_queue_depth", this.#pool.figures.queued, labels), measure("pool_task_seconds", this.#pool.times, labels)];
  }

  /** Summaries under way are never told of: to be called when nobody waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }

  #run(task: SummaryTask, signal: AbortSignal): Promise<AttemptResult> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        end();
        reject(signal.reason);
      };
      const settle = (result: AttemptResult): void => {
        signal.removeEventListener("abort", abort);
        resolve(result);
      };
      const end = this.#pool.run(task, settle, [task.transcript.buffer]);
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}
