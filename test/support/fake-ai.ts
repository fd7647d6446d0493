/**
 * An OpenAI-compatible endpoint that does what a test says: POST /v1/chat/completions, plain and streaming, after set delays, with faults in the
 * order in which they were planted or at a rate from a seed. It records every call. A real HTTP server in this process; `fake-ai-process.ts` runs it in
 * one of its own.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { Random } from "../../src/runtime/testing/index.ts";
import { promptProof } from "./summary-proof.ts";

/** What a call meets instead of an answer. `stall`: never goes on; `truncated`: the connection ends in the midst of the body. */
export type AiFault =
  | { readonly kind: "status"; readonly status: number; readonly retryAfter?: string; readonly reason?: string }
  | { readonly kind: "redirect"; readonly to: string }
  | { readonly kind: "hugeBody"; readonly bytes: number; readonly isPacked?: boolean }
  | { readonly kind: "body"; readonly text: string; readonly type?: string }
  | {
      readonly kind:
        | "reset"
        | "slowHeaders"
        | "slowBody"
        | "slowParts"
        | "truncated"
        | "badJson"
        | "emptyChoices"
        | "noContent"
        | "emptyContent";
    };

export interface AiSettings {
  /** Before the answer to a request for a reply, and to one for a summary (temperature 0.3: R-CON-2). */
  readonly replyMs: number;
  readonly summaryMs: number;
  /** Between two parts of a streamed answer. */
  readonly partMs: number;
  /** Share of calls that meet a transient fault: 429, 500, 503 or a reset connection. */
  readonly faultRatio: number;
  readonly isPacked: boolean;
  /** The answer; null = one that names the last message. */
  readonly content: string | null;
  /** A summary is the proof of what its prompt holds (`summary-proof.ts`), whatever `content` is. */
  readonly provesSummaries: boolean;
  /** What every request for a summary, or for a reply, meets. */
  readonly summaryFault: AiFault | null;
  readonly replyFault: AiFault | null;
  /** A bench that makes millions of calls keeps none. */
  readonly keepsCalls: boolean;
}

export interface AiCall {
  readonly key: string;
  readonly kind: "reply" | "summary";
  readonly isStream: boolean;
  readonly authorization: string | null;
  readonly traceparent: string | null;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** What it met; null = it was answered. */
  readonly fault: string | null;
  /** When the answer was complete, and when the client went away before that. */
  readonly endedAtMs: number | null;
  readonly abortedAtMs: number | null;
  readonly body: { readonly messages: readonly { readonly role: string; readonly content: string }[] } & Readonly<Record<string, unknown>>;
}
type Open = { -readonly [K in keyof AiCall]: AiCall[K] };

const DEFAULTS: AiSettings = {
  replyMs: 0,
  summaryMs: 0,
  partMs: 0,
  faultRatio: 0,
  isPacked: false,
  content: null,
  provesSummaries: false,
  summaryFault: null,
  replyFault: null,
  keepsCalls: true,
};
const TRANSIENT: readonly AiFault[] = [
  { kind: "status", status: 429, retryAfter: "1" },
  { kind: "status", status: 500 },
  { kind: "status", status: 503 },
  { kind: "reset" },
];

export class FakeAi implements AsyncDisposable {
  readonly calls: AiCall[] = [];
  /** All calls, also those that were not kept. */
  callCount = 0;
  /** Connections that were made. */
  connectionCount = 0;
  #settings: AiSettings;
  readonly #random: Random;
  readonly #faults: AiFault[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<() => void>();
  #server: Server;
  #port = 0;

  private constructor(settings: Partial<AiSettings>, seed: number) {
    this.#settings = { ...DEFAULTS, ...settings };
    this.#random = new Random(seed);
    this.#server = this.#newServer();
  }

  static async start(settings: Partial<AiSettings> = {}, seed = 1): Promise<FakeAi> {
    const ai = new FakeAi(settings, seed);
    await ai.up();
    return ai;
  }

  /** What `ai.url` is set to. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/v1`;
  }
  get openConnections(): number {
    return this.#sockets.size;
  }
  set(settings: Partial<AiSettings>): void {
    this.#settings = { ...this.#settings, ...settings };
  }
  /** The next calls meet these, one each. */
  plant(...faults: readonly AiFault[]): void {
    this.#faults.push(...faults);
  }
  /** Nobody listens any more, and all connections are broken. */
  async down(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
  /** Listens again, at the same port. */
  async up(): Promise<void> {
    if (this.#server.listening) return;
    this.#server = this.#newServer();
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }
  /** Resolves when `isSeen` holds of the calls. */
  async seen(isSeen: (calls: readonly AiCall[]) => boolean): Promise<void> {
    while (!isSeen(this.calls)) await new Promise<void>((resolve) => this.#watchers.add(resolve));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.down();
  }

  #newServer(): Server {
    const server = createServer((request, response) => void this.#take(request, response));
    return server.on("connection", (socket) => {
      this.connectionCount++;
      this.#sockets.add(socket);
      socket.once("close", () => {
        this.#sockets.delete(socket);
        this.#changed();
      });
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request);
    if (text === null) return; // The client went away before it had said all.
    if (request.method !== "POST" || request.url !== "/v1/chat/completions") return void response.writeHead(404).end();
    const body = JSON.parse(text) as AiCall["body"];
    const kind = body.temperature === 0.3 ? "summary" : "reply";
    const fault =
      this.#faults.shift() ?? (kind === "summary" ? this.#settings.summaryFault : this.#settings.replyFault) ?? this.#drawnFault();
    const call: Open = {
      key: String(request.headers["idempotency-key"]),
      kind,
      isStream: body.stream === true,
      authorization: request.headers.authorization ?? null,
      traceparent: typeof request.headers.traceparent === "string" ? request.headers.traceparent : null,
      atMs: Date.now(),
      fault: fault === null ? null : fault.kind === "status" ? String(fault.status) : fault.kind,
      endedAtMs: null,
      abortedAtMs: null,
      body,
    };
    this.callCount++;
    if (this.#settings.keepsCalls) this.calls.push(call);
    response.once("close", () => {
      if (response.writableFinished) call.endedAtMs = Date.now();
      else call.abortedAtMs = Date.now();
      this.#changed();
    });
    this.#changed();
    if (fault !== null) return this.#fail(fault, request, response, call);
    await rest(call.kind === "reply" ? this.#settings.replyMs : this.#settings.summaryMs);
    await this.#answer(response, call, this.#contentFor(call));
  }

  #contentFor({ kind, body }: AiCall): string {
    const last = body.messages.at(-1)?.content ?? "";
    const { provesSummaries, content } = this.#settings;
    return kind === "summary" && provesSummaries ? promptProof(last) : (content ?? `You said: ${last}`);
  }

  #drawnFault(): AiFault | null {
    const { faultRatio } = this.#settings;
    if (faultRatio === 0 || this.#random.next() >= faultRatio) return null;
    return TRANSIENT[Math.floor(this.#random.next() * TRANSIENT.length)] ?? null;
  }

  async #answer(response: ServerResponse, call: Open, content: string): Promise<void> {
    const usage = { prompt_tokens: JSON.stringify(call.body.messages).length >> 2, completion_tokens: content.length >> 2 };
    if (!call.isStream) {
      const choices = [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }];
      return this.#json(response, 200, { id: "1", object: "chat.completion", model: "fake", choices, usage });
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const word of content.match(/\S+\s*|\s+/g) ?? []) {
      if (response.destroyed) return;
      response.write(event({ choices: [{ index: 0, delta: { content: word }, finish_reason: null }] }));
      await rest(this.#settings.partMs);
    }
    response.write(event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
    response.write(event({ choices: [], usage }));
    response.end("data: [DONE]\n\n");
  }

  #fail(fault: AiFault, request: IncomingMessage, response: ServerResponse, call: Open): void {
    const begun = (type = "application/json"): ServerResponse => response.writeHead(200, { "content-type": type });
    switch (fault.kind) {
      case "status": {
        if (fault.retryAfter !== undefined) response.setHeader("retry-after", fault.retryAfter);
        // As real ones do, it quotes the key.
        const error = { message: `no: ${call.authorization}`, type: fault.reason ?? "server_error", code: null };
        return this.#json(response, fault.status, { error });
      }
      case "redirect":
        return void response.writeHead(302, { location: fault.to }).end();
      case "reset":
        return void request.socket.resetAndDestroy();
      case "slowHeaders":
        return;
      case "slowBody":
        return void begun().write('{"choices":[{"mess');
      case "slowParts":
        return void begun("text/event-stream").write(event({ choices: [{ delta: { content: "One " } }] }));
      case "truncated":
        return void begun("text/event-stream").write(event({ choices: [{ delta: { content: "One " } }] }), () =>
          request.socket.resetAndDestroy(),
        );
      case "hugeBody":
        return void hugeBody(response, fault.bytes, fault.isPacked === true);
      case "body":
        return void begun(fault.type).end(fault.text);
      case "badJson":
        return void begun().end('{"choices": [{"secret text of the conversation"');
      case "emptyChoices":
        return this.#json(response, 200, { choices: [] });
      case "noContent":
        return this.#json(response, 200, { choices: [{ message: { role: "assistant", content: null }, finish_reason: "tool_calls" }] });
      case "emptyContent":
        return this.#json(response, 200, { choices: [{ message: { role: "assistant", content: " \n" }, finish_reason: "stop" }] });
    }
  }

  #json(response: ServerResponse, status: number, body: object): void {
    const text = JSON.stringify(body);
    if (response.destroyed) return;
    if (!this.#settings.isPacked) return void response.writeHead(status, { "content-type": "application/json" }).end(text);
    response.writeHead(status, { "content-type": "application/json", "content-encoding": "gzip" }).end(gzipSync(text));
  }

  #changed(): void {
    const watchers = [...this.#watchers];
    this.#watchers.clear();
    for (const watcher of watchers) watcher();
  }
}

function hugeBody(response: ServerResponse, bytes: number, isPacked: boolean): void {
  if (isPacked) {
    response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(bytes, 32)));
    return;
  }
  response.writeHead(200, { "content-type": "application/json" });
  const part = Buffer.alloc(65_536, 32);
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= part.length;
      if (!response.write(part)) return void response.once("drain", more);
    }
    response.end();
  };
  more();
}

const event = (json: object): string => `data: ${JSON.stringify(json)}\n\n`;
const rest = (ms: number): Promise<void> | void => (ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms)));

async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString();
}
