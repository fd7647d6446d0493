import type { Work } from "../../runtime/index.ts";

/**
 * What a shard thread has at work, in memory that outlives it (DESIGN 4.3): a word for the kind, a number, or UTF-16 units. The thread writes, and
 * main reads when the thread has ended; so nothing needs to be atomic but the kind, which is written last.
 */
const NONE = 0;
const NUMBER = 1;
const TEXT = 2;
/** Ids and addresses are bounded well below this; what is longer is compared by its beginning. */
export const WORK_CHARS_MAX = 1_000;
const NUMBER_AT = 8;
const TEXT_AT = 16;

export const workMemory = (): SharedArrayBuffer => new SharedArrayBuffer(TEXT_AT + WORK_CHARS_MAX * 2);

/** The thread's end. A number costs a few nanoseconds, a text one a character. */
export class WorkNote {
  readonly #words: Int32Array;
  readonly #number: Float64Array;
  readonly #text: Uint16Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, 2);
    this.#number = new Float64Array(memory, NUMBER_AT, 1);
    this.#text = new Uint16Array(memory, TEXT_AT);
  }

  readonly write = (work: Work): void => {
    const words = this.#words;
    words[0] = NONE;
    if (work === null) return;
    if (typeof work === "number") {
      this.#number[0] = work;
      words[0] = NUMBER;
      return;
    }
    const length = Math.min(work.length, WORK_CHARS_MAX);
    for (let i = 0; i < length; i++) this.#text[i] = work.charCodeAt(i);
    words[1] = length;
    words[0] = TEXT;
  };
}

/** Main's end: what was at work when the thread ended. */
export function readWork(memory: SharedArrayBuffer): Work {
  const [kind, length] = new Int32Array(memory, 0, 2);
  if (kind === NUMBER) return new Float64Array(memory, NUMBER_AT, 1)[0] ?? null;
  if (kind !== TEXT) return null;
  return String.fromCharCode(...new Uint16Array(memory, TEXT_AT, length));
}
