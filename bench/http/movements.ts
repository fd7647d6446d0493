/**
 * Deposits and transfers over HTTP: the real server in a process of its own, all of its threads and files running, and this process as the
 * load, on the same cores. Beside it bare fastify under the same load with a body of the same size. It does not measure a network.
 */
import { randomUUID } from "node:crypto";
import { httpLoad, postBytes } from "../harness/http-load.ts";
import { durableOf } from "../harness/server-look.ts";
import { assertResult, byMode, type Mode, type Outcome, type RunVariant } from "../harness/suite.ts";
import { accountOf, CURRENCY } from "../ledger/bench-node.ts";
import { type BenchServer, startServer } from "./servers.ts";

const CONNECTIONS = 64;

export const deposits: RunVariant = (mode) => measure(mode, { connections: CONNECTIONS, request: deposit });
export const transfers: RunVariant = (mode) => measure(mode, { connections: CONNECTIONS, request: transfer });
export const oneDeposit: RunVariant = (mode) => measure(mode, { connections: 1, request: deposit });

/** The same requests, answered by a server that keeps nothing. */
export const bare: RunVariant = async (mode) => {
  await using server = await startServer(new URL("./fastify-server.ts", import.meta.url), []);
  const { figures } = await load(server, mode, { connections: CONNECTIONS, request: deposit });
  return { figures };
};

interface Work {
  readonly connections: number;
  readonly request: (accounts: number, key: string) => Buffer;
}

function deposit(accounts: number, key: string): Buffer {
  const accountId = accountOf(Math.floor(Math.random() * accounts));
  return postBytes("/v1/deposits", JSON.stringify({ accountId, amount: "10.50", currency: CURRENCY }), key);
}

function transfer(accounts: number, key: string): Buffer {
  const from = Math.floor(Math.random() * accounts);
  const to = (from + 1 + Math.floor(Math.random() * (accounts - 1))) % accounts;
  const body = { from: accountOf(from), to: accountOf(to), amount: "10.50", currency: CURRENCY };
  return postBytes("/v1/transfers", JSON.stringify(body), key);
}

const accountsIn = (mode: Mode): number => byMode(mode, { full: 10_000, quick: 10_000, tiny: 100 });

async function measure(mode: Mode, work: Work): Promise<Outcome> {
  await using server = await startServer(new URL("./troupe-server.ts", import.meta.url), [String(accountsIn(mode))]);
  const { figures, requests, before, after } = await load(server, mode, work);
  await server.audit(requests);
  return { figures, durable: durableOf(before, after) };
}

async function load(server: BenchServer, mode: Mode, { connections, request }: Work) {
  const scale = connections === 1 ? { full: 10_000, quick: 3_000, tiny: 100 } : { full: 120_000, quick: 40_000, tiny: 500 };
  const count = byMode(mode, scale);
  const warmUp = byMode(mode, { full: 20_000, quick: 20_000, tiny: 100 }) / (connections === 1 ? 10 : 1);
  const accounts = accountsIn(mode);
  const made = (name: string, howMany: number) => Array.from({ length: howMany }, (_, i) => request(accounts, `${name}-${i}`));
  const { host, port } = server;
  await httpLoad({ host, port, connections, status: 201, requests: made(randomUUID(), warmUp) });
  const requests = made(randomUUID(), count);
  const before = await server.look();
  const cpu = process.cpuUsage();
  const { sample, ...loop } = await httpLoad({ host, port, connections, status: 201, requests });
  const { user, system } = process.cpuUsage(cpu);
  const after = await server.look();
  assertResult(sample.includes("COMPLETED"), `an answer says ${sample}`);
  const cpuMicrosServer = (after.cpuMicros - before.cpuMicros) / count;
  return {
    figures: { ...loop, cpuMicrosServer, cpuMicrosLoad: (user + system) / count, ...threadFigures(before.threads, after.threads, count) },
    requests: warmUp + count,
    before,
    after,
  };
}

function threadFigures(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>, count: number) {
  const each = Object.entries(after).map(([name, micros]) => [`cpuMicros.${name}`, (micros - (before[name] ?? 0)) / count] as const);
  return Object.fromEntries(each.filter(([, micros]) => micros >= 0.1));
}
