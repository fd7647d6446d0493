/** The convention of every check: `--json` makes the last line of standard output one JSON object with "ok" and the figures; exit code 0 only when ok. */
import { parseArgs } from "node:util";

/** The figures of a check. */
export type CheckResult = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** An option as the command line knows it, by the type of its default: `--name`, `--name 5`, `--name text`. */
export type CheckOptions = Readonly<Record<string, boolean | number | string>>;

type Widened<Options> = {
  readonly [Name in keyof Options]: Options[Name] extends boolean ? boolean : Options[Name] extends number ? number : string;
};

/**
 * Runs a check as a program: options from the command line over their defaults, progress to standard error, figures to standard output.
 * A check that throws could not run, which is not ok either. Ends the process.
 */
export async function runCheck<const Options extends CheckOptions>(
  usage: string,
  defaults: Options,
  check: (options: Widened<Options>) => Promise<CheckResult>,
): Promise<void> {
  const isJson = process.argv.includes("--json");
  if (process.argv.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  let result: CheckResult;
  try {
    result = await check(parsed(defaults));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`the check could not run: ${error instanceof Error ? error.stack : why}\n`);
    result = { ok: false, why };
  }
  await new Promise<void>((resolve) => {
    process.stdout.write(`${isJson ? JSON.stringify(result) : tellingOf(result)}\n`, () => resolve());
  });
  // A check that failed half-way may have left a node running, which would keep the process for ever.
  process.exit(result.ok ? 0 : 1);
}

/** A line about how far a check is. */
export function tell(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** The value below which this share of the values lies; 0 for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
}

function parsed<Options extends CheckOptions>(defaults: Options): Widened<Options> {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [name, { type: typeof value === "boolean" ? "boolean" : "string" } as const]),
  );
  const { values } = parseArgs({ options: { ...options, json: { type: "boolean" } } });
  const given = Object.entries(values).filter(([name]) => name !== "json");
  return {
    ...defaults,
    ...Object.fromEntries(given.map(([name, value]) => [name, settingOf(name, value, defaults[name])])),
  } as Widened<Options>;
}

function settingOf(name: string, value: unknown, byDefault: unknown): unknown {
  if (typeof byDefault !== "number") return value;
  const number = /^\d{1,12}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) throw new Error(`--${name} is ${JSON.stringify(value)}; expected a whole number`);
  return number;
}

function tellingOf(result: CheckResult): string {
  return Object.entries(result)
    .map(([name, value]) => `${name.padEnd(24)} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("\n");
}
