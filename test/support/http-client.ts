/** A client that sends what it is told, byte for byte: duplicate headers, bad UTF-8, broken HTTP. One connection a request. */
import { connect } from "node:net";

export interface HttpAnswer {
  readonly status: number;
  /** By lower-case name; Date and the request's own id are left out, because they differ by design. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
}
export type Header = readonly [name: string, value: string];

const ANSWER_MS_MAX = 20_000;

/** Sends the bytes and reads until the server ends the connection. Rejects when no whole answer came in 20 s. */
export async function sendBytes(url: string, bytes: Buffer): Promise<HttpAnswer> {
  const { hostname, port } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  const socket = connect(Number(port), hostname);
  socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error("no answer in time")));
  socket.on("data", (chunk) => chunks.push(chunk));
  // A server that refuses half of a body resets the connection after its answer; what came counts.
  socket.on("error", (error) => (chunks.length > 0 ? resolve(Buffer.concat(chunks)) : reject(error)));
  socket.on("close", () => resolve(Buffer.concat(chunks)));
  socket.write(bytes);
  return parsed(await promise);
}

/** Sends one request on a connection of its own. */
export function send(
  url: string,
  method: string,
  path: string,
  headers: readonly Header[] = [],
  body: string | Buffer | null = null,
): Promise<HttpAnswer> {
  const bytes = body === null ? Buffer.alloc(0) : Buffer.from(body);
  const length: Header[] = body === null ? [] : [["content-length", String(bytes.length)]];
  const all: Header[] = [["host", "localhost"], ["connection", "close"], ...headers, ...length];
  const head = `${method} ${path} HTTP/1.1\r\n${all.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return sendBytes(url, Buffer.concat([Buffer.from(head), bytes]));
}

export const get = (url: string, path: string, headers: readonly Header[] = []): Promise<HttpAnswer> => send(url, "GET", path, headers);

/** Posts JSON; text goes as it stands. A key is sent when it is not null. */
export function post(
  url: string,
  path: string,
  body: unknown,
  key: string | null = null,
  headers: readonly Header[] = [],
): Promise<HttpAnswer> {
  const keyed: Header[] = key === null ? [] : [["idempotency-key", key]];
  const bytes = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return send(url, "POST", path, [["content-type", "application/json"], ...keyed, ...headers], bytes);
}

/** The fields of an answer's JSON object. @throws SyntaxError when it is none. */
export const fieldsOf = (answer: HttpAnswer): Record<string, unknown> => JSON.parse(answer.text) as Record<string, unknown>;

function parsed(bytes: Buffer): HttpAnswer {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) throw new Error(`the server ended the connection without an answer (${bytes.length} bytes)`);
  const [start = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const headers = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const);
  const body = bytes.subarray(end + 4);
  const kept = headers.filter(([name]) => name !== "date" && name !== "x-request-id");
  return { status: Number(start.split(" ")[1]), headers: Object.fromEntries(kept), bytes: body, text: body.toString("utf8") };
}
