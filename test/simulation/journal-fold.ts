/**
 * Folds the journal of a ledger record by record, as an independent reader would, and checks what must hold at every commit:
 *
 * J1. The entries of a shard count 1, 2, 3 ...; their time never goes back; the versions of an entity count its events.
 * J2. Groups come as the fence says: incarnations of a domain only rise, groups of one count 1, 2, 3 ...
 * J3. An effect is opened once, handled once at most, closed once at most, and never before it was opened.
 * J4. Money: a balance is the one before plus the amount, entries of an account count 1, 2, 3 ..., and accounts plus in-transit add up to 0.
 *     What is in transit is exactly what transfers have debited and neither credited nor refunded.
 * J5. A transfer starts once, debits and credits at most once, ends once; an entity takes a client's command id once.
 */
import { type AccountView, decodeMinor, formatAmount, legsOf, statementRows } from "../../src/actors/index.ts";
import { type Answer, type Entry, type Json, partsOf, type StoredRecord, unpackEntries } from "../../src/runtime/index.ts";

export interface FoldedAccount {
  currency: string;
  balance: bigint;
  sequence: number;
  /** The first answer's body; null for the world's. */
  openedBody: string | null;
  status: AccountView["status"];
  /** Balance and status after each version, from 1. */
  readonly history: Array<{ readonly balance: string; readonly status: string }>;
}
export interface FoldedTransfer {
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  debits: number;
  credits: number;
  refunds: number;
  outcome: { readonly status: number; readonly body: string; readonly isCompleted: boolean } | null;
}
type Event = { readonly kind: string } & Readonly<Record<string, Json>>;

export class JournalFold {
  readonly accounts = new Map<string, FoldedAccount>();
  readonly transfers = new Map<string, FoldedTransfer>();
  readonly inTransit = new Map<string, bigint>();
  readonly seqs = new Map<number, number>();
  readonly versions = new Map<string, number>();
  readonly violations: string[] = [];
  readonly #totals = new Map<string, bigint>();
  readonly #times = new Map<number, number>();
  readonly #groups = new Map<number, { incarnation: number; number: number }>();
  readonly #opened = new Set<string>();
  readonly #handled = new Set<string>();
  readonly #closed = new Set<string>();
  /** Answers by entity and command id; null where the runtime keeps none. */
  readonly #byId = new Map<string, Answer<Json> | null>();
  #seq = 0;

  /** The recorded answer to a command; undefined when no entry has its id. */
  answerTo(address: string, id: string): Answer<Json> | null | undefined {
    return this.#byId.get(`${address} ${id}`);
  }

  /** Effects whose end is not in the journal. */
  get effectsOpen(): readonly string[] {
    return [...this.#opened].filter((id) => !this.#closed.has(id));
  }

  add(record: StoredRecord): void {
    this.#expect(record.seq === this.#seq + 1, `record ${record.seq} follows ${this.#seq}`);
    this.#seq = record.seq;
    const group = this.#groups.get(record.domain) ?? { incarnation: 0, number: 0 };
    const expected = record.incarnation === group.incarnation ? group.number + 1 : 1;
    this.#expect(record.incarnation >= group.incarnation, `incarnation ${record.incarnation} after ${group.incarnation} (J2)`);
    this.#expect(record.number === expected, `group ${record.number} of incarnation ${record.incarnation}, ${expected} was next (J2)`);
    this.#groups.set(record.domain, { incarnation: record.incarnation, number: record.number });
    const entries = unpackEntries(record.body);
    this.#expect(entries.length === record.count, `it has ${entries.length} entries and says ${record.count}`);
    for (const entry of entries) this.#addEntry(entry);
    this.#effects(entries);
    this.#events(entries);
    this.#assertMoney();
  }

  #addEntry(entry: Entry): void {
    const { at, entity, seq, shard, version } = entry;
    const last = this.seqs.get(shard) ?? 0;
    this.#expect(seq === last + 1, `entry ${seq} of shard ${shard} follows ${last} (J1)`);
    this.seqs.set(shard, seq);
    this.#expect(at >= (this.#times.get(shard) ?? 0), `the time of shard ${shard} goes back (J1)`);
    this.#times.set(shard, at);
    const count = entry.events?.length ?? 0;
    const before = this.versions.get(entity) ?? 0;
    this.#expect(version === before + count, `${entity} has version ${version} after ${before} and ${count} events (J1)`);
    this.versions.set(entity, version);
    for (const id of entry.ids ?? []) this.#command(entity, id, null);
    for (const { id, answer } of entry.keys ?? []) this.#command(entity, id, answer);
  }

  #command(entity: string, id: string, answer: Answer<Json> | null): void {
    const known = `${entity} ${id}`;
    this.#expect(!this.#byId.has(known), `${entity} took the command ${id} twice (J5)`);
    this.#byId.set(known, answer);
  }

  /** The entries of a record happen at once: their order says when an entity was first touched, not what caused what. */
  #effects(entries: readonly Entry[]): void {
    for (const { opens = [], shard, seq } of entries) {
      for (const { id } of opens) {
        this.#expect(!this.#opened.has(id), `${id} was opened twice (J3)`);
        this.#expect(id.startsWith(`${shard}.`) && id.split(".")[2] === String(seq), `${id} is no id of an effect of entry ${seq} (J3)`);
        this.#opened.add(id);
      }
    }
    for (const { entity, handled = [], closes = [] } of entries) {
      for (const { cause } of handled) {
        this.#expect(this.#opened.has(cause), `${entity} handled ${cause}, which was never opened (J3)`);
        this.#expect(!this.#closed.has(cause), `${entity} handled ${cause}, which was closed (J3)`);
        this.#expect(!this.#handled.has(cause), `${cause} was handled twice, at last by ${entity} (J3)`);
        this.#handled.add(cause);
      }
      for (const id of closes) {
        this.#expect(this.#opened.has(id), `${entity} closed ${id}, which was never opened (J3)`);
        this.#expect(!this.#closed.has(id), `${id} was closed twice (J3)`);
      }
    }
    for (const { closes = [] } of entries) for (const id of closes) this.#closed.add(id);
  }

  #events(entries: readonly Entry[]): void {
    const touched = new Set<string>();
    this.#each(entries, "transfer", (id, event) => {
      touched.add(id);
      if (event.kind === "started") this.#started(id, event);
    });
    this.#each(entries, "account", (id, event) => {
      if (event.transfer !== undefined) touched.add(String(event.transfer));
      this.#accountEvent(id, event);
    });
    this.#each(entries, "transfer", (id, event) => this.#transferEvent(id, event));
    for (const id of touched) this.#assertLegs(id);
    for (const entry of entries) {
      for (const row of statementRows(entry).money) {
        for (const { account, amount } of legsOf(row, entry.shard)) this.#leg(row.currency, account, amount);
      }
    }
  }

  #each(entries: readonly Entry[], type: string, visit: (id: string, event: Event) => void): void {
    for (const { entity, events = [] } of entries) {
      const parts = partsOf(entity);
      if (parts.type === type) for (const event of events as unknown as readonly Event[]) visit(parts.id, event);
    }
  }

  #accountEvent(id: string, event: Event): void {
    let account = this.accounts.get(id);
    if (event.kind === "opened") {
      this.#expect(account === undefined, `account ${id} was opened twice (J5)`);
      account = {
        currency: String(event.currency),
        balance: 0n,
        sequence: 0,
        openedBody: String(event.body),
        status: "open",
        history: [],
      };
      this.accounts.set(id, account);
    } else if (account === undefined) {
      this.#expect(id.startsWith("world-"), `${event.kind} on account ${id}, which was never opened`);
      account = { currency: String(event.currency), balance: 0n, sequence: 0, openedBody: null, status: "open", history: [] };
      this.accounts.set(id, account);
    }
    switch (event.kind) {
      case "debited":
      case "credited":
      case "refunded":
        this.#movement(id, account, event);
        break;
      case "frozen":
      case "closed":
        account.status = event.kind;
        break;
      case "unfrozen":
        account.status = "open";
        break;
      default:
    }
    account.history.push({ balance: formatAmount(account.balance, account.currency), status: account.status });
  }

  #movement(id: string, account: FoldedAccount, event: Event): void {
    const amount = decodeMinor(String(event.amount));
    const after = account.balance + (event.kind === "debited" ? -amount : amount);
    this.#expect(after === decodeMinor(String(event.balance)), `account ${id} has ${event.balance} where ${after} is right (J4)`);
    this.#expect(event.sequence === account.sequence + 1, `entry ${event.sequence} of account ${id} follows ${account.sequence} (J4)`);
    account.sequence++;
    account.balance = after;
    const transfer = this.transfers.get(String(event.transfer));
    if (transfer === undefined) return this.#tell(`account ${id} moved money for a transfer that never started (J5)`);
    this.#expect(transfer.amount === amount, `account ${id} moved another amount than its transfer says (J4)`);
    const side = event.kind === "credited" ? transfer.to : transfer.from;
    this.#expect(side === id, `account ${id} is not the ${event.kind} side of its transfer (J4)`);
    const count = event.kind === "debited" ? ++transfer.debits : event.kind === "credited" ? ++transfer.credits : ++transfer.refunds;
    this.#expect(count === 1, `transfer ${event.transfer} ${event.kind} account ${id} ${count} times (J5)`);
  }

  #started(id: string, event: Event): void {
    this.#expect(!this.transfers.has(id), `transfer ${id} started twice (J5)`);
    const [from, to, amount] = [String(event.from), String(event.to), decodeMinor(String(event.amount))];
    this.transfers.set(id, { from, to, amount, debits: 0, credits: 0, refunds: 0, outcome: null });
  }

  #transferEvent(id: string, event: Event): void {
    const transfer = this.transfers.get(id);
    if (transfer === undefined) return this.#tell(`${event.kind} on transfer ${id}, which never started (J5)`);
    if (event.kind !== "completed" && event.kind !== "failed") return;
    this.#expect(transfer.outcome === null, `transfer ${id} ended twice (J5)`);
    transfer.outcome = { status: Number(event.status), body: String(event.body), isCompleted: event.kind === "completed" };
  }

  #assertLegs(id: string): void {
    const transfer = this.transfers.get(id);
    if (transfer === undefined) return;
    const { credits, debits, outcome, refunds } = transfer;
    this.#expect(credits + refunds <= debits, `transfer ${id} gave out what it did not take (J5)`);
    if (outcome === null) return;
    const isRight = outcome.isCompleted ? debits === 1 && credits === 1 && refunds === 0 : credits === 0 && debits === refunds;
    this.#expect(isRight, `transfer ${id} ended with ${debits} debits, ${credits} credits, ${refunds} refunds (R-LED-4)`);
  }

  #leg(currency: string, account: string, amount: string): void {
    const minor = decodeMinor(amount);
    this.#totals.set(currency, (this.#totals.get(currency) ?? 0n) + minor);
    if (account.startsWith("in-transit-")) this.inTransit.set(currency, (this.inTransit.get(currency) ?? 0n) + minor);
  }

  #assertMoney(): void {
    for (const [currency, inTransit] of this.inTransit) {
      let sum = inTransit;
      for (const account of this.accounts.values()) if (account.currency === currency) sum += account.balance;
      this.#expect(sum === 0n, `${currency} adds up to ${sum} (L8)`);
      this.#expect(this.#totals.get(currency) === 0n, `the legs of ${currency} add up to ${this.#totals.get(currency)} (L8)`);
    }
    let under = 0n;
    for (const { amount, debits, credits, refunds } of this.transfers.values()) under += amount * BigInt(debits - credits - refunds);
    const inTransit = [...this.inTransit.values()].reduce((sum, one) => sum + one, 0n);
    this.#expect(inTransit === under, `${inTransit} is in transit and transfers say ${under} (J4)`);
  }

  #expect(isRight: boolean, what: string): void {
    if (!isRight) this.#tell(what);
  }

  #tell(what: string): void {
    this.violations.push(`record ${this.#seq}: ${what}`);
  }
}
