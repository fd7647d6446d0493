/** Posts the rows of a file to a ledger. */
import { formatAmount } from "../../actors/index.ts";
import { CliError } from "./cli-error.ts";
import type { ImportMapping } from "./import-mapping.ts";
import type { ImportRow, Movement } from "./import-row.ts";
import type { LedgerTarget, Outcome } from "./ledger-target.ts";
import { type Clock, repeated } from "./repeat.ts";
import { Slots } from "./slots.ts";

export interface ImporterOptions {
  readonly ledger: LedgerTarget;
  readonly mapping: ImportMapping;
  /** Movements under way at once. */
  readonly inFlight: number;
  readonly clock: Clock;
  /** Called after each row, and after each that the ledger refused, with why. */
  readonly onRow?: (done: number) => void;
  readonly onRefused?: (row: ImportRow, movement: Movement, outcome: Outcome & { readonly ok: false }) => void;
}
export interface ImporterFigures {
  readonly rows: number;
  readonly accounts: number;
  /** Movements in the ledger: new ones and those that it had. */
  readonly effects: number;
  readonly newEffects: number;
  /** Answered from the journal: done by an earlier run, or by an earlier try of this one whose answer was lost. */
  readonly replayed: number;
  readonly adjustments: number;
  /** Movements that the ledger refused by a rule, insufficient_funds for example; none of them moved money. */
  readonly refused: number;
}

/** Rows read and not yet posted; so many may be looked ahead for accounts that can work at the same time. */
const ROWS_WAITING_MAX = 16_384;
/** A rule of the ledger said no (and remembers it under the key); anything else is a request that no other row would get through with. */
const isRule = (status: number): boolean => status === 404 || status === 409 || status === 422;

/**
 * Opens each account at its first row, then posts its rows one after the other; accounts go on side by side. Holds the ids of the accounts
 * and at most `ROWS_WAITING_MAX` rows.
 *
 * I1. A row's movements are posted in order, and no row before the one above it in the same account was answered.
 * I2. Every movement has a key of its own from the file, so another run meets what this one did.
 */
export class Importer {
  readonly #options: ImporterOptions;
  readonly #slots: Slots;
  /** The last row of each account that is still to be posted; I1 hangs on this chain. */
  readonly #tails = new Map<string, Promise<void>>();
  readonly #opened = new Set<string>();
  #waiting = 0;
  #wake: (() => void) | null = null;
  #failure: { readonly cause: unknown } | null = null;
  #rows = 0;
  #newEffects = 0;
  #replayed = 0;
  #adjustments = 0;
  #refused = 0;

  constructor(options: ImporterOptions) {
    this.#options = options;
    this.#slots = new Slots(options.inFlight);
  }

  /** @throws CliError when the ledger cannot be reached or a request is malformed; what was done until then stays. Called once. */
  async run(rows: AsyncIterable<ImportRow>): Promise<ImporterFigures> {
    for await (const row of rows) {
      while (this.#waiting >= ROWS_WAITING_MAX) await new Promise<void>((resolve) => (this.#wake = resolve));
      if (this.#failure !== null) break;
      this.#enqueue(row);
    }
    await Promise.all(this.#tails.values());
    if (this.#failure !== null) throw this.#failure.cause;
    const effects = this.#newEffects + this.#replayed;
    return {
      rows: this.#rows,
      accounts: this.#opened.size,
      effects,
      newEffects: this.#newEffects,
      replayed: this.#replayed,
      adjustments: this.#adjustments,
      refused: this.#refused,
    };
  }

  #enqueue(row: ImportRow): void {
    const { account } = row;
    this.#waiting++;
    const before = this.#tails.get(account) ?? Promise.resolve();
    const isFirst = !this.#opened.has(account);
    this.#opened.add(account);
    const tail = before
      .then(async () => {
        if (this.#failure !== null) return;
        if (isFirst) await this.#open(row);
        await this.#post(row);
      })
      .catch((cause: unknown) => {
        this.#failure ??= { cause };
      })
      .finally(() => {
        if (this.#tails.get(account) === tail) this.#tails.delete(account);
        this.#waiting--;
        this.#wake?.();
        this.#wake = null;
      });
    this.#tails.set(account, tail);
  }

  async #open({ account, line }: ImportRow): Promise<void> {
    const { mapping, ledger } = this.#options;
    const { currency, kind, overdraft } = mapping;
    const fields = { id: account, currency, kind, overdraftLimit: overdraft === "unlimited" ? null : overdraft };
    const outcome = await this.#send(() => ledger.open(fields));
    if (outcome.ok) return;
    throw new CliError(outcome.code, `line ${line}: the account ${account} cannot be opened: ${outcome.detail}`);
  }

  async #post(row: ImportRow): Promise<void> {
    const { ledger, mapping, onRow, onRefused } = this.#options;
    const { currency } = mapping;
    for (const [index, movement] of row.movements.entries()) {
      const { key, minor } = movement;
      const amount = formatAmount(minor < 0n ? -minor : minor, currency);
      const fields = { accountId: row.account, amount, currency };
      const outcome = await this.#send(() => ledger.move(minor < 0n ? "withdrawal" : "deposit", fields, key));
      if (outcome.ok) {
        if (outcome.isReplayed) this.#replayed++;
        else this.#newEffects++;
        if (index > 0) this.#adjustments++;
      } else if (isRule(outcome.status) && outcome.repeatAfterMs === null) {
        this.#refused++;
        onRefused?.(row, movement, outcome);
      } else {
        throw new CliError(outcome.code, `line ${row.line}, key ${key}: ${outcome.detail}`);
      }
    }
    this.#rows++;
    onRow?.(this.#rows);
  }

  #send(send: () => Promise<Outcome>): Promise<Outcome> {
    return this.#slots.run(async () => {
      // Whoever waited for a slot while another gave up would else wait as long again for the same ledger.
      if (this.#failure !== null) throw this.#failure.cause;
      return await repeated(send, this.#options.clock);
    });
  }
}
