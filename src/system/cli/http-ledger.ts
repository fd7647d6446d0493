import { z } from "zod";
import type { JsonObject } from "../ingress/json-body.ts";
import type { MovementKind } from "../ingress/ledger-door.ts";
import { CliError } from "./cli-error.ts";
import { HttpApi } from "./http-api.ts";
import { signedMinor } from "./import-row.ts";
import { ENTRIES_PAGE, type EntryPage, type LedgerTarget, type Outcome, type TrialTotal } from "./ledger-target.ts";

const PATH_OF_KIND: Readonly<Record<MovementKind, string>> = {
  deposit: "/v1/deposits",
  withdrawal: "/v1/withdrawals",
  transfer: "/v1/transfers",
};
const pageSchema = z.object({
  items: z.array(z.object({ transferId: z.string(), amount: z.string(), balance: z.string() })),
  next: z.string().nullable(),
});
const trialSchema = z.object({ lines: z.array(z.object({ currency: z.string(), total: z.string(), inTransit: z.string() })) });

/** The ledger of a running server. */
export class HttpLedger implements LedgerTarget {
  readonly name: string;
  readonly #api: HttpApi;

  private constructor(api: HttpApi) {
    this.name = api.name;
    this.#api = api;
  }

  /** Makes sure that a Troupe server is ready there. @throws CliError `URL_INVALID`, `SERVER_UNREACHABLE`, `SERVER_NOT_READY`. */
  static async connect(url: string): Promise<HttpLedger> {
    return new HttpLedger(await HttpApi.connect(url));
  }

  open(fields: JsonObject): Promise<Outcome> {
    return this.#api.outcome("POST", "/v1/accounts", fields);
  }

  move(kind: MovementKind, fields: JsonObject, key: string): Promise<Outcome> {
    return this.#api.outcome("POST", PATH_OF_KIND[kind], fields, key);
  }

  account(id: string): Promise<Outcome> {
    return this.#api.outcome("GET", `/v1/accounts/${encodeURIComponent(id)}`);
  }

  async entries(account: string, currency: string, after: number): Promise<EntryPage> {
    const path = `/v1/accounts/${encodeURIComponent(account)}/entries?after=${after}&limit=${ENTRIES_PAGE}`;
    const { items, next } = pageSchema.parse(await this.#api.read(path));
    const minor = (text: string): bigint => minorOf(text, currency);
    return {
      entries: items.map(({ transferId, amount, balance }) => ({ transferId, amount: minor(amount), balance: minor(balance) })),
      next: next === null ? null : Number(next),
    };
  }

  async trialBalance(): Promise<readonly TrialTotal[]> {
    const { lines } = trialSchema.parse(await this.#api.read("/v1/ledger/trial-balance"));
    return lines.map(({ currency, total, inTransit }) => ({
      currency,
      total: minorOf(total, currency),
      inTransit: minorOf(inTransit, currency),
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#api[Symbol.dispose]();
  }
}

function minorOf(text: string, currency: string): bigint {
  const found = signedMinor(text, currency);
  if (found === null)
    throw new CliError("SERVER_ANSWER_UNKNOWN", `the server answered ${JSON.stringify(text)} as an amount in ${currency}`);
  return found;
}
