/**
 * What happens when everybody wants the same thing: one key, one account. With each count of shard threads, on a store of its own:
 *
 *   1. 100 parallel HTTP requests with one key: one effect, equal answers (409 allowed for those in flight).
 *   2. Three concurrent credits of 500, 100 and 50 give 650 (R-LED-6).
 *   3. 10,000 transfers to and from one account, 256 in flight: its sum is exact and every key stands in the journal once.
 *   4. The same number all at once: the door refuses what is too much, and the same key is sent again until it is taken.
 *   5. The messages that each thread handled in 3 and 4: none has less than a fifth of an equal share.
 *
 *   check:hot -- [--orders 10000] [--threads 1,2,3] [--json]
 *
 * 1 and 2 go through HTTP; 3 and 4 into a node of this process, because ten thousand connections would measure the client. Sums are read from the
 * journal by `journal-reader.ts`, which uses no code of the service, and from the account itself.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { startHttp } from "../../src/system/http/index.ts";
import type { Node } from "../../src/system/node.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { startSystem } from "../../src/system/start.ts";
import { runCheck, tell } from "../support/check-run.ts";
import { type ClientAnswer, KeepAliveClient } from "../support/keep-alive-client.ts";
import { keptPromises } from "../support/kept-promises.ts";
import { CURRENCY, idOfKey, type LedgerLoad, type Order } from "../support/ledger-load.ts";
import { nodeDoor, openOnNode } from "../support/node-door.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";

const USAGE = "check:hot [--orders 10000] [--threads 1,2,3] [--seed <number>] [--json]";
const HOT = "hot";
const OTHERS = 200;
const PARALLEL = 100;
const IN_FLIGHT = 256;
const SHARE_MIN = 0.2;
const DEFECTS_SHOWN = 10;

await runCheck(USAGE, { orders: 10_000, threads: "1,2,3", seed: Date.now() % 1_000_000 }, async ({ orders, threads, seed }) => {
  const random = randomOf(seed);
  const runs: RunFigures[] = [];
  for (const count of threads.split(",").map(Number)) runs.push(await hotRun({ threads: count, orders, random }));
  const defects = runs.flatMap(({ threads: count, defects: found }) => found.map((defect) => `${count} threads: ${defect}`));
  return {
    ok: defects.length === 0,
    orders,
    seed,
    runs: runs.map(({ defects: _, ...figures }) => figures),
    defects: defects.slice(0, DEFECTS_SHOWN),
  };
});

interface HotRun {
  readonly threads: number;
  readonly orders: number;
  readonly random: () => number;
}
interface RunFigures {
  readonly threads: number;
  readonly [figure: string]: unknown;
  readonly defects: readonly string[];
}

async function hotRun({ threads, orders, random }: HotRun): Promise<RunFigures> {
  const dataDir = mkdtempSync(join(tmpdir(), "troupe-hot-"));
  try {
    // Small enough that all orders at once are too many, whatever their number.
    const commandsMax = Math.max(Math.floor(orders / threads / 2), PARALLEL);
    const flags = [
      "--data.dir",
      dataDir,
      "--http.port",
      "0",
      "--shard.threads",
      String(threads),
      "--shard.commands-max",
      String(commandsMax),
    ];
    const config = loadConfig({ argv: [...flags, "--log.level", "error"], env: {}, cwd: process.cwd() });
    const node = await startSystem(config);
    await Promise.all(
      [HOT, "sum", ...Array.from({ length: OTHERS }, (_, number) => other(number))].map((id) => openOnNode(node, id, null)),
    );
    const http = await startHttp({ system: node, config, log: openLog("error") });
    const client = new KeepAliveClient(http.url, PARALLEL);
    const oneKey = [await oneKeyMany(client, "deposit"), await oneKeyMany(client, "transfer")];
    const credits = await threeCredits(client);
    client.close();
    await http.close(1_000);
    const before = await handledOf(node);
    const steady = await contend(node, { name: "steady", orders, inFlight: IN_FLIGHT, random });
    const flood = await contend(node, { name: "flood", orders, inFlight: orders, random });
    const messagesHandled = (await handledOf(node)).map((count, thread) => count - (before[thread] ?? 0));
    const balance = await node.ask(`account/${HOT}`, "get", {});
    await node.close();

    const equalShare = messagesHandled.reduce((sum, count) => sum + count, 0) / threads;
    const shareMin = Math.min(...messagesHandled) / equalShare;
    const moved = [steady, flood].reduce((sum, { expected }) => sum + expected, 0n);
    const steadyKept = keptPromises(join(dataDir, "journal.db"), steady.load);
    const floodKept = keptPromises(join(dataDir, "journal.db"), flood.load);
    const { balances, transfers } = steadyKept.books;
    const shown = balance.ok ? String((balance.value as { readonly balance: unknown }).balance) : balance.code;
    const defects = [
      ...oneKey.flatMap(({ defects: found }) => found),
      ...oneKey
        .filter(({ key }) => transfers.get(idOfKey(key))?.movements.length !== 2)
        .map(({ key }) => `the journal does not hold one effect of ${key}`),
      ...(credits === "650.00" ? [] : [`500, 100 and 50 made ${credits}`]),
      ...[steady, flood]
        .filter(({ load }) => load.acknowledged.size !== orders)
        .map(({ name }) => `${name}: not every order has an outcome`),
      ...[steady, flood].flatMap(({ name, load }) => unlike201(name, load)),
      ...(balances.get(HOT) === moved ? [] : [`the journal adds the hot account up to ${balances.get(HOT)}, the orders to ${moved}`]),
      ...(shown === decimal(moved) ? [] : [`the hot account shows ${shown}, the orders add up to ${decimal(moved)}`]),
      ...(flood.refused > 0 ? [] : ["nothing was refused although everything came at once"]),
      ...(shareMin >= SHARE_MIN ? [] : [`a thread handled only ${shareMin.toFixed(2)} of an equal share`]),
      ...(steadyKept.doubled === 0 ? [] : [`${steadyKept.doubled} effects were done twice`]),
      ...steadyKept.defects,
      ...floodKept.defects,
    ];
    tell(
      `${threads} threads: ${steady.perSecond}/s with ${IN_FLIGHT} in flight, ${flood.perSecond}/s all at once; messages ${messagesHandled.join(", ")}`,
    );
    return {
      threads,
      oneKey: oneKey.map(({ defects: _, ...figures }) => figures),
      credits,
      steadyPerSecond: steady.perSecond,
      floodPerSecond: flood.perSecond,
      floodRefused: flood.refused,
      hotBalance: shown,
      messagesHandled,
      shareMin: Number(shareMin.toFixed(2)),
      defects,
    };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** All requests leave before the first answer can come. */
async function oneKeyMany(client: KeepAliveClient, kind: "deposit" | "transfer") {
  const key = `one-${kind}`;
  const fields = kind === "deposit" ? { accountId: "sum" } : { from: other(0), to: other(1) };
  const body = JSON.stringify({ ...fields, amount: "1.00", currency: CURRENCY });
  const send = (): Promise<ClientAnswer> => client.send({ method: "POST", path: `/v1/${kind}s`, key, body });
  const answers = await Promise.all(Array.from({ length: PARALLEL }, send));
  const last = await send();
  const done = answers.filter(({ status }) => status === 201);
  const running = answers.filter(({ status }) => status === 409).length;
  const firsts = done.filter(({ isReplayed }) => !isReplayed).length;
  const defects: string[] = [];
  if (done.length + running !== PARALLEL) defects.push(`one ${kind}: answers other than 201 and 409`);
  if (new Set([...done, last].map(({ status, body: bytes }) => `${status} ${bytes}`)).size !== 1)
    defects.push(`one ${kind}: the answers differ`);
  if (firsts > 1 || !last.isReplayed) defects.push(`one ${kind}: ${firsts} answers say that they are the first`);
  return { key, sent: PARALLEL, equal: done.length, inProgress: running, defects };
}

async function threeCredits(client: KeepAliveClient): Promise<string> {
  const open = await client.send({ method: "POST", path: "/v1/accounts", body: JSON.stringify({ id: "three", currency: CURRENCY }) });
  if (open.status !== 201) return open.body;
  await Promise.all(
    ["500", "100", "50"].map((amount) =>
      client.send({
        method: "POST",
        path: "/v1/deposits",
        key: `three-${amount}`,
        body: JSON.stringify({ accountId: "three", amount, currency: CURRENCY }),
      }),
    ),
  );
  const { body } = await client.send({ method: "GET", path: "/v1/accounts/three" });
  return String((JSON.parse(body) as { readonly balance?: unknown }).balance);
}

interface Contention {
  readonly name: string;
  readonly orders: number;
  readonly inFlight: number;
  readonly random: () => number;
}

/** Every order moves money to or from the hot account. `expected`: what they add up to on it, in minor units. */
async function contend(node: Node, { name, orders, inFlight, random }: Contention) {
  let count = 0;
  let expected = 0n;
  const next = (): Order | null => {
    if (count === orders) return null;
    const key = `${name}-${++count}`;
    const minor = 1 + Math.floor(random() * 10_000);
    const isIn = random() < 0.6;
    expected += BigInt(isIn ? minor : -minor);
    const one = other(Math.floor(random() * OTHERS));
    return { key, kind: "transfer", from: isIn ? one : HOT, to: isIn ? HOT : one, amount: decimal(BigInt(minor)) };
  };
  const load = new OrderLoad<Order>({ next, connections: inFlight });
  const startedAt = performance.now();
  await load.run(nodeDoor(node));
  const perSecond = Math.round((orders / (performance.now() - startedAt)) * 1000);
  let refused = 0;
  for (const times of load.refusals.values()) refused += times;
  return { name, load, expected, perSecond, refused };
}

function unlike201(name: string, load: LedgerLoad): readonly string[] {
  const others = [...load.acknowledged.values()].filter(({ status }) => status !== 201);
  return others.length === 0 ? [] : [`${name}: ${others.length} orders were not carried out, for example ${others[0]?.body}`];
}

async function handledOf(node: Node): Promise<readonly number[]> {
  const { shardThreads } = await node.figures();
  return [...shardThreads].sort((a, b) => a.thread - b.thread).map(({ messagesHandled }) => messagesHandled);
}

function other(number: number): string {
  return `other-${number}`;
}

function decimal(minor: bigint): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(3, "0");
  return `${minor < 0n ? "-" : ""}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
