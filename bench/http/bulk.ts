/** Transfers as one bulk stream: NDJSON lines up and answer lines down on one connection, as fast as the server takes them. */
import { randomUUID } from "node:crypto";
import { request } from "node:http";
import { durableOf } from "../harness/server-look.ts";
import { assertResult, byMode, type RunVariant } from "../harness/suite.ts";
import { accountOf, CURRENCY } from "../ledger/bench-node.ts";
import { type BenchServer, startServer } from "./servers.ts";

/** Lines a write: the load shall not be what is slow. */
const LINES_A_WRITE = 500;

export const bulk: RunVariant = async (mode) => {
  const accounts = byMode(mode, { full: 10_000, quick: 10_000, tiny: 100 });
  const count = byMode(mode, { full: 300_000, quick: 100_000, tiny: 1_000 });
  const warmUp = byMode(mode, { full: 30_000, quick: 30_000, tiny: 200 });
  await using server = await startServer(new URL("./troupe-server.ts", import.meta.url), [String(accounts)]);
  await stream(server, linesOf(accounts, warmUp), warmUp);
  const lines = linesOf(accounts, count);
  const before = await server.look();
  const cpu = process.cpuUsage();
  const ms = await stream(server, lines, count);
  const { user, system } = process.cpuUsage(cpu);
  const after = await server.look();
  await server.audit(warmUp + count);
  const cpuMicrosServer = (after.cpuMicros - before.cpuMicros) / count;
  return {
    figures: { perSecond: (count / ms) * 1000, cpuMicrosServer, cpuMicrosLoad: (user + system) / count },
    durable: durableOf(before, after),
  };
};

function linesOf(accounts: number, count: number): readonly Buffer[] {
  const run = randomUUID();
  const pieces: Buffer[] = [];
  for (let from = 0; from < count; from += LINES_A_WRITE) {
    let text = "";
    for (let i = from; i < Math.min(from + LINES_A_WRITE, count); i++) {
      const source = Math.floor(Math.random() * accounts);
      const to = accountOf((source + 1 + Math.floor(Math.random() * (accounts - 1))) % accounts);
      text += `${JSON.stringify({ key: `${run}-${i}`, from: accountOf(source), to, amount: "10.50", currency: CURRENCY })}\n`;
    }
    pieces.push(Buffer.from(text));
  }
  return pieces;
}

const NEWLINE = 0x0a;
const SUCCESS = Buffer.from('"status":201,');

/** Sends all and reads all at once; answers the milliseconds. Every line must be answered, and say that it was done. */
async function stream(server: BenchServer, pieces: readonly Buffer[], count: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let answered = 0;
  let done = 0;
  let first = "";
  const outgoing = request({ host: server.host, port: server.port, method: "POST", path: "/v1/transfers/bulk" });
  outgoing.setHeader("content-type", "application/x-ndjson");
  outgoing.on("error", reject);
  outgoing.on("response", (incoming) => {
    let rest: Buffer = Buffer.alloc(0);
    incoming.on("data", (chunk: Buffer) => {
      if (first === "") first = chunk.toString("utf8").slice(0, 400);
      const end = chunk.lastIndexOf(NEWLINE) + 1;
      const whole = end === 0 ? Buffer.alloc(0) : Buffer.concat([rest, chunk.subarray(0, end)]);
      rest = end === 0 ? Buffer.concat([rest, chunk]) : chunk.subarray(end);
      answered += occurrences(whole, NEWLINE);
      done += occurrences(whole, SUCCESS);
    });
    incoming.on("end", resolve);
    incoming.on("error", reject);
  });
  const from = performance.now();
  for (const piece of pieces) if (!outgoing.write(piece)) await new Promise((drained) => outgoing.once("drain", drained));
  outgoing.end();
  await promise;
  const ms = performance.now() - from;
  assertResult(answered === count && done === count, `${answered} of ${count} lines were answered, ${done} done: ${first}`);
  return ms;
}

function occurrences(bytes: Buffer, what: number | Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(what); at >= 0; at = bytes.indexOf(what, at + 1)) count++;
  return count;
}
