/** What the figures were measured on, and how busy it was with other things. */
import { closeSync, existsSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  /** Bytes. */
  readonly memory: number;
  /** Of a 4 KiB write each, where the data of the benches lies: group commit wins the more the slower this is. */
  readonly fdatasyncPerSecond: number;
  /** Share of all cores, 0 to 1, before the first run; null where it cannot be read. */
  readonly busyBefore: number | null;
}

export function machineOf(options: { readonly syncs: number; readonly busyBefore: number | null }): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    node: process.version,
    memory: totalmem(),
    fdatasyncPerSecond: Math.round(fdatasyncRate(options.syncs)),
    busyBefore: options.busyBefore,
  };
}

function fdatasyncRate(count: number): number {
  const dir = mkdtempSync(join(tmpdir(), "troupe-bench-"));
  const file = openSync(join(dir, "sync"), "w");
  const page = Buffer.alloc(4096, 1);
  const from = performance.now();
  for (let i = 0; i < count; i++) {
    writeSync(file, page, 0, page.length, i * page.length);
    fdatasyncSync(file);
  }
  const ms = performance.now() - from;
  closeSync(file);
  rmSync(dir, { recursive: true });
  return (count / ms) * 1000;
}

/** Above this a run is shown and not judged. */
export const BUSY_MAX = 0.2;

/** The share of all cores that was busy during the next `ms`; null where there is no /proc/stat. This process sleeps meanwhile. */
export async function busyShare(ms: number): Promise<number | null> {
  const before = ticks();
  await delay(ms);
  const after = ticks();
  if (before === null || after === null || after.all === before.all) return null;
  return Number((1 - (after.idle - before.idle) / (after.all - before.all)).toFixed(3));
}

function ticks(): { readonly all: number; readonly idle: number } | null {
  if (!existsSync("/proc/stat")) return null;
  const fields = (readFileSync("/proc/stat", "utf8").split("\n")[0] ?? "").trim().split(/\s+/).slice(1, 9).map(Number);
  const [idle = 0, iowait = 0] = fields.slice(3, 5);
  return { all: fields.reduce((sum, ticks) => sum + ticks, 0), idle: idle + iowait };
}

const TICK_MICROS = 10_000;

/** CPU time of a process of ours so far in microseconds, by thread name; threads of one name are added. Empty where there is no /proc. */
export function cpuByThread(pid: number | "self" = "self"): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return found;
  for (const task of readdirSync(tasks)) {
    const stat = readFileSync(`${tasks}/${task}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    found.set(name, (found.get(name) ?? 0) + (Number(fields[11]) + Number(fields[12])) * TICK_MICROS);
  }
  return found;
}

/** Microseconds of CPU a unit of work by thread, as figures `cpuMicros.<thread>`; what is below a tenth is left out. */
export function cpuFigures(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, count: number): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const [name, micros] of after) {
    const each = (micros - (before.get(name) ?? 0)) / count;
    if (each >= 0.1) figures[`cpuMicros.${name}`] = Number(each.toFixed(1));
  }
  return figures;
}
