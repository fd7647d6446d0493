/** From the fields of a CSV row to what the ledger is asked for. */
import { parseAmount, parseLimit, scaleOf } from "../../actors/index.ts";
import { keyOfHeader } from "../ingress/idempotency-key.ts";
import { CliError } from "./cli-error.ts";
import type { CsvRow } from "./csv.ts";
import type { ImportMapping } from "./import-mapping.ts";

/** One movement that a row asks for. */
export interface Movement {
  readonly key: string;
  /** Minor units, signed: below 0 is a withdrawal. Never 0. */
  readonly minor: bigint;
}
export interface ImportRow {
  readonly line: number;
  /** Id of the account in the ledger. */
  readonly account: string;
  /** The row, then its adjustment when it has one. */
  readonly movements: readonly [Movement, ...Movement[]];
  /** Minor units after all movements; null when the file does not say. */
  readonly expected: bigint | null;
}

/** Reads an amount with an optional sign, as a balance has it; null when it is none. */
export function signedMinor(text: string, currency: string): bigint | null {
  const isNegative = text.startsWith("-");
  const parsed = parseLimit(isNegative ? text.slice(1) : text, currency);
  if (!parsed.ok) return null;
  return isNegative ? -parsed.minor : parsed.minor;
}

/**
 * The rows of a file whose first row names the columns.
 * @throws CliError `CSV_INVALID` with line, column and value of the first row that the mapping cannot mean; `MAPPING_INVALID` for a
 * column that the file does not have.
 */
export async function* importRows(rows: AsyncIterable<CsvRow>, mapping: ImportMapping): AsyncGenerator<ImportRow> {
  let reader: RowReader | null = null;
  for await (const row of rows) {
    if (reader === null) reader = new RowReader(row.fields, mapping);
    else yield reader.read(row);
  }
  if (reader === null) throw new CliError("CSV_INVALID", "the file is empty; expected a first row with the names of the columns");
}

class RowReader {
  readonly #mapping: ImportMapping;
  readonly #names: readonly string[];
  readonly #places: ReadonlyMap<string, number>;
  /** How many minor units a hundredth of the currency is, as a fraction of two powers of ten. */
  readonly #scale: number;

  constructor(names: readonly string[], mapping: ImportMapping) {
    this.#mapping = mapping;
    this.#names = names;
    this.#places = new Map(names.map((name, place) => [name, place]));
    this.#scale = scaleOf(mapping.currency) ?? 0;
    const { id, account, amount, sign, date, expectedBalance, adjustment } = mapping.columns;
    for (const name of [id, account, amount, sign.column, date, expectedBalance, adjustment?.column]) {
      if (name === undefined || this.#places.has(name)) continue;
      throw new CliError(
        "MAPPING_INVALID",
        `the mapping names the column ${JSON.stringify(name)}, but the file has: ${names.join(", ")}. Is the separator ${JSON.stringify(mapping.separator)} right?`,
      );
    }
  }

  read(row: CsvRow): ImportRow {
    if (row.fields.length !== this.#names.length) {
      throw new CliError("CSV_INVALID", `line ${row.line}: ${row.fields.length} fields, but the first row has ${this.#names.length}`);
    }
    const { columns, accountPrefix, currency } = this.#mapping;
    const key = this.#key(row);
    const first: Movement = { key, minor: this.#amount(row) };
    const adjustment = this.#adjustment(row);
    const movements: ImportRow["movements"] = adjustment === 0n ? [first] : [first, { key: `${key}:adj`, minor: adjustment }];
    if (columns.date !== undefined && this.#text(row, columns.date) === "") throw this.#bad(row, columns.date, "a date");
    let expected: bigint | null = null;
    if (columns.expectedBalance !== undefined) {
      expected = signedMinor(this.#text(row, columns.expectedBalance), currency);
      if (expected === null) throw this.#bad(row, columns.expectedBalance, `a balance in ${currency} such as "-10.50"`);
    }
    return { line: row.line, account: accountPrefix + this.#text(row, columns.account), movements, expected };
  }

  #key(row: CsvRow): string {
    const { id } = this.#mapping.columns;
    const key = this.#text(row, id);
    const found = keyOfHeader(key);
    // The adjustment's key is 4 characters longer and must be one too.
    if (found.ok && found.key === key && keyOfHeader(`${key}:adj`).ok) return key;
    throw this.#bad(row, id, "1 to 251 visible ASCII characters without quotes and commas, to be the idempotency key");
  }

  #amount(row: CsvRow): bigint {
    const { columns, currency } = this.#mapping;
    const parsed = parseAmount(this.#text(row, columns.amount), currency);
    if (!parsed.ok) throw this.#bad(row, columns.amount, `an amount in ${currency} (${parsed.detail})`);
    const sign = this.#text(row, columns.sign.column);
    if (columns.sign.add.includes(sign)) return parsed.minor;
    if (columns.sign.subtract.includes(sign)) return -parsed.minor;
    const known = [...columns.sign.add, ...columns.sign.subtract].map((value) => JSON.stringify(value)).join(", ");
    throw this.#bad(row, columns.sign.column, `one of ${known} (columns.sign of the mapping)`);
  }

  #adjustment(row: CsvRow): bigint {
    const { adjustment } = this.#mapping.columns;
    if (adjustment === undefined) return 0n;
    const text = this.#text(row, adjustment.column);
    if (!/^-?\d{1,15}$/.test(text)) throw this.#bad(row, adjustment.column, "a whole number of hundredths");
    const hundredths = BigInt(text);
    const up = 10n ** BigInt(Math.max(this.#scale - 2, 0));
    const down = 10n ** BigInt(Math.max(2 - this.#scale, 0));
    if (hundredths % down !== 0n) throw this.#bad(row, adjustment.column, `hundredths that ${this.#mapping.currency} can show`);
    return (hundredths * up) / down;
  }

  #text(row: CsvRow, name: string): string {
    return row.fields[this.#places.get(name) ?? -1] ?? "";
  }

  #bad(row: CsvRow, name: string, expected: string): CliError {
    const got = JSON.stringify(this.#text(row, name).slice(0, 60));
    return new CliError(
      "CSV_INVALID",
      `line ${row.line}, column ${name}: got ${got}, expected ${expected}. Nothing of the file was imported.`,
    );
  }
}
