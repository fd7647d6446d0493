/** A connection that stays open, as its keeper sees it. */
export interface OpenStream {
  /** When its socket became full and stayed so, on the monotonic clock; null while it flows. */
  readonly blockedSinceMs: number | null;
  /** It answers a request that was taken: a stop waits for its end as for every answer. */
  readonly isAnswer: boolean;
  /** Sends what keeps the connection alive and finds out whether the other end is. */
  beat(): void;
  /** Ends it in order: the client may come back to where it was. */
  end(why: "time" | "stop"): void;
  /** Takes the connection away. */
  cut(): void;
}

export interface OpenStreamsOptions {
  readonly countMax: number;
  readonly heartbeatMs: number;
  /** A client that does not read for so long with a full socket is cut: it costs memory, and can come back (TRAPS 45). */
  readonly stalledMs: number;
  readonly ageMsMax: number;
}

interface Kept {
  readonly endsMs: number;
  beatsMs: number;
}

const SWEEP_MS = 1_000;
/** A stream that was ended is cut when its last bytes have not left by then: nobody reads them. */
const LINGER_MS = 1_000;

/** All streams of a server, SSE and WebSocket: their number, heartbeats, age and end. One timer for all. */
export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #streams = new Map<OpenStream, Kept>();
  readonly #timer: NodeJS.Timeout;
  #cutCount = 0;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.sweep(performance.now()), Math.min(SWEEP_MS, options.heartbeatMs, options.stalledMs)).unref();
  }

  get count(): number {
    return this.#streams.size;
  }
  get blockedCount(): number {
    return [...this.#streams.keys()].filter(({ blockedSinceMs }) => blockedSinceMs !== null).length;
  }
  /** Streams that were cut because nobody read them. */
  get cutCount(): number {
    return this.#cutCount;
  }
  get isFull(): boolean {
    return this.#streams.size >= this.#options.countMax;
  }

  add(stream: OpenStream, nowMs: number = performance.now()): void {
    const { ageMsMax, heartbeatMs } = this.#options;
    this.#streams.set(stream, { endsMs: nowMs + ageMsMax, beatsMs: nowMs + heartbeatMs });
  }

  /** The connection is gone. */
  remove(stream: OpenStream): void {
    this.#streams.delete(stream);
  }

  /** Called by the timer; a test may call it with any clock. */
  sweep(nowMs: number): void {
    for (const [stream, kept] of this.#streams) {
      const { blockedSinceMs } = stream;
      if (blockedSinceMs !== null && nowMs - blockedSinceMs >= this.#options.stalledMs) {
        this.#cutCount++;
        stream.cut();
      } else if (nowMs >= kept.endsMs) this.#end(stream, "time");
      else if (nowMs >= kept.beatsMs) {
        kept.beatsMs = nowMs + this.#options.heartbeatMs;
        if (blockedSinceMs === null) stream.beat(); // What is full needs none, and would grow by it.
      }
    }
  }

  /** The server stops: streams that only follow end at once, so that none holds the stop up; those that answer end with their answer. */
  stop(): void {
    for (const stream of this.#streams.keys()) if (!stream.isAnswer) this.#end(stream, "stop");
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stream of this.#streams.keys()) stream.cut();
    this.#streams.clear();
  }

  #end(stream: OpenStream, why: "time" | "stop"): void {
    stream.end(why);
    setTimeout(() => this.#streams.has(stream) && stream.cut(), LINGER_MS).unref();
  }
}
