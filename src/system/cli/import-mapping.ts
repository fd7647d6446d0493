/** The mapping of an import: what the columns of a CSV file mean. A JSON file; unknown fields are refused. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { parseLimit, scaleOf } from "../../actors/index.ts";
import { CliError } from "./cli-error.ts";

const column = z.string().min(1);
const values = z.array(z.string()).min(1);

const mappingSchema = z
  .strictObject({
    /** What the file is, for people. */
    description: z.string().optional(),
    separator: z
      .string()
      .regex(/^[^"\r\n]$/u, "one character, no quote and no line end")
      .default(","),
    currency: z.string().refine((code) => scaleOf(code) !== null, 'the three letters of an active ISO 4217 currency, for example "CZK"'),
    /** Kind of the accounts that are opened. */
    kind: z.enum(["customer", "system"]).default("customer"),
    /** How far an account may go below zero: "unlimited", or an amount such as "0" or "500.00". */
    overdraft: z.string().default("0"),
    /** Stands before the file's account to make the account's id. */
    accountPrefix: z.string().default(""),
    columns: z.strictObject({
      /** Idempotency key of the row, unique in the ledger: 1 to 255 visible ASCII characters without quotes and commas. */
      id: column,
      account: column,
      /** Above 0, with a point and at most as many decimals as the currency has. */
      amount: column,
      /** Which values of a column add to the account and which subtract; any other value is refused. */
      sign: z.strictObject({ column, add: values, subtract: values }),
      /** Checked to be there and not kept: the ledger dates an entry when it is made. */
      date: column.optional(),
      /** Balance of the account after the row and its adjustment, signed; what `--verify` compares. */
      expectedBalance: column.optional(),
      /** A signed whole number of hundredths of the currency, posted after the row under the key `<id>:adj` when it is not 0. */
      adjustment: z.strictObject({ column, unit: z.literal("hundredths") }).optional(),
    }),
  })
  .superRefine(({ overdraft, currency, columns: { sign } }, context) => {
    if (overdraft !== "unlimited" && scaleOf(currency) !== null && !parseLimit(overdraft, currency).ok)
      context.addIssue({ code: "custom", path: ["overdraft"], message: `"unlimited" or an amount of ${currency} such as "0" or "500"` });
    const both = sign.add.find((value) => sign.subtract.includes(value));
    if (both !== undefined)
      context.addIssue({ code: "custom", path: ["columns", "sign"], message: `${JSON.stringify(both)} adds and subtracts; it can do one` });
  });

export type ImportMapping = Readonly<z.output<typeof mappingSchema>>;

/** @throws CliError `MAPPING_INVALID` naming every field that is wrong. */
export function readMapping(path: string): ImportMapping {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CliError("MAPPING_INVALID", `the mapping ${path} cannot be read as JSON: ${why}. config/import/berka.json is an example.`, {
      cause,
    });
  }
  return parseMapping(content, path);
}

/** @throws CliError `MAPPING_INVALID`. */
export function parseMapping(content: unknown, path: string): ImportMapping {
  const parsed = mappingSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path: at, message }) => `  ${at.join(".") || "(the whole)"}: ${message}`);
  throw new CliError("MAPPING_INVALID", `the mapping ${path} is refused\n${lines.join("\n")}\nconfig/import/berka.json is an example.`);
}
