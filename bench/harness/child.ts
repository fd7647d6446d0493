/** One run of one variant in a process of its own: what one run leaves behind (heap, compiled code, caches) must not help the next. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Mode, Outcome, Variant } from "./suite.ts";

const RUN_MS_MAX = 15 * 60_000;
const ERROR_CHARS_MAX = 4_000;
const runCase = fileURLToPath(new URL("../run-case.ts", import.meta.url));

export type ChildResult = { readonly ok: true; readonly outcome: Outcome } | { readonly ok: false; readonly why: string };

/** Never rejects: a run that dies, hangs or measures the wrong thing is a result that says so. */
export async function runInChild(variant: Variant, mode: Mode, nodeFlags: readonly string[]): Promise<ChildResult> {
  const child = spawn(process.execPath, [...nodeFlags, runCase, variant.module.href, variant.run, mode], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), RUN_MS_MAX);
  let said = "";
  let complained = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complained = (complained + text).slice(-ERROR_CHARS_MAX);
  });
  let ended: readonly [code: number | null, signal: NodeJS.Signals | null];
  try {
    ended = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  } catch (cause) {
    return { ok: false, why: `it did not start: ${String(cause)}` };
  } finally {
    clearTimeout(limit);
  }
  const [code, signal] = ended;
  if (code !== 0) return { ok: false, why: complained.trim() || `it ended with ${signal ?? `exit code ${code}`}` };
  try {
    return { ok: true, outcome: JSON.parse(said.trim().split("\n").at(-1) ?? "") as Outcome };
  } catch {
    return { ok: false, why: `it said no outcome: ${said.slice(-ERROR_CHARS_MAX)}` };
  }
}

/** Why an outcome does not count, or null. */
export function whyVoid(variant: Variant, { durable, figures }: Outcome): string | null {
  for (const [name, value] of Object.entries(figures)) if (!Number.isFinite(value)) return `the figure ${name} is ${value}`;
  if (!variant.isDurable) return null;
  if (durable === undefined) return "it claims durability and does not prove it";
  if (durable.synchronous !== "full") return `synchronous is "${durable.synchronous}", not "full"`;
  const missing = (["commits", "fsyncs", "journalBytes"] as const).filter((name) => !(durable[name] > 0));
  return missing.length === 0 ? null : `nothing was made durable: ${missing.join(", ")} 0`;
}
