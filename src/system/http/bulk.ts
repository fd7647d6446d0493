/**
 * Many movements in one request: NDJSON in, NDJSON out, both streamed (R-LED-10).
 *
 * B1. Answers leave in the order of the lines, each as soon as it and all before it are there.
 * B2. At most `inFlightMax` lines are read and not yet written: with a slow reader or a slow journal the input waits. Memory is bounded by
 *     that, one line and one chunk, whatever the length of the stream. So a client must read while it writes.
 * B3. A bad line is answered and the run goes on. A line that was refused for a passing reason is tried again within `answerMsMax`.
 * B4. A run that is cut off (stop of the server) ends with a line that says so: what stands after the last answered line was not read.
 */
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type AskOptions, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import { keyOfField } from "../ingress/idempotency-key.ts";
import { type JsonLimits, type JsonObject, readJsonObject } from "../ingress/json-body.ts";
import { type CallResult, isWorthRepeating, runCall } from "../ingress/ledger-call.ts";
import { isMovementKind, type LedgerCall, movementCall, refuse } from "../ingress/ledger-door.ts";
import type { TroupeSystem } from "../system.ts";
import { type Line, LineSplitter } from "./line-splitter.ts";

export interface BulkOptions {
  readonly system: TroupeSystem;
  readonly inFlightMax: number;
  readonly lineBytesMax: number;
  readonly answerMsMax: number;
  readonly json: JsonLimits;
  readonly trace?: string;
  /** Aborted when the client is gone: lines that have not begun are dropped. */
  readonly signal?: AbortSignal;
  /** Called with what is a defect, never with what a client or an account refused. */
  readonly onDefect: (error: unknown) => void;
}

const LINE_FIELDS = ["key", "kind"] as const;
const BACKOFF_MS_MIN = 5;
const BACKOFF_MS_MAX = 250;
/** Answers are written in pieces of about this size: one write a line costs more than the line. */
const WRITE_CHARS_MAX = 64 * 1024;

/** One bulk request. `run` is called once; its promise settles when the answer is ended or the client is gone. */
export class Bulk {
  readonly #options: BulkOptions;
  readonly #response: Writable;
  /** Ring of answers by line number; empty = not there yet. */
  readonly #answers: Array<string | undefined>;
  #written = 0; // Lines whose answer was given to the response.
  #taken = 0; // Lines read.
  #isFlushDue = false;
  #isBlocked = false;
  #isStopping = false;
  #wake: (() => void) | null = null;

  constructor(response: Writable, options: BulkOptions) {
    this.#options = options;
    this.#response = response;
    this.#answers = new Array(options.inFlightMax);
    response.on("drain", () => {
      this.#isBlocked = false;
      this.#flush();
    });
    response.on("close", () => this.#wake?.());
  }

  /** Reads no further line; those in flight are answered, then a last line says `SHUTTING_DOWN`. */
  stop(): void {
    this.#isStopping = true;
    this.#wake?.();
  }

  /** Works the input off. Never rejects: a client that goes away ends the run. */
  async run(input: Readable): Promise<void> {
    try {
      await this.#read(input);
    } catch {
      // The input broke off: the client is gone, and so is everybody who could be told.
      this.#response.destroy();
      return;
    }
    while (this.#written < this.#taken && !this.#isGone) await this.#progress();
    if (this.#isGone) return;
    this.#response.end(this.#isStopping ? STOPPED_LINE : undefined);
  }

  get #isGone(): boolean {
    return this.#response.destroyed || this.#response.closed;
  }

  async #read(input: Readable): Promise<void> {
    const splitter = new LineSplitter({ lineBytesMax: this.#options.lineBytesMax });
    const chunks = input[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#nextChunk(chunks);
      const lines = next === null ? splitter.end() : splitter.push(next);
      for (const line of lines) {
        while (this.#taken - this.#written >= this.#options.inFlightMax && !this.#isGone && !this.#isStopping) await this.#progress();
        if (this.#isGone || this.#isStopping) return;
        this.#take(line);
      }
      if (next === null) return;
    }
  }

  /** The next chunk, or null at the end or when the run stops while the client says nothing. */
  async #nextChunk(chunks: AsyncIterator<unknown>): Promise<Buffer | null> {
    const stopped = this.#stopped();
    const next = await Promise.race([chunks.next(), stopped.promise]);
    stopped.cancel();
    if (next === null || next.done === true || this.#isStopping || this.#isGone) return null;
    return Buffer.isBuffer(next.value) ? next.value : Buffer.from(String(next.value));
  }

  #take(line: Line): void {
    if (line.kind === "line" && isBlank(line.bytes)) return;
    const number = this.#taken++;
    const checked = this.#check(line);
    if (!checked.ok) {
      this.#answer(number, refusalLine(checked.key, null, checked));
      return;
    }
    const { key, call } = checked;
    this.#perform(call).then(
      (result) => this.#answer(number, resultLine(key, call.id, result)),
      (error: unknown) => {
        this.#options.onDefect(error);
        this.#answer(number, refusalLine(key, call.id, DEFECT));
      },
    );
  }

  #check(line: Line): { readonly ok: true; readonly key: string; readonly call: LedgerCall } | (Refusal & { readonly key: string | null }) {
    if (line.kind === "too-long") return { ...tooLong(this.#options.lineBytesMax), key: null };
    const body = readJsonObject(line.bytes, this.#options.json);
    if (!body.ok) return { ...body, key: null };
    const key = keyOfField(body.value.key);
    if (!key.ok) return { ...key, key: null };
    const checked = lineCall(body.value, key.key);
    return checked.ok ? { ok: true, key: key.key, call: checked.call } : { ...checked, key: key.key };
  }

  async #perform(call: LedgerCall): Promise<CallResult> {
    const { system, answerMsMax, trace, signal } = this.#options;
    const options: AskOptions = {
      timeoutMs: answerMsMax,
      ...(trace === undefined ? {} : { trace }),
      ...(signal === undefined ? {} : { signal }),
    };
    let result = await runCall(system, call, options);
    if (result.kind !== "refused" || !isWorthRepeating(result.code)) return result;
    const until = performance.now() + answerMsMax;
    for (let backoffMs = BACKOFF_MS_MIN; performance.now() < until && !this.#isGone; backoffMs = Math.min(backoffMs * 2, BACKOFF_MS_MAX)) {
      // Half of the wait is random: lines refused together must not come back together.
      await delay(backoffMs * (0.5 + Math.random() / 2));
      result = await runCall(system, call, options);
      if (result.kind !== "refused" || !isWorthRepeating(result.code)) return result;
    }
    return result;
  }

  #answer(number: number, text: string): void {
    this.#answers[number % this.#options.inFlightMax] = text;
    // Answers of one commit come together: one write for all of them, after the last.
    if (number !== this.#written || this.#isFlushDue) return;
    this.#isFlushDue = true;
    setImmediate(() => {
      this.#isFlushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    const before = this.#written;
    while (!this.#isBlocked && !this.#isGone) {
      let piece = "";
      while (this.#written < this.#taken && piece.length < WRITE_CHARS_MAX) {
        const at = this.#written % this.#options.inFlightMax;
        const text = this.#answers[at];
        if (text === undefined) break;
        this.#answers[at] = undefined;
        this.#written++;
        piece += text;
      }
      if (piece === "") break;
      this.#isBlocked = !this.#response.write(piece);
    }
    if (this.#written > before) this.#wake?.();
  }

  /** Resolves when answers were written, the run is to stop, or the client is gone. */
  #progress(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    return promise;
  }

  #stopped(): { readonly promise: Promise<null>; cancel(): void } {
    const { promise, resolve } = Promise.withResolvers<null>();
    if (this.#isStopping || this.#isGone) resolve(null);
    this.#wake = () => {
      if (this.#isStopping || this.#isGone) resolve(null);
    };
    return {
      promise,
      cancel: () => {
        this.#wake = null;
      },
    };
  }
}

function lineCall(fields: JsonObject, key: string): ReturnType<typeof movementCall> {
  const kind = fields.kind ?? "transfer";
  if (!isMovementKind(kind)) return refuse("validation_failed", 'kind is not known; expected "transfer", "deposit" or "withdrawal"');
  return movementCall(kind, fields, key, { alsoAllowed: LINE_FIELDS });
}

const tooLong = (bytesMax: number): Refusal => refuse("payload_too_large", `the line is longer than ${bytesMax} bytes; send a shorter one`);

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  return true;
}

const DEFECT: Refusal = refuse("INTERNAL_ERROR", "the line met a defect of the service; it may be repeated with the same key");
const STOPPED_LINE = refusalLine(
  null,
  null,
  refuse("SHUTTING_DOWN", "the server stops; the lines after the last one answered were not read: send them again, the same keys are safe"),
);

function resultLine(key: string, transferId: string, result: CallResult): string {
  switch (result.kind) {
    case "refused":
      return refusalLine(key, transferId, result);
    case "pending":
      return `${JSON.stringify({ key, status: 202, transferId })}\n`;
    case "outcome": {
      const code = result.code === null ? {} : { code: result.code };
      const replayed = result.isReplayed ? { replayed: true } : {};
      return `${JSON.stringify({ key, status: result.status, ...code, transferId, ...replayed })}\n`;
    }
  }
}

function refusalLine(key: string | null, transferId: string | null, { code, detail }: Refusal): string {
  return `${JSON.stringify({ key, status: STATUS_OF_CODE[code], code, transferId, detail })}\n`;
}
