/**
 * Load over raw keep-alive sockets: requests are bytes made before the clock starts, answers are looked at only as far as the status and the
 * length. It costs a fraction of what a client library does, because it shares the cores with the server. One request a connection at a
 * time. It understands answers with a Content-Length and nothing else.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { LoopFigures } from "./closed-loop.ts";
import { quantile } from "./statistics.ts";

export interface HttpLoad {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly requests: readonly Buffer[];
  /** Every answer must have it. */
  readonly status: number;
  /** Request i is sent on connection i modulo their number; otherwise on whichever is free. */
  readonly isByLane?: boolean;
  /** Time between the beginnings of two requests of a connection, milliseconds; 0, the default, sends the next one at once. */
  readonly everyMs?: number;
}

/** A request with a JSON body, as bytes; `more` headers beside the usual ones. */
export function postBytes(path: string, body: string, key: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const lines = Object.entries(more).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nidempotency-key: "${key}"\r\n${lines.join("")}`;
  return Buffer.from(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** Sends all requests, each once. Rejects at the first answer with another status. */
export async function httpLoad(load: HttpLoad): Promise<LoopFigures & { readonly sample: string }> {
  const { requests, connections, isByLane = false, everyMs = 0 } = load;
  const sockets = await Promise.all(Array.from({ length: Math.min(connections, requests.length) }, () => opened(load)));
  const latencies = new Float64Array(requests.length);
  let next = 0;
  let sample = "";
  const from = performance.now();
  await Promise.all(
    sockets.map((socket, lane) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let nextOfLane = lane;
      let current = 0;
      let begun = 0;
      const send = (): void => {
        current = isByLane ? nextOfLane : next++;
        nextOfLane += sockets.length;
        if (current >= requests.length) return resolve();
        begun = performance.now();
        socket.write(requests[current] ?? "");
      };
      // Connections begin one after the other, so that they do not all send in one moment for ever.
      const sendAfter = (ms: number): void => void (ms <= 0 ? send() : setTimeout(send, ms));
      readAnswers(socket, {
        onAnswer: (status, text) => {
          latencies[current] = performance.now() - begun;
          if (status !== load.status) return reject(new Error(`request ${current} was answered ${text()}`));
          if (sample === "") sample = text();
          sendAfter(everyMs === 0 ? 0 : everyMs - (performance.now() - begun));
        },
        onEnd: (why) => reject(new Error(`the server ended a connection: ${why}`)),
      });
      sendAfter((everyMs * lane) / sockets.length);
      return promise;
    }),
  );
  const ms = performance.now() - from;
  for (const socket of sockets)
    socket
      .removeAllListeners()
      .on("error", () => undefined)
      .destroy();
  return {
    perSecond: (requests.length / ms) * 1000,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    maxMs: quantile(latencies, 1),
    sample,
  };
}

async function opened({ host, port }: HttpLoad): Promise<Socket> {
  const socket = connect(port, host);
  socket.setNoDelay(true);
  await once(socket, "connect");
  return socket;
}

const LENGTH = "content-length: ";

/** Calls `onAnswer` once for each whole answer. An answer nearly always comes in one piece. */
function readAnswers(
  socket: Socket,
  calls: { readonly onAnswer: (status: number, text: () => string) => void; readonly onEnd: (why: string) => void },
): void {
  let rest: Buffer | null = null;
  socket.on("data", (chunk) => {
    const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk]);
    const head = bytes.indexOf("\r\n\r\n");
    const end = head < 0 ? Number.POSITIVE_INFINITY : head + 4 + lengthIn(bytes.toString("latin1", 0, head));
    if (bytes.length < end) {
      rest = bytes;
      return;
    }
    rest = null; // One request at a time, so nothing follows.
    calls.onAnswer(statusIn(bytes), () => bytes.toString("utf8"));
  });
  socket.on("error", (error) => calls.onEnd(String(error)));
  socket.on("close", () => calls.onEnd("closed"));
}

/** "HTTP/1.1 201": three digits from the tenth byte on. */
const statusIn = (bytes: Buffer): number => ((bytes[9] ?? 0) - 48) * 100 + ((bytes[10] ?? 0) - 48) * 10 + ((bytes[11] ?? 0) - 48);

function lengthIn(head: string): number {
  const at = head.indexOf(LENGTH);
  if (at < 0) throw new Error(`an answer without ${LENGTH.trim()}: ${head}`);
  return Number.parseInt(head.slice(at + LENGTH.length), 10);
}
