/** What both kinds of load have in common: a server of NATS, commands made before the clock starts, one at a time and 64 at a time. */
import { randomUUID } from "node:crypto";
import { connect, headers, type MsgHdrs, type NatsConnection } from "nats";
import { TestNats } from "../../test/support/nats-server.ts";
import { closedLoop } from "../harness/closed-loop.ts";
import { cpuOf, durableOf } from "../harness/server-look.ts";
import { byMode, type Mode, type Outcome } from "../harness/suite.ts";
import { startServer } from "../http/servers.ts";
import { accountOf, CURRENCY } from "../ledger/bench-node.ts";

const AT_ONCE = 64;
export const ANSWER_MS_MAX = 30_000;
/** Of what an echo answers: about as large as the answer to a deposit. */
export const ANSWER_BYTES = 330;

export interface Command {
  readonly body: string;
  readonly headers: MsgHdrs;
}
export interface Work {
  /** Does one command and rejects when its answer is wrong. */
  readonly one: (command: Command) => Promise<void>;
  /** What a command has besides its key. */
  readonly headersOf?: () => MsgHdrs;
  readonly onWarm?: () => Promise<void>;
}

/** Runs `work` with a server of NATS of its own, on files, and one connection to it. */
export async function withNats<Value>(work: (connection: NatsConnection, url: string) => Promise<Value>): Promise<Value> {
  const nats = await TestNats.start({ jetstream: true });
  try {
    // Without a stack trace a request: it would be the load's largest cost.
    const connection = await connect({ servers: nats.url, noAsyncTraces: true });
    try {
      return await work(connection, nats.url);
    } finally {
      await connection.close();
    }
  } finally {
    await nats.stop();
  }
}

/** Commands one at a time, then 64 at a time, after a warm-up; `p50Ms` is of the first, `perSecond` of the second. */
export async function measured(mode: Mode, { one, headersOf = () => headers(), onWarm = async () => undefined }: Work) {
  const { single, many, warmUp } = countsIn(mode);
  await run(AT_ONCE, commands(mode, warmUp, headersOf), one);
  const made = { single: commands(mode, single, headersOf), many: commands(mode, many, headersOf) };
  await onWarm();
  const cpu = process.cpuUsage();
  const alone = await run(1, made.single, one);
  const together = await run(AT_ONCE, made.many, one);
  const { user, system } = process.cpuUsage(cpu);
  return {
    figures: {
      p50Ms: alone.p50Ms,
      p99Ms: alone.p99Ms,
      perSecond: together.perSecond,
      p50MsAt64: together.p50Ms,
      p99MsAt64: together.p99Ms,
      cpuMicrosLoad: (user + system) / (single + many),
    },
    /** All that were done, the warm-up too. */
    commands: warmUp + single + many,
    counted: single + many,
  };
}

/** The same of the real server, with what its journal wrote meanwhile; its books are audited afterwards. */
export async function measuredServer(
  mode: Mode,
  { url, flags, ...work }: Work & { readonly url: string; readonly flags: readonly string[] },
): Promise<Outcome> {
  await using server = await startServer(new URL("./troupe-server.ts", import.meta.url), [String(accountsIn(mode)), url, ...flags]);
  let before = await server.look();
  const onWarm = async (): Promise<void> => {
    before = await server.look();
  };
  const { figures, commands, counted } = await measured(mode, { ...work, onWarm });
  const after = await server.look();
  await server.audit(commands);
  return { figures: { ...figures, ...cpuOf(before, after, counted) }, durable: durableOf(before, after) };
}

const run = (inFlight: number, made: readonly Command[], one: Work["one"]) =>
  closedLoop({
    count: made.length,
    inFlight,
    one: async (i) => {
      const command = made[i];
      if (command !== undefined) await one(command);
    },
  });

const accountsIn = (mode: Mode): number => byMode(mode, { full: 10_000, quick: 10_000, tiny: 100 });
const countsIn = (mode: Mode) =>
  byMode(mode, {
    // As many as the suite over HTTP: after a quarter of them V8's helper threads took 33 to 49 us a command in a quick run, after these 15 to 30.
    full: { single: 5_000, many: 60_000, warmUp: 20_000 },
    quick: { single: 2_000, many: 20_000, warmUp: 20_000 },
    tiny: { single: 50, many: 300, warmUp: 100 },
  });

/** Deposits to accounts chosen at random, each with a key of its own. */
function commands(mode: Mode, count: number, headersOf: () => MsgHdrs): readonly Command[] {
  const accounts = accountsIn(mode);
  const run = randomUUID();
  return Array.from({ length: count }, (_, i) => {
    const accountId = accountOf(Math.floor(Math.random() * accounts));
    const all = headersOf();
    all.set("Idempotency-Key", `${run}-${i}`);
    return { body: JSON.stringify({ accountId, amount: "10.50", currency: CURRENCY }), headers: all };
  });
}
