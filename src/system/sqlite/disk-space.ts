import { statfsSync } from "node:fs";
import { dirname } from "node:path";

const LOOK_EVERY_MS = 1000;

export interface DiskSpaceOptions {
  /** A file on the file system that is watched. */
  readonly path: string;
  /** Free bytes below which the file system counts as full. */
  readonly bytesMin: number;
  /** Free bytes there, for tests; the file system is asked otherwise. */
  readonly freeBytes?: ((path: string) => number) | undefined;
  /** Monotonic milliseconds, for tests. */
  readonly nowMs?: (() => number) | undefined;
}

/**
 * Says early that a file system is nearly full. A commit that is refused here is surely not done, whereas one that meets a full disk
 * half way leaves its outcome open until there is space again.
 */
export class DiskSpace {
  readonly #folder: string;
  readonly #bytesMin: number;
  readonly #freeBytes: (path: string) => number;
  readonly #nowMs: () => number;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #isFull = false;

  constructor(options: DiskSpaceOptions) {
    this.#folder = dirname(options.path);
    this.#bytesMin = options.bytesMin;
    this.#freeBytes = options.freeBytes ?? freeBytesOf;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Looks at most once a second, so that a commit may ask each time. @throws Error naming the folder and the limit. */
  assert(): void {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lookedMs >= LOOK_EVERY_MS) this.#look(nowMs);
    if (this.#isFull) throw this.#full();
  }

  /** Looks now. @throws Error naming the folder and the limit. */
  assertNow(): void {
    this.#look(this.#nowMs());
    if (this.#isFull) throw this.#full();
  }

  #look(nowMs: number): void {
    this.#lookedMs = nowMs;
    this.#isFull = this.#freeBytes(this.#folder) < this.#bytesMin;
  }

  #full(): Error {
    return new Error(`the file system of ${this.#folder} has less than ${this.#bytesMin} bytes free (journal.diskFreeBytesMin)`);
  }
}

/** Bytes that this user may still write to the file system of the folder. @throws Error of the operating system. */
export function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
