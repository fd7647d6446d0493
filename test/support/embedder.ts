/**
 * A program that embeds the system, as its argument says: `use` it, or meet a start that is refused half way. It says in one line of JSON what
 * happened and what is still open in its process, and ends by itself or never: nothing here ends it.
 */
import { createServer } from "node:net";
import type { Worker } from "node:worker_threads";
import { account, transfer, transferIdOf } from "../../src/actors/index.ts";
import { type Config, loadConfig } from "../../src/system/config/config.ts";
import { startHttp } from "../../src/system/http/index.ts";
import { startSystem } from "../../src/system/start.ts";

export type EmbedderMode = "use" | "refused" | "port-taken";
export interface EmbedderReport {
  /** The balance that it read, or the code of what refused it. */
  readonly outcome: string;
  /** Threads that were started in all, and those that have not ended. */
  readonly threads: number;
  readonly threadsLeft: number;
  /** `process.getActiveResourcesInfo()` but for standard output. */
  readonly resources: readonly string[];
}

/** Standard output is a pipe to the test. */
const OWN: ReadonlySet<string> = new Set(["PipeWrap", "TTYWrap"]);

const [mode, dir] = [process.argv[2] as EmbedderMode, process.argv[3] ?? ""];
const threads: Worker[] = [];
process.on("worker", (worker) => threads.push(worker));
const config = loadConfig({
  argv: ["--data.dir", dir, "--shard.threads", "2", "--http.port", "0", "--log.level", "fatal"],
  env: {},
  cwd: dir,
});
const outcome = mode === "use" ? await use(config) : mode === "refused" ? await refused(config) : await portTaken(config);
// A handle that was closed is there until the turn after the next.
for (let turns = 0; turns < 2; turns++) await new Promise(setImmediate);
const report: EmbedderReport = {
  outcome,
  threads: threads.length,
  threadsLeft: threads.filter(({ threadId }) => threadId !== -1).length,
  resources: process.getActiveResourcesInfo().filter((name) => !OWN.has(name)),
};
process.stdout.write(`${JSON.stringify(report)}\n`);

async function use(settings: Config): Promise<string> {
  await using system = await startSystem(settings);
  const [caller, key, currency] = ["local", "salary", "CZK"];
  const alice = system.entity(account, "alice");
  await alice.ask.open({ currency, kind: "customer", overdraftLimit: "0", owner: null, caller, key: null });
  const paid = { kind: "deposit", from: null, to: "alice", amount: "1050", currency, caller, key } as const;
  await system.entity(transfer, transferIdOf(caller, key)).ask.request(paid);
  await system.statement("alice", { after: 0, limit: 10 });
  await system.readiness();
  const answer = await alice.ask.get({});
  return answer.ok ? answer.value.balance : answer.code;
}

async function refused(settings: Config): Promise<string> {
  try {
    await using _system = await startSystem(settings);
    return "started";
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  }
}

/** The system starts, its door does not: the program leaves by that error, and `await using` closes what is there. */
async function portTaken(settings: Config): Promise<string> {
  await using taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  try {
    await using system = await startSystem(settings);
    const nothing = (): void => {};
    await startHttp({ system, config: { ...settings, http: { ...settings.http, port } }, log: { info: nothing, error: nothing } });
    return "listens";
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  }
}
