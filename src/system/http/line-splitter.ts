/** Cuts a stream of bytes into lines with bounded memory: of a line longer than the limit only the fact is kept. */
const NEWLINE = 0x0a;

export type Line = { readonly kind: "line"; readonly bytes: Buffer } | { readonly kind: "too-long" };
const TOO_LONG: Line = { kind: "too-long" };

/** One for each stream. Lines come without their newline; blank ones come too. Memory: the limit and one chunk. */
export class LineSplitter {
  readonly #bytesMax: number;
  #rest: Buffer[] = [];
  #restBytes = 0;
  #isSkipping = false;

  constructor(options: { readonly lineBytesMax: number }) {
    this.#bytesMax = options.lineBytesMax;
  }

  /** The lines that this chunk ends. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield this.#take(chunk.subarray(start, end));
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line when the stream ended without a newline. */
  *end(): Generator<Line> {
    if (this.#restBytes > 0 || this.#isSkipping) yield this.#take(Buffer.alloc(0));
  }

  #take(last: Buffer): Line {
    this.#keep(last);
    const bytes = this.#rest.length === 1 ? (this.#rest[0] ?? last) : Buffer.concat(this.#rest);
    const isTooLong = this.#isSkipping;
    this.#rest = [];
    this.#restBytes = 0;
    this.#isSkipping = false;
    return isTooLong ? TOO_LONG : { kind: "line", bytes };
  }

  #keep(part: Buffer): void {
    if (part.length === 0 || this.#isSkipping) return;
    this.#restBytes += part.length;
    if (this.#restBytes > this.#bytesMax) {
      this.#isSkipping = true;
      this.#rest = [];
    } else this.#rest.push(part);
  }
}
