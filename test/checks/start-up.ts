/**
 * A store with 200,000 accounts and 2,000,000 entries behind a checkpoint is ready within a second, with no entity in memory.
 *
 *   check:start -- [--accounts 200000] [--entries 2000000] [--starts 5] [--ready-ms 1000] [--dir <folder that is kept and used again>] [--json]
 *
 * The store is made in this process, at full speed, and stopped in order, which writes the checkpoint. Then fresh processes start on it in turns: the
 * server as the command line starts it (from its spawn to the first 200 of `/readyz`), and `start-probe.ts`, which starts a node without HTTP and
 * tells what only the inside knows: how long it took and how many entities are in memory. Last, for information, the same after a kill -9
 * under load, when there is a tail to read. The page cache is warm: a cold disk is slower by what it needs for a few hundred pages.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { loadConfig } from "../../src/system/config/config.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { percentile, runCheck, tell } from "../support/check-run.ts";
import { KeepAliveClient } from "../support/keep-alive-client.ts";
import { KillableServer } from "../support/killable-server.ts";
import { accountId, httpDoor, type Order } from "../support/ledger-load.ts";
import { nodeDoor, openOnNode } from "../support/node-door.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";
import { probeStart, type StartFigures } from "../support/start-probe.ts";

const USAGE = "check:start [--accounts 200000] [--entries 2000000] [--starts 5] [--ready-ms 1000] [--dir <folder>] [--json]";
const IN_FLIGHT = 2_048;
const CONNECTIONS = 64;
const TAIL_ORDERS = 2_000;
const AGAIN_MS = 5;
/** A store that takes an order no sooner is stuck. */
const FILL_MS_MAX = 60_000;
const BYTES_PER_MIB = 1024 * 1024;

await runCheck(
  USAGE,
  { accounts: 200_000, entries: 2_000_000, starts: 5, "ready-ms": 1_000, dir: "" },
  async ({ accounts, entries, starts, "ready-ms": readyMsMax, dir }) => {
    const dataDir = dir === "" ? mkdtempSync(join(tmpdir(), "troupe-start-")) : dir;
    try {
      const built = await buildUnlessThere(dataDir, { accounts, entries });
      const readyMs: number[] = [];
      const probes: StartFigures[] = [];
      for (let i = 0; i < starts; i++) {
        const server = await KillableServer.start({ dataDir });
        readyMs.push(server.readyMs);
        const code = await server.stop();
        if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.said}`);
        probes.push(await probeStart(dataDir));
        tell(`start ${i + 1}: ready after ${Math.round(server.readyMs)} ms; ${JSON.stringify(probes.at(-1))}`);
      }
      const entitiesAtReady = Math.max(...probes.map(({ entitiesInMemory }) => entitiesInMemory));
      const afterKill = await readyAfterKill(dataDir, accounts);
      const readyMsP50 = Math.round(percentile(readyMs, 0.5));
      const inside = probes.map(({ startMs }) => startMs);
      return {
        ok: entitiesAtReady === 0 && readyMsP50 <= readyMsMax,
        accounts,
        entries,
        entitiesAtReady,
        readyMsP50,
        readyMsAll: readyMs.map(Math.round),
        startSystemMsP50: Math.round(percentile(inside, 0.5)),
        startSystemMsAll: inside.map(Math.round),
        readyAfterKillMs: Math.round(afterKill),
        ...built,
        journalMib: mibOf(join(dataDir, "journal.db")),
        stateMib: mibOf(join(dataDir, "state.db")),
        viewsMib: mibOf(join(dataDir, "views.db")),
      };
    } finally {
      if (dir === "") rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

function mibOf(file: string): number {
  return Math.round(statSync(file).size / BYTES_PER_MIB);
}

interface Size {
  readonly accounts: number;
  readonly entries: number;
}

/** The note beside the store is written when it is whole, so half a store is not taken for one. */
async function buildUnlessThere(dataDir: string, size: Size): Promise<{ readonly buildSeconds: number; readonly isReused: boolean }> {
  const note = join(dataDir, "check-start.json");
  const text = JSON.stringify(size);
  if (existsSync(note)) {
    if (readFileSync(note, "utf8") === text) return { buildSeconds: 0, isReused: true };
    throw new Error(`${dataDir} holds a store of another size: ${readFileSync(note, "utf8")}`);
  }
  const startedAt = performance.now();
  const node = await startSystem(loadConfig({ argv: ["--data.dir", dataDir, "--log.level", "error"], env: {}, cwd: process.cwd() }));
  try {
    await build(node, size);
  } finally {
    await node.close();
  }
  writeFileSync(note, text);
  return { buildSeconds: Math.round((performance.now() - startedAt) / 1_000), isReused: false };
}

async function build(node: Node, { accounts, entries }: Size): Promise<void> {
  let opened = 0;
  const open = async (): Promise<void> => {
    while (opened < accounts) await openOnNode(node, accountId(opened++), null);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, open));
  tell(`${accounts} accounts opened`);
  const random = randomOf(1);
  let count = 0;
  const orders = entries / 2; // Each transfer makes an entry on two accounts.
  const door = nodeDoor(node);
  const fill = async (): Promise<void> => {
    while (count < orders) {
      // In rounds, so that every account gets its share of the entries.
      const from = count++ % accounts;
      const to = (from + 1 + Math.floor(random() * (accounts - 1))) % accounts;
      if (count % 100_000 === 0) tell(`${count} of ${orders} transfers`);
      const key = `fill-${count}`;
      let reply = await door({ key, kind: "transfer", from: accountId(from), to: accountId(to), amount: "1.00" });
      for (const until = performance.now() + FILL_MS_MAX; reply.kind === "again" && performance.now() < until; ) {
        await delay(AGAIN_MS);
        reply = await door({ key, kind: "transfer", from: accountId(from), to: accountId(to), amount: "1.00" });
      }
      if (reply.kind !== "outcome" || reply.status !== 201) throw new Error(`the store could not be filled: ${JSON.stringify(reply)}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, fill));
}

async function readyAfterKill(dataDir: string, accounts: number): Promise<number> {
  const server = await KillableServer.start({ dataDir });
  const client = new KeepAliveClient(server.url, CONNECTIONS);
  let count = 0;
  const next = (): Order => ({
    key: `tail-${process.pid}-${++count}`,
    kind: "deposit",
    from: null,
    to: accountId((count * 7919) % accounts),
    amount: "1.00",
  });
  const load = new OrderLoad<Order>({ next, connections: CONNECTIONS });
  load.whenAcknowledged(TAIL_ORDERS, () => {
    server.kill();
    load.stop();
  });
  await load.run(httpDoor(client));
  client.close();
  await server.gone();
  const again = await KillableServer.start({ dataDir });
  await again.stop();
  return again.readyMs;
}
