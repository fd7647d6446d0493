/** What every command is given and what it gives back. */
import { type Config, loadConfig } from "../config/config.ts";

/** The figures of a finished command: the one line of `--json`. The exit code is 0 only when `ok`. */
export type Result = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

/** The surroundings of one run of a command. */
export interface Run {
  /** Flags of the configuration, as `splitArgv` found them. */
  readonly flags: readonly string[];
  /** Figures are wanted as JSON; what people read goes nowhere. */
  readonly isJson: boolean;
}

/** The configuration of a run. `dataDir` is the command's own `--data-dir`, which means the same as `--data.dir`. @throws ConfigError. */
export function configOf(run: Run, dataDir?: string): Config {
  const argv = dataDir === undefined ? run.flags : [...run.flags, "--data.dir", dataDir];
  return loadConfig({ argv, env: process.env, cwd: process.cwd() });
}

/** Writes a line for people to standard output, unless figures were asked for. */
export function say(run: Run, text = ""): void {
  if (!run.isJson) process.stdout.write(`${text}\n`);
}

/** Writes a line of JSON to standard output when figures were asked for. */
export function sayJson(run: Run, value: object): void {
  if (run.isJson) process.stdout.write(`${JSON.stringify(value)}\n`);
}

export const counted = (count: number): string => count.toLocaleString("en-US");
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

/** Lines of a table: the first row is its head; columns whose cells are all numbers stand to the right. */
export function tableOf(rows: ReadonlyArray<readonly string[]>): readonly string[] {
  const columns = rows[0]?.map((_, column) => rows.map((row) => row[column] ?? "")) ?? [];
  const widths = columns.map((cells) => Math.max(...cells.map(({ length }) => length)));
  const isNumeric = columns.map((cells) => cells.slice(1).every((cell) => /^-?[\d,.]*$/.test(cell)));
  const pad = (cell: string, column: number): string =>
    isNumeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0);
  return rows.map((row) => `  ${row.map(pad).join("  ")}`.trimEnd());
}
