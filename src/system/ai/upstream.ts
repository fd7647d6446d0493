/**
 * The only file that knows undici: requests to one endpoint, each with the limits of R-CON-6.
 *
 * U1. A request has its place (`ConnectionSlots`) before it gets a connection, and keeps it until its answer is read or given up.
 * U2. Each step has its own limit: wait for a connection, connect, write, head of the answer, each part of the body; and one over all.
 * U3. When `signal` is aborted the connection is destroyed at once, so the endpoint sees the end of it and stops to generate (TRAPS 27).
 * U4. No byte beyond `bodyBytesMax` is kept, counted before and after unpacking.
 */
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { buildConnector, errors, Pool } from "undici";
import { PortFailure } from "../../runtime/index.ts";
import { guardedLookup } from "./allowed-hosts.ts";
import { ConnectionSlots } from "./connection-slots.ts";
import { LayeredTimeout } from "./layered-timeout.ts";
import { badAnswer, broken, unreachable } from "./upstream-failure.ts";

/** Numbers of R-CON-6; each is a setting of `ai`. */
export interface UpstreamLimits {
  readonly connectionsMax: number;
  readonly connectionIdleMs: number;
  readonly connectionAgeMsMax: number;
  readonly connectionWaitMs: number;
  readonly connectMs: number;
  readonly writeMs: number;
  readonly readMs: number;
  readonly responseMs: number;
  readonly bodyBytesMax: number;
}

export interface UpstreamAnswer {
  readonly status: number;
  /** Null when it is absent or was sent more than once. */
  header(name: string): string | null;
  /** The unpacked body; read once. Throws a `PortFailure`, or the reason of the caller's signal. */
  readonly body: AsyncIterable<Buffer>;
}

type Headers = Readonly<Record<string, string>>;

export class Upstream {
  readonly #url: URL;
  readonly #limits: UpstreamLimits;
  readonly #pool: Pool;
  readonly #slots: ConnectionSlots;

  /** `url`: that of the endpoint, whose host was found to be allowed. */
  constructor(url: URL, limits: UpstreamLimits) {
    this.#url = url;
    this.#limits = limits;
    this.#slots = new ConnectionSlots({ count: limits.connectionsMax, waitingMax: WAITING_MAX });
    this.#pool = new Pool(url.origin, {
      connections: limits.connectionsMax,
      pipelining: 1,
      keepAliveTimeout: limits.connectionIdleMs,
      keepAliveMaxTimeout: limits.connectionIdleMs,
      clientTtl: limits.connectionAgeMsMax,
      // The limits of U2 are ours: undici's own are coarse, and do not tell the steps apart.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: buildConnector({ timeout: limits.connectMs, lookup: guardedLookup } as buildConnector.BuildOptions),
    });
  }

  /**
   * Posts JSON text to `path` below the endpoint's URL and hands the answer to `read`; ends when that ends.
   * @throws PortFailure of what happened on the way, before anything was made of a status.
   */
  async post<Value>(
    path: string,
    options: { readonly json: string; readonly headers: Headers; readonly signal: AbortSignal },
    read: (answer: UpstreamAnswer) => Promise<Value>,
  ): Promise<Value> {
    const timeout = new LayeredTimeout(options.signal);
    try {
      timeout.enter("the wait for a connection", this.#limits.connectionWaitMs);
      const waiting = this.#slots.take(timeout.signal);
      if (waiting === null) throw new PortFailure(`${WAITING_MAX} requests wait for a connection already`, { code: "OVERLOADED" });
      const slot = await waiting;
      try {
        return await unlessAborted(timeout.signal, this.#exchange(path, options, timeout, read));
      } finally {
        slot.free();
      }
    } finally {
      timeout.end();
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #exchange<Value>(
    path: string,
    { json, headers }: { readonly json: string; readonly headers: Headers },
    timeout: LayeredTimeout,
    read: (answer: UpstreamAnswer) => Promise<Value>,
  ): Promise<Value> {
    const bytes = Buffer.from(json);
    let isConnected = false;
    const sent = this.#sent(bytes, timeout, () => {
      isConnected = true;
    });
    try {
      const {
        statusCode,
        headers: got,
        body,
      } = await this.#pool.request({
        method: "POST",
        path: `${this.#url.pathname.replace(/\/+$/, "")}${path}`,
        headers: { ...headers, "content-type": "application/json", "content-length": String(bytes.length), "accept-encoding": "gzip" },
        body: Readable.from(sent, { objectMode: false }),
        signal: timeout.signal,
      });
      const header = (name: string): string | null => {
        const value = got[name];
        return typeof value === "string" ? value : null;
      };
      timeout.leave();
      body.on("error", () => undefined); // Whoever reads gets it too; after that nobody would.
      try {
        const value = await read({ status: statusCode, header, body: this.#unpacked(body, header("content-encoding"), timeout) });
        // The end may come a moment after what was read: with it the connection can be used again, but nobody is kept waiting for it.
        if (!body.readableEnded) {
          void body.dump({ limit: this.#limits.bodyBytesMax, signal: AbortSignal.timeout(REST_MS) }).catch(() => undefined);
        }
        return value;
      } catch (thrown) {
        body.destroy();
        throw thrown;
      }
    } catch (thrown) {
      throw transportFailure(thrown, timeout.signal, isConnected);
    }
  }

  /** undici begins to take the body when the request has a connection, and takes the next part when the one before has left. */
  async *#sent(bytes: Buffer, timeout: LayeredTimeout, connected: () => void): AsyncGenerator<Buffer> {
    connected();
    timeout.limit("the whole answer", this.#limits.responseMs);
    timeout.enter("sending the request", this.#limits.writeMs);
    for (let at = 0; at < bytes.length; at += PART_BYTES) yield bytes.subarray(at, at + PART_BYTES);
    timeout.enter("the head of the answer", this.#limits.readMs);
  }

  async *#unpacked(body: Readable, encoding: string | null, timeout: LayeredTimeout): AsyncGenerator<Buffer> {
    const { bodyBytesMax, readMs } = this.#limits;
    const packed = limited(watched(body, timeout, readMs), bodyBytesMax);
    if (encoding === null || encoding === "identity") return yield* packed;
    if (encoding !== "gzip" && encoding !== "x-gzip") throw badAnswer("BAD_ENCODING", "the answer is packed with neither gzip nor nothing");
    const gunzip = createGunzip();
    pipeline(packed, gunzip, () => undefined); // The error comes out of the reading below.
    yield* limited(gunzip, bodyBytesMax);
  }
}

/** The limit counts while the endpoint is waited for, and not while its part is worked on here. */
async function* watched(body: Readable, timeout: LayeredTimeout, readMs: number): AsyncGenerator<Buffer> {
  timeout.enter("the next part of the answer", readMs);
  for await (const part of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    timeout.leave();
    yield part;
    timeout.enter("the next part of the answer", readMs);
  }
  timeout.leave();
}

async function* limited(parts: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const part of parts) {
    bytes += part.length;
    if (bytes > bytesMax) throw badAnswer("BODY_TOO_LARGE", `the answer has more than ${bytesMax} bytes`);
    yield part;
  }
}

/** A request that still waits inside undici does not hear its signal; whoever waits for it does. */
async function unlessAborted<Value>(signal: AbortSignal, work: Promise<Value>): Promise<Value> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function transportFailure(thrown: unknown, signal: AbortSignal, isConnected: boolean): unknown {
  if (signal.aborted) return signal.reason;
  if (thrown instanceof PortFailure) return thrown;
  if (!isTransport(thrown)) return thrown; // A defect: it is told as it is.
  if (thrown.code?.startsWith("Z_") === true) return badAnswer("BAD_ENCODING", "the answer cannot be unpacked");
  return isConnected ? broken(thrown) : unreachable(thrown);
}

/** undici's errors, the system's and zlib's have a code; those of a name that leads to a refused address and of TLS may have none. */
const isTransport = (thrown: unknown): thrown is Error & { readonly code?: string } =>
  thrown instanceof errors.UndiciError || (thrown instanceof Error && !(thrown instanceof TypeError) && !(thrown instanceof RangeError));

/** Beyond the connections; the ports' bulkheads are smaller. */
const WAITING_MAX = 1_000;
const PART_BYTES = 65_536;
/** How long the end of an answer of which nobody wants more is waited for. */
const REST_MS = 1_000;
