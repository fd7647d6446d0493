/** From runs to cases: medians, spreads, ratios of one round, and whether a target is met. */
import { BUSY_MAX } from "./machine.ts";
import type { Run, SuiteRuns } from "./runner.ts";
import { median, rounded, spreadOf } from "./statistics.ts";
import type { Bound, CaseSpec, Durable, Mode, Suite } from "./suite.ts";

export interface Case {
  readonly name: string;
  /** It ran and its result was right. Says nothing about speed. */
  readonly ok: boolean;
  /** Why it does not count. */
  readonly void?: string;
  readonly value: number;
  readonly unit: string;
  readonly spread: readonly [min: number, max: number];
  readonly runs: number;
  readonly ratio: number | null;
  readonly ratioTo: string | null;
  readonly ratioSpread: readonly [min: number, max: number] | null;
  readonly target: string | null;
  /** Null: there is no target, or the runs are not judged. */
  readonly met: boolean | null;
  readonly already: string | null;
  readonly metAlready: boolean | null;
  /** False in tiny mode and when the machine was busy before a run: the figures are shown, and prove nothing. */
  readonly judged: boolean;
  readonly busyBefore: ReadonlyArray<number | null>;
  /** Of the last run. */
  readonly durable: Durable | null;
  /** Medians of everything that its variant measured. */
  readonly figures: Readonly<Record<string, number>>;
}

export function casesOf(suite: Suite, { runs, failures }: SuiteRuns, mode: Mode): readonly Case[] {
  return suite.cases.map((spec) => {
    const own = runs.get(spec.variant) ?? [];
    const other = spec.ratioTo === undefined ? null : (runs.get(spec.ratioTo.variant) ?? []);
    const failed = [spec.variant, ...(spec.ratioTo === undefined ? [] : [spec.ratioTo.variant])].filter((name) => failures.has(name));
    const why = failed.map((name) => `${name}: ${failures.get(name)}`).join("; ");
    return caseOf(spec, { own, other, mode, why });
  });
}

interface Material {
  readonly own: readonly Run[];
  readonly other: readonly Run[] | null;
  readonly mode: Mode;
  readonly why: string;
}

function caseOf(spec: CaseSpec, { own, other, mode, why }: Material): Case {
  const values = own.map((run) => figureOf(run, spec.figure));
  const { ratioTo } = spec;
  const ratios =
    other === null || ratioTo === undefined
      ? null
      : pairs(
          values,
          other.map((run) => figureOf(run, ratioTo.figure)),
        );
  const busyBefore = own.map((run) => run.busyBefore);
  const isQuiet = [...own, ...(other ?? [])].every((run) => run.busyBefore !== null && run.busyBefore <= BUSY_MAX);
  const judged = mode !== "tiny" && isQuiet && why === "" && own.length > 0;
  const value = median(values);
  const ratio = ratios === null ? null : median(ratios);
  const isRun = why === "" && own.length > 0 && values.every(Number.isFinite) && (ratios?.every(Number.isFinite) ?? true);
  return {
    name: spec.name,
    ok: isRun,
    ...(isRun ? {} : { void: why || "it has no figure of that name" }),
    value: rounded(value),
    unit: spec.unit,
    spread: spreadOf(values.length > 0 ? values.map(rounded) : [0]),
    runs: own.length,
    ratio: ratio === null ? null : rounded(ratio),
    ratioTo: ratioTo === undefined ? null : `${ratioTo.variant}.${ratioTo.figure}`,
    ratioSpread: ratios === null ? null : spreadOf(ratios.length > 0 ? ratios.map(rounded) : [0]),
    target: textOf(spec.target, spec.unit),
    met: judged && isRun ? isMet(spec.target, value, ratio) : null,
    already: textOf(spec.already, spec.unit),
    metAlready: judged && isRun ? isMet(spec.already, value, ratio) : null,
    judged,
    busyBefore,
    durable: own.at(-1)?.outcome.durable ?? null,
    figures: mediansOf(own),
  };
}

const figureOf = (run: Run, name: string): number => run.outcome.figures[name] ?? Number.NaN;

/** Rounds that both have: a variant that failed in a later round leaves its earlier ones out. */
function pairs(values: readonly number[], others: readonly number[]): readonly number[] {
  return values.slice(0, others.length).map((value, round) => value / (others[round] ?? Number.NaN));
}

function mediansOf(runs: readonly Run[]): Record<string, number> {
  const names = new Set(runs.flatMap((run) => Object.keys(run.outcome.figures)));
  return Object.fromEntries([...names].map((name) => [name, rounded(median(runs.map((run) => run.outcome.figures[name] ?? 0)))]));
}

function isMet(bounds: CaseSpec["target"], value: number, ratio: number | null): boolean | null {
  if (bounds === undefined) return null;
  return holds(bounds.value, value) && (bounds.ratio === undefined || (ratio !== null && holds(bounds.ratio, ratio)));
}

function holds(bound: Bound | undefined, value: number): boolean {
  if (bound === undefined) return true;
  return "atLeast" in bound ? value >= bound.atLeast : value <= bound.atMost;
}

function textOf(bounds: CaseSpec["target"], unit: string): string | null {
  if (bounds === undefined) return null;
  const said: string[] = [];
  if (bounds.value !== undefined) said.push(`${boundText(bounds.value)} ${unit}`);
  if (bounds.ratio !== undefined) said.push(`ratio ${boundText(bounds.ratio)}`);
  return said.join(", ");
}

const boundText = (bound: Bound): string => ("atLeast" in bound ? `>= ${bound.atLeast}` : `<= ${bound.atMost}`);

/** For people: one line a case. */
export function tableOf(cases: readonly Case[]): string {
  const rows = cases.map((one) => [
    one.name,
    one.ok ? `${one.value} ${one.unit}` : "VOID",
    one.ok ? `${one.spread[0]} - ${one.spread[1]}` : (one.void ?? "").split("\n")[0]?.slice(0, 100),
    one.ratio === null ? "" : `${one.ratio} of ${one.ratioTo}`,
    one.target ?? "",
    one.judged ? (one.met === null ? "" : one.met ? "met" : one.metAlready === true ? "not met; the floor is" : "not met") : "not judged",
  ]);
  const head = ["case", "median", "spread", "ratio", "target", ""];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)));
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => (cell ?? "").padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
