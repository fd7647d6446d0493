/** Sends one chunk; resolves when the next one may come. */
export type SendText = (text: string) => Promise<void>;
export interface TextCoalescerOptions {
  readonly send: SendText;
  /** Longest time for which text is held back. */
  readonly everyMs: number;
  /** So much text is sent at once, whatever the time; at least 2. */
  readonly charsMin: number;
  /** No chunk is larger. */
  readonly charsMax: number;
}

/**
 * Joins the words of a model to chunks, so that each does not cost a commit: the first at once, then what came in `everyMs` or reached `charsMin`. One
 * chunk is sent at a time; while it is, the text gathers, and whoever adds to more than `charsMin` waits. `end` must be called, `close` at the least.
 */
export class TextCoalescer {
  readonly #options: TextCoalescerOptions;
  #text = "";
  #isFirst = true;
  #sending: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failure: { readonly cause: unknown } | null = null;

  constructor(options: TextCoalescerOptions) {
    this.#options = options;
  }

  /** Await it. Rejects with what a chunk before was refused with. */
  async add(text: string): Promise<void> {
    this.#check();
    this.#text += text;
    if (this.#isFirst) {
      this.#isFirst = false;
      this.#send(false);
    }
    while (this.#text.length >= this.#options.charsMin) {
      await this.#sent();
      this.#send(false);
    }
    if (this.#text !== "") this.#arm();
  }

  /** Sends the rest; resolves when all is sent. */
  async end(): Promise<void> {
    await this.#sent();
    while (this.#text !== "") {
      this.#send(true);
      await this.#sent();
    }
    this.close();
  }

  /** What was not sent is given up. */
  close(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#text = "";
  }

  async #sent(): Promise<void> {
    while (this.#sending !== null) await this.#sending;
    this.#check();
  }

  /** Only when none is being sent. Half of a surrogate pair waits for the other half, unless nothing comes any more. */
  #send(isEnd: boolean): void {
    const { send, charsMax } = this.#options;
    const chunk = wholeChars(this.#text, charsMax) || (isEnd ? this.#text : "");
    if (chunk === "") return;
    clearTimeout(this.#timer ?? undefined);
    this.#timer = null;
    this.#text = this.#text.slice(chunk.length);
    this.#sending = send(chunk)
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .finally(() => {
        this.#sending = null;
        if (this.#text !== "") this.#arm();
      });
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      // One that is being sent arms it again.
      if (this.#sending === null && this.#failure === null) this.#send(false);
    }, this.#options.everyMs);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure.cause;
  }
}

/** The first so many characters, without half of a surrogate pair at the end: sealed by itself, half would be lost. */
function wholeChars(text: string, charsMax: number): string {
  const chunk = text.slice(0, charsMax);
  return /[\uD800-\uDBFF]$/.test(chunk) ? chunk.slice(0, -1) : chunk;
}
