/**
 * Reads a ledger's journal with plain SQL and its own arithmetic. No code of the service is used here: a mistake shared by writer and reader
 * would prove nothing. What it knows is what the file says: `records.body` is a JSON array of entries {shard, entity, events, ...}.
 */
import Database from "better-sqlite3";

/** The end of a transfer as the journal keeps it. */
export interface Finish {
  readonly kind: "completed" | "failed";
  readonly status: number;
  readonly body: string;
}
export interface Movement {
  readonly account: string;
  readonly kind: "debited" | "credited" | "refunded";
  readonly amount: bigint;
  readonly currency: string;
  /** Sequence of the record that holds it. */
  readonly record: number;
}
/** All that the journal says of a transfer. */
export interface TransferStory {
  readonly starts: Array<{
    readonly at: number;
    readonly from: string;
    readonly to: string;
    readonly amount: bigint;
    readonly currency: string;
  }>;
  readonly finishes: Finish[];
  readonly movements: Movement[];
  /** Milliseconds since 1970 of its last entry. */
  endedAt: number;
}
export interface JournalBooks {
  readonly records: number;
  readonly transfers: ReadonlyMap<string, TransferStory>;
  /** Money entries. */
  readonly entries: number;
  /** Minor units by account. */
  readonly balances: ReadonlyMap<string, bigint>;
  /** What is wrong with the books, one sentence each. */
  readonly findings: readonly string[];
}

interface StoredEvent {
  readonly kind: string;
  readonly transfer?: string;
  readonly amount?: string;
  readonly currency?: string;
  readonly balance?: string;
  readonly sequence?: number;
  readonly from?: string;
  readonly to?: string;
  readonly startedAt?: number;
  readonly status?: number;
  readonly body?: string;
}
interface StoredEntry {
  readonly entity: string;
  readonly at: number;
  readonly events?: readonly StoredEvent[];
}

/** Reads the whole journal of a store on which nobody runs. @throws Error when SQLite cannot read it. */
export function readJournal(path: string): JournalBooks {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const books = new Books();
    for (const row of db
      .prepare<[], { seq: number; count: number; body: string }>("SELECT seq, count, body FROM records ORDER BY seq")
      .iterate())
      books.add(row);
    return books.close();
  } finally {
    db.close();
  }
}

class Books {
  readonly #transfers = new Map<string, TransferStory>();
  readonly #accounts = new Map<string, { balance: bigint; sequence: number }>();
  readonly #findings: string[] = [];
  #records = 0;
  #entries = 0;
  #inTransit = 0n;

  add({ seq, count, body }: { readonly seq: number; readonly count: number; readonly body: string }): void {
    if (seq !== ++this.#records) this.#find(`record ${seq} stands where record ${this.#records} belongs`);
    const entries = JSON.parse(body) as readonly StoredEntry[];
    if (entries.length !== count) this.#find(`record ${seq} says ${count} entries and has ${entries.length}`);
    for (const { entity, at, events = [] } of entries) {
      const slash = entity.indexOf("/");
      const [type, id] = [entity.slice(0, slash), entity.slice(slash + 1)];
      for (const event of events) {
        if (type === "transfer") this.#transfer(id, at, event);
        else if (type === "account") this.#account(id, event);
      }
    }
  }

  close(): JournalBooks {
    let sum = 0n;
    for (const { balance } of this.#accounts.values()) sum += balance;
    if (sum !== 0n) this.#find(`all accounts add up to ${sum}, not to 0`);
    if (this.#inTransit !== 0n) this.#find(`${this.#inTransit} is in transit at the end`);
    for (const [id, story] of this.#transfers) this.#judge(id, story);
    return {
      records: this.#records,
      transfers: this.#transfers,
      entries: this.#entries,
      balances: new Map([...this.#accounts].map(([id, { balance }]) => [id, balance])),
      findings: this.#findings,
    };
  }

  #transfer(id: string, at: number, event: StoredEvent): void {
    const story = this.#storyOf(id);
    story.endedAt = at;
    if (event.kind === "started")
      story.starts.push({
        at,
        from: event.from ?? "",
        to: event.to ?? "",
        amount: BigInt(event.amount ?? "0"),
        currency: event.currency ?? "",
      });
    else if (event.kind === "completed" || event.kind === "failed")
      story.finishes.push({ kind: event.kind, status: event.status ?? 0, body: event.body ?? "" });
  }

  #account(id: string, { kind, transfer, amount, currency = "", balance, sequence }: StoredEvent): void {
    if (kind !== "debited" && kind !== "credited" && kind !== "refunded") return;
    const minor = BigInt(amount ?? "0");
    const account = this.#accounts.get(id) ?? { balance: 0n, sequence: 0 };
    this.#accounts.set(id, account);
    this.#entries++;
    account.balance += kind === "debited" ? -minor : minor;
    this.#inTransit += kind === "debited" ? minor : -minor;
    if (account.balance !== BigInt(balance ?? "0"))
      this.#find(`account ${id} entry ${sequence}: it adds up to ${account.balance}, the entry says ${balance}`);
    if (++account.sequence !== sequence) this.#find(`account ${id}: entry ${sequence} stands where entry ${account.sequence} belongs`);
    this.#storyOf(transfer ?? "").movements.push({ account: id, kind, amount: minor, currency, record: this.#records });
  }

  /** A transfer began once, ended once, and kept both legs or none: completed is one debit and one credit of its amount and nothing else. */
  #judge(id: string, { starts, finishes, movements }: TransferStory): void {
    const [start] = starts;
    const [finish] = finishes;
    if (start === undefined || starts.length !== 1) this.#find(`transfer ${id} was started ${starts.length} times`);
    else if (finish === undefined || finishes.length !== 1) this.#find(`transfer ${id} was finished ${finishes.length} times`);
    else {
      const { from, to, amount, currency } = start;
      const told = inOrder(movements)
        .map((moved) => `${moved.kind} ${moved.account} ${moved.amount} ${moved.currency}`)
        .join(", ");
      const both = `debited ${from} ${amount} ${currency}, credited ${to} ${amount} ${currency}`;
      const back = `debited ${from} ${amount} ${currency}, refunded ${from} ${amount} ${currency}`;
      const allowed = finish.kind === "completed" ? [both] : ["", back];
      if (!allowed.includes(told)) this.#find(`transfer ${id} is ${finish.kind} and moved: ${told === "" ? "nothing" : told}`);
    }
  }

  #storyOf(id: string): TransferStory {
    const found = this.#transfers.get(id);
    if (found !== undefined) return found;
    const story: TransferStory = { starts: [], finishes: [], movements: [], endedAt: 0 };
    this.#transfers.set(id, story);
    return story;
  }

  #find(what: string): void {
    this.#findings.push(what);
  }
}

/** A record is there as a whole or not at all, and inside it the events of one entity stand together: only the order of records counts. */
function inOrder(movements: readonly Movement[]): readonly Movement[] {
  return [...movements].sort((a, b) => a.record - b.record || STEPS.indexOf(a.kind) - STEPS.indexOf(b.kind));
}
const STEPS: readonly Movement["kind"][] = ["debited", "credited", "refunded"];

/** How often any account was moved more than once in one direction by one transfer, and transfers that ended more than once. */
export function doubledOf(books: JournalBooks): number {
  let doubled = 0;
  for (const { finishes, movements } of books.transfers.values()) {
    const moves = new Set(movements.map(({ account, kind }) => `${kind} ${account}`));
    doubled += movements.length - moves.size + Math.max(finishes.length - 1, 0);
  }
  return doubled;
}
