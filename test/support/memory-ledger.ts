/** A ledger of the least that an import needs, to see what the import does with answers that a real one gives seldom. */

import { signedMinor } from "../../src/system/cli/import-row.ts";
import {
  type EntryPage,
  type LedgerEntry,
  type LedgerTarget,
  type Outcome,
  type TrialTotal,
  transferIdOfKey,
} from "../../src/system/cli/ledger-target.ts";
import type { JsonObject } from "../../src/system/ingress/json-body.ts";
import type { MovementKind } from "../../src/system/ingress/ledger-door.ts";

const PAGE = 3;

export class MemoryLedger implements LedgerTarget {
  readonly name = "memory";
  readonly books = new Map<string, LedgerEntry[]>();
  readonly keys = new Map<string, string>();
  /** Keys in the order they were asked for, repeats among them. */
  readonly asked: string[] = [];
  /** Asked before each movement; an outcome is answered instead of doing it, "lost" does it and answers that nothing is known. */
  before: (key: string, account: string) => Promise<Outcome | "lost" | null> = async () => null;
  underWay = 0;
  underWayMost = 0;

  async open(fields: JsonObject): Promise<Outcome> {
    const id = String(fields.id);
    const isReplayed = this.books.has(id);
    if (!isReplayed) this.books.set(id, []);
    return { ok: true, isReplayed, body: "{}" };
  }

  async move(kind: MovementKind, fields: JsonObject, key: string): Promise<Outcome> {
    const account = String(fields.accountId);
    this.asked.push(key);
    this.underWayMost = Math.max(this.underWayMost, ++this.underWay);
    const before = await this.before(key, account);
    this.underWay--;
    if (before !== null && before !== "lost") return before;
    const body = JSON.stringify([kind, fields]);
    const isReplayed = this.keys.has(key);
    if (isReplayed && this.keys.get(key) !== body) return refusal(422, "key_reused");
    if (!isReplayed)
      this.add(account, key, signedMinor(`${kind === "deposit" ? "" : "-"}${String(fields.amount)}`, String(fields.currency)) ?? 0n);
    this.keys.set(key, body);
    return before === "lost" ? refusal(504, "OUTCOME_UNKNOWN", 0) : { ok: true, isReplayed, body };
  }

  add(account: string, key: string, amount: bigint): void {
    const entries = this.books.get(account);
    if (entries === undefined) throw new Error(`${account} is not open`);
    entries.push({ transferId: transferIdOfKey(key), amount, balance: (entries.at(-1)?.balance ?? 0n) + amount });
  }

  async account(id: string): Promise<Outcome> {
    return this.books.has(id) ? { ok: true, isReplayed: false, body: "{}" } : refusal(404, "account_not_found");
  }

  async entries(account: string, _currency: string, after: number): Promise<EntryPage> {
    const all = this.books.get(account) ?? [];
    return { entries: all.slice(after, after + PAGE), next: all.length > after + PAGE ? after + PAGE : null };
  }

  async trialBalance(): Promise<readonly TrialTotal[]> {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export const refusal = (status: number, code: string, repeatAfterMs: number | null = null): Outcome => ({
  ok: false,
  status,
  code,
  detail: code,
  isReplayed: false,
  repeatAfterMs,
});
