import { type Answer, type Refusal, STATUS_OF_CODE } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import type { JsonObject } from "../ingress/json-body.ts";
import { isWorthRepeating, runCall } from "../ingress/ledger-call.ts";
import { type Checked, type MovementKind, movementCall, openAccountCall, readCall } from "../ingress/ledger-door.ts";
import { openLog } from "../observe/log.ts";
import { startSystem } from "../start.ts";
import type { TroupeSystem } from "../system.ts";
import { CliError } from "./cli-error.ts";
import { ENTRIES_PAGE, type EntryPage, type LedgerTarget, type Outcome, type TrialTotal } from "./ledger-target.ts";

/** The ledger in this process, behind the same door as HTTP's. Owns the system: disposing of it stops that in order. */
export class NodeLedger implements LedgerTarget {
  readonly name: string;
  readonly #system: TroupeSystem;
  readonly #timeoutMs: number;

  constructor(options: { readonly name: string; readonly system: TroupeSystem; readonly timeoutMs: number }) {
    this.name = options.name;
    this.#system = options.system;
    this.#timeoutMs = options.timeoutMs;
  }

  /** Starts a node on the data directory. @throws Fault `DATA_DIR_IN_USE` and the others of a start. */
  static async start(config: Config): Promise<NodeLedger> {
    const system = await startSystem(config, { log: openLog(config.log.level) });
    return new NodeLedger({ name: system.dataDir.path, system, timeoutMs: config.http.answerMsMax });
  }

  open(fields: JsonObject): Promise<Outcome> {
    return this.#run(openAccountCall(fields, null));
  }

  move(kind: MovementKind, fields: JsonObject, key: string): Promise<Outcome> {
    return this.#run(movementCall(kind, fields, key));
  }

  async account(id: string): Promise<Outcome> {
    const checked = readCall("account", id);
    if (!checked.ok) return refused(checked);
    const answer = await this.#system.ask(checked.call.address, "get", {}, { timeoutMs: this.#timeoutMs });
    return answer.ok ? { ok: true, isReplayed: false, body: JSON.stringify(answer.value) } : refused(answer);
  }

  async entries(account: string, _currency: string, after: number): Promise<EntryPage> {
    const { entries, hasMore } = granted(await this.#system.statement(account, { after, limit: ENTRIES_PAGE }));
    return {
      entries: entries.map(({ transferId, amount, balance }) => ({ transferId, amount: BigInt(amount), balance: BigInt(balance) })),
      next: hasMore ? (entries.at(-1)?.sequence ?? null) : null,
    };
  }

  async trialBalance(): Promise<readonly TrialTotal[]> {
    const { lines } = granted(await this.#system.trialBalance());
    return lines.map(({ currency, total, inTransit }) => ({ currency, total: BigInt(total), inTransit: BigInt(inTransit) }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#system[Symbol.asyncDispose]();
  }

  async #run(checked: Checked): Promise<Outcome> {
    if (!checked.ok) return refused(checked);
    const result = await runCall(this.#system, checked.call, { timeoutMs: this.#timeoutMs });
    switch (result.kind) {
      case "refused":
        return refused(result);
      case "pending":
        return { ...refused({ ok: false, code: "OUTCOME_UNKNOWN", detail: "the transfer is not finished yet" }), repeatAfterMs: 0 };
      case "outcome": {
        const { status, body, isReplayed, code } = result;
        if (status < 400) return { ok: true, isReplayed, body };
        return { ok: false, status, code: code ?? "INTERNAL_ERROR", detail: detailOf(body), isReplayed, repeatAfterMs: null };
      }
    }
  }
}

function refused({ code, detail }: Refusal): Outcome & { readonly ok: false } {
  const repeatAfterMs = isWorthRepeating(code) ? 0 : null;
  return { ok: false, status: STATUS_OF_CODE[code], code, detail, isReplayed: false, repeatAfterMs };
}

/** The sentence of a problem (RFC 9457). */
export function detailOf(body: string): string {
  const { detail } = JSON.parse(body) as { readonly detail?: unknown };
  return typeof detail === "string" ? detail : body;
}

function granted<Value>(answer: Answer<Value>): Value {
  if (answer.ok) return answer.value;
  throw new CliError(answer.code, answer.detail, { isRetryable: answer.code === "VIEW_BEHIND" || isWorthRepeating(answer.code) });
}
