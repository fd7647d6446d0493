/**
 * A million durable timers of next year cost a start neither time nor memory, and those that are due ring once across a restart (TRAPS 24).
 *
 *   check:timers -- [--timers 1000000] [--soon 1000] [--starts 3] [--ready-ms 2000] [--grow-mib 50] [--json]
 *
 * Two stores are made in this process, one with the timers and one without, and stopped in order. Then fresh processes start on each in turns and
 * tell how long it took and what they hold in memory; the difference of the two is what the timers cost. Last, timers of the next seconds are set,
 * the node stops before they are due, and the next one must ring each once, after its time.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadConfig } from "../../src/system/config/config.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { alarm } from "../support/alarm-registry.ts";
import { percentile, runCheck, tell } from "../support/check-run.ts";
import { probeStart, type StartFigures } from "../support/start-probe.ts";

const USAGE = "check:timers [--timers 1000000] [--soon 1000] [--starts 3] [--ready-ms 2000] [--grow-mib 50] [--json]";
const IN_FLIGHT = 2_048;
const AGAIN_MS = 5;
const YEAR_MS = 365 * 24 * 60 * 60 * 1_000;
/** When the first of those that are soon due rings, and over how long they are spread. */
const SOON_MS = 1_000;
const SOON_SPREAD_MS = 2_000;
/** How long they may take together with a start on a busy machine. */
const RING_MS_MAX = 60_000;
const REGISTRY = new URL("../support/alarm-registry.ts", import.meta.url).href;

await runCheck(
  USAGE,
  { timers: 1_000_000, soon: 1_000, starts: 3, "ready-ms": 2_000, "grow-mib": 50 },
  async ({ timers, soon, starts, "ready-ms": readyMsMax, "grow-mib": growMibMax }) => {
    const folder = mkdtempSync(join(tmpdir(), "troupe-timers-"));
    const [many, none] = [join(folder, "many"), join(folder, "none")];
    try {
      const startedAt = performance.now();
      await withNode(many, (node) => setAll(node, "far", timers, () => Date.now() + YEAR_MS));
      await withNode(none, (node) => setAll(node, "far", 1, () => Date.now() + YEAR_MS));
      const buildSeconds = Math.round((performance.now() - startedAt) / 1_000);
      const probes: Array<{ readonly many: StartFigures; readonly none: StartFigures }> = [];
      for (let i = 0; i < starts; i++) {
        probes.push({ many: await probeStart(many, REGISTRY), none: await probeStart(none, REGISTRY) });
        tell(`start ${i + 1}: ${JSON.stringify(probes.at(-1))}`);
      }
      const middle = (of: (probe: (typeof probes)[number]) => number): number => Math.round(percentile(probes.map(of), 0.5));
      const [startMsP50, growMib] = [middle(({ many }) => many.startMs), middle((probe) => probe.many.rssMib - probe.none.rssMib)];
      const rung = await ringAcrossRestart(many, soon);
      return {
        ok: startMsP50 <= readyMsMax && growMib <= growMibMax && rung.once === soon && rung.early === 0,
        timers,
        startMsP50,
        startMsP50WithoutTimers: middle(({ none }) => none.startMs),
        growMib,
        rssMib: middle(({ many }) => many.rssMib),
        soon,
        ...rung,
        buildSeconds,
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

async function withNode<Result>(dir: string, work: (node: Node) => Promise<Result>): Promise<Result> {
  const config = loadConfig({ argv: ["--data.dir", dir, "--log.level", "error"], env: {}, cwd: process.cwd() });
  const node = await startSystem(config, { registryUrl: REGISTRY });
  try {
    return await work(node);
  } finally {
    await node.close();
  }
}

async function setAll(node: Node, name: string, count: number, atOf: (i: number) => number): Promise<void> {
  let next = 0;
  const set = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      if (i > 0 && i % 100_000 === 0) tell(`${i} of ${count} timers`);
      const body = { label: "bell", at: atOf(i) };
      let answer = await node.entity(alarm, `${name}-${i}`).ask.set(body);
      while (!answer.ok && answer.code === "OVERLOADED") {
        await delay(AGAIN_MS);
        answer = await node.entity(alarm, `${name}-${i}`).ask.set(body);
      }
      if (!answer.ok) throw new Error(`timer ${i} was not set: ${answer.code}: ${answer.detail}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, count) }, set));
}

/** How many rang once, more than once, and before their time, when the node was stopped between their setting and their time. */
async function ringAcrossRestart(dir: string, count: number) {
  await withNode(dir, async (node) => {
    const from = Date.now() + SOON_MS;
    await setAll(node, "soon", count, (i) => from + Math.floor((i * SOON_SPREAD_MS) / count));
  });
  return await withNode(dir, async (node) => {
    const rangOf = async (i: number) => {
      const answer = await node.entity(alarm, `soon-${i}`).ask.get({});
      return answer.ok ? answer.value : [];
    };
    const look = () => Promise.all(Array.from({ length: count }, (_, i) => rangOf(i)));
    let all = await look();
    for (const until = performance.now() + RING_MS_MAX; all.some(({ length }) => length === 0) && performance.now() < until; ) {
      await delay(SOON_MS);
      all = await look();
    }
    await delay(SOON_MS); // What would ring twice has its chance.
    all = await look();
    return {
      once: all.filter(({ length }) => length === 1).length,
      twice: all.filter(({ length }) => length > 1).length,
      early: all.flat().filter(({ at, dueAt }) => at < dueAt).length,
    };
  });
}
