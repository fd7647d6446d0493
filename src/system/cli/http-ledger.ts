import { z } from "zod";
import type { JsonObject } from "../ingress/json-body.ts";
import type { MovementKind } from "../ingress/ledger-door.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { type HttpAnswer, HttpConnections } from "./http-connections.ts";
import { signedMinor } from "./import-row.ts";
import { ENTRIES_PAGE, type EntryPage, type LedgerTarget, type Outcome, type TrialTotal } from "./ledger-target.ts";

const PATH_OF_KIND: Readonly<Record<MovementKind, string>> = {
  deposit: "/v1/deposits",
  withdrawal: "/v1/withdrawals",
  transfer: "/v1/transfers",
};
/** Surely not done, or safe under the same key: 409 only while the first one runs. */
const REPEATABLE_STATUS: ReadonlySet<number> = new Set([429, 503, 504]);

const problemSchema = z.object({ code: z.string(), detail: z.string() });
const readySchema = z.object({ status: z.literal("ready") });
const pageSchema = z.object({
  items: z.array(z.object({ transferId: z.string(), amount: z.string(), balance: z.string() })),
  next: z.string().nullable(),
});
const trialSchema = z.object({ lines: z.array(z.object({ currency: z.string(), total: z.string(), inTransit: z.string() })) });

/** The ledger of a running server. */
export class HttpLedger implements LedgerTarget {
  readonly name: string;
  readonly #connections: HttpConnections;

  private constructor(url: string) {
    this.name = url;
    this.#connections = new HttpConnections(url);
  }

  /** Makes sure that a Troupe server is ready there. @throws CliError `URL_INVALID`, `SERVER_UNREACHABLE`, `SERVER_NOT_READY`. */
  static async connect(text: string): Promise<HttpLedger> {
    const url = URL.parse(text);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
      throw new CliError("URL_INVALID", `--url got ${JSON.stringify(text)}, expected a server's address such as http://127.0.0.1:7070`);
    }
    const ledger = new HttpLedger(url.origin + url.pathname.replace(/\/+$/, ""));
    const answer = await ledger.#send("GET", "/readyz");
    if (answer.status === 200 && readySchema.safeParse(jsonOf(answer.body)).success) return ledger;
    const problem = problemSchema.safeParse(jsonOf(answer.body));
    if (answer.status === 503 && problem.success)
      throw new CliError("SERVER_NOT_READY", `the server at ${ledger.name} is ${problem.data.detail}`);
    throw new CliError(
      "SERVER_UNREACHABLE",
      `what answers at ${ledger.name} is no Troupe server (GET /readyz: ${answer.status}). Check --url.`,
    );
  }

  open(fields: JsonObject): Promise<Outcome> {
    return this.#outcome("POST", "/v1/accounts", fields);
  }

  move(kind: MovementKind, fields: JsonObject, key: string): Promise<Outcome> {
    return this.#outcome("POST", PATH_OF_KIND[kind], fields, key);
  }

  account(id: string): Promise<Outcome> {
    return this.#outcome("GET", `/v1/accounts/${encodeURIComponent(id)}`);
  }

  async entries(account: string, currency: string, after: number): Promise<EntryPage> {
    const path = `/v1/accounts/${encodeURIComponent(account)}/entries?after=${after}&limit=${ENTRIES_PAGE}`;
    const { items, next } = pageSchema.parse(await this.#read(path));
    const minor = (text: string): bigint => minorOf(text, currency);
    return {
      entries: items.map(({ transferId, amount, balance }) => ({ transferId, amount: minor(amount), balance: minor(balance) })),
      next: next === null ? null : Number(next),
    };
  }

  async trialBalance(): Promise<readonly TrialTotal[]> {
    const { lines } = trialSchema.parse(await this.#read("/v1/ledger/trial-balance"));
    return lines.map(({ currency, total, inTransit }) => ({
      currency,
      total: minorOf(total, currency),
      inTransit: minorOf(inTransit, currency),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections.close();
  }

  async #read(path: string): Promise<unknown> {
    const answer = await this.#send("GET", path);
    if (answer.status === 200) return jsonOf(answer.body);
    const problem = problemSchema.safeParse(jsonOf(answer.body));
    const isRetryable = REPEATABLE_STATUS.has(answer.status);
    if (problem.success) throw new CliError(problem.data.code, problem.data.detail, { isRetryable });
    throw new CliError("SERVER_ANSWER_UNKNOWN", `${this.name} answered GET ${path} with ${answer.status}`);
  }

  async #outcome(method: string, path: string, fields?: JsonObject, key?: string): Promise<Outcome> {
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

function minorOf(text: string, currency: string): bigint {
  const found = signedMinor(text, currency);
  if (found === null)
    throw new CliError("SERVER_ANSWER_UNKNOWN", `the server answered ${JSON.stringify(text)} as an amount in ${currency}`);
  return found;
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
