import { z } from "zod";
import type { JsonObject } from "../ingress/json-body.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { type HttpAnswer, HttpConnections } from "./http-connections.ts";
import type { Outcome } from "./ledger-target.ts";

/** Surely not done, or safe under the same key: 409 only while the first one runs. */
const REPEATABLE_STATUS: ReadonlySet<number> = new Set([429, 503, 504]);

const problemSchema = z.object({ code: z.string(), detail: z.string() });
const readySchema = z.object({ status: z.literal("ready") });

/** The HTTP API of a running server, whatever is asked of it. */
export class HttpApi implements Disposable {
  readonly name: string;
  readonly #connections: HttpConnections;

  private constructor(url: string) {
    this.name = url;
    this.#connections = new HttpConnections(url);
  }

  /** Makes sure that a Troupe server is ready there. @throws CliError `URL_INVALID`, `SERVER_UNREACHABLE`, `SERVER_NOT_READY`. */
  static async connect(text: string): Promise<HttpApi> {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
      throw new CliError("URL_INVALID", `--url got ${JSON.stringify(text)}, expected a server's address such as http://127.0.0.1:7070`);
    }
    const api = new HttpApi(url.origin + url.pathname.replace(/\/+$/, ""));
    const answer = await api.#send("GET", "/readyz");
    if (answer.status === 200 && readySchema.safeParse(jsonOf(answer.body)).success) return api;
    const problem = problemSchema.safeParse(jsonOf(answer.body));
    if (answer.status === 503 && problem.success)
      throw new CliError("SERVER_NOT_READY", `the server at ${api.name} is ${problem.data.detail}`);
    throw new CliError(
      "SERVER_UNREACHABLE",
      `what answers at ${api.name} is no Troupe server (GET /readyz: ${answer.status}). Check --url.`,
    );
  }

  [Symbol.dispose](): void {
    this.#connections.close();
  }

  /** The JSON of a read. @throws CliError of the answer's code, `isRetryable` when it may be there soon. */
  async read(path: string): Promise<unknown> {
    const answer = await this.#send("GET", path);
    if (answer.status === 200) return jsonOf(answer.body);
    const problem = problemSchema.safeParse(jsonOf(answer.body));
    const isRetryable = REPEATABLE_STATUS.has(answer.status);
    if (problem.success) throw new CliError(problem.data.code, problem.data.detail, { isRetryable });
    throw new CliError("SERVER_ANSWER_UNKNOWN", `${this.name} answered GET ${path} with ${answer.status}`);
  }

  /** Sends a command and says how it ended; never throws for what the server says. */
  async outcome(method: string, path: string, fields?: JsonObject, key?: string): Promise<Outcome> {
    let answer: HttpAnswer;
    try {
      answer = await this.#send(method, path, fields, key);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      return { ok: false, status: 0, code: error.code, detail: error.message, isReplayed: false, repeatAfterMs: 0 };
    }
    const { status, headers, body } = answer;
    const isReplayed = headers["idempotency-replayed"] === "true";
    if (status === 200 || status === 201) return { ok: true, isReplayed, body };
    // Accepted and durable: the same key meets the outcome when it is there.
    if (status === 202) return { ok: false, status, code: "key_in_progress", detail: "not finished yet", isReplayed, repeatAfterMs: 0 };
    const problem = problemSchema.safeParse(jsonOf(body));
    const { code, detail } = problem.success ? problem.data : { code: "SERVER_ANSWER_UNKNOWN", detail: body.slice(0, 200) };
    const isRepeatable = REPEATABLE_STATUS.has(status) || code === "key_in_progress";
    return { ok: false, status, code, detail, isReplayed, repeatAfterMs: isRepeatable ? retryAfterMs(headers) : null };
  }

  /** @throws CliError `SERVER_UNREACHABLE` when no answer came: it may have been done, and the same key is safe. */
  async #send(method: string, path: string, fields?: JsonObject, key?: string): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    if (fields !== undefined) headers["content-type"] = "application/json";
    if (key !== undefined) headers["idempotency-key"] = key;
    try {
      return await this.#connections.send(this.name + path, { method, headers, body: fields === undefined ? "" : JSON.stringify(fields) });
    } catch (cause) {
      const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
      const message = `the server at ${this.name} does not answer (${why}). Is it running there?`;
      throw new CliError("SERVER_UNREACHABLE", message, { cause, isRetryable: true });
    }
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // What is no JSON has no field that anybody looks for.
  }
}

function retryAfterMs(headers: HttpAnswer["headers"]): number {
  const value = Number(headers["retry-after"] ?? 0);
  return Number.isFinite(value) && value > 0 ? value * 1000 : 0;
}
