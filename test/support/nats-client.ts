/** A plain client of NATS: the `nats` package and nothing of ours, as somebody else's program has it. */
import { connect as connectSocket, type Socket } from "node:net";
import { connect, type NatsConnection, headers as newHeaders } from "nats";

export interface NatsAnswer {
  readonly status: number;
  readonly text: string;
  /** By name as it came. */
  readonly headers: Readonly<Record<string, string>>;
}
export type NatsHeader = readonly [name: string, value: string];

const ANSWER_MS_MAX = 20_000;

/** Sends a command and waits for its answer. Text goes as it stands; nothing is an empty body. */
export async function ask(
  connection: NatsConnection,
  subject: string,
  {
    body,
    headers = [],
    timeoutMs = ANSWER_MS_MAX,
  }: { readonly body?: unknown; readonly headers?: readonly NatsHeader[]; readonly timeoutMs?: number } = {},
): Promise<NatsAnswer> {
  const message = await connection.request(subject, bytesOf(body), { timeout: timeoutMs, headers: headersOf(headers) });
  const shown = [...(message.headers ?? [])].map(([name, values]) => [name, values.join(", ")] as const);
  return { status: Number(message.headers?.get("Troupe-Status")), text: message.string(), headers: Object.fromEntries(shown) };
}

export function headersOf(pairs: readonly NatsHeader[]) {
  const headers = newHeaders();
  for (const [name, value] of pairs) headers.append(name, value);
  return headers;
}

export const fieldsIn = ({ text }: NatsAnswer): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

function bytesOf(body: unknown): string | Uint8Array {
  if (body === undefined) return "";
  return typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
}

/** Hears every message on every subject from the moment in which this resolves, but for what the server itself says and the roll calls of nodes. */
export async function listenToAll(url: string): Promise<{ readonly subjects: string[]; settle(): Promise<void>; close(): Promise<void> }> {
  const connection = await connect({ servers: url });
  const subjects: string[] = [];
  const rollCalls = new Set<string>();
  connection.subscribe(">", {
    callback: (_error, { subject, reply = "" }) => {
      if (subject === "$SRV.PING.troupe" && /^_INBOX_troupe\.[A-Za-z0-9]{22}$/.test(reply)) rollCalls.add(reply);
      else if (!rollCalls.has(subject)) subjects.push(subject);
    },
  });
  await connection.flush();
  return { subjects, settle: () => connection.flush(), close: () => connection.close() };
}

/** A connection that says what it is told, byte for byte: for what the library refuses to send. */
export class RawNats implements Disposable {
  readonly #socket: Socket;
  #heard = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#heard += chunk.toString("latin1");
    });
    socket.on("error", () => undefined); // The server ends connections that break its protocol.
  }

  static async connect(port: number): Promise<RawNats> {
    const raw = new RawNats(connectSocket(port, "127.0.0.1"));
    await raw.say('CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n');
    return raw;
  }

  /** What the server said. */
  get heard(): string {
    return this.#heard;
  }

  /** Sends the bytes, and resolves when the server has read them, or has ended the connection. */
  async say(bytes: string | Buffer): Promise<void> {
    const seen = this.#heard.length;
    this.#socket.write(bytes);
    this.#socket.write("PING\r\n");
    await this.until(() => this.#heard.indexOf("PONG\r\n", seen) >= 0 || this.#socket.closed);
  }

  /** Looks at each arrival of bytes. @throws Error at the limit. */
  async until(isThere: () => boolean): Promise<void> {
    const end = performance.now() + ANSWER_MS_MAX;
    while (!isThere()) {
      if (performance.now() > end) throw new Error(`not heard in time; heard ${JSON.stringify(this.#heard)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
