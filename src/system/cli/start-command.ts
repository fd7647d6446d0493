/** `troupe start`: a node and its HTTP door, until a signal stops them in order. */
import { readFileSync } from "node:fs";
import type { PlantedBug } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { type HttpServer, startHttp } from "../http/index.ts";
import type { Node } from "../node.ts";
import { openLog } from "../observe/log.ts";
import { startSystem } from "../start.ts";
import { bannerOf, urlsOf } from "./banner.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { configOf, type Result, type Run, say, sayJson, seconds } from "./command.ts";
import { StopSignal } from "./stop-signal.ts";

/** What requests get to end after the node has ended by itself: their answers are on their way or never come. */
const FAILED_CLOSE_MS = 3000;
/** After the deadline of an ordered stop: time to write down that it passed. */
const GRACE_MS = 1000;

/**
 * Serves until SIGTERM or SIGINT, then: `/readyz` 503 and no new work, HTTP drains, the node takes a checkpoint and closes.
 * @returns what the stop left; `ok` false when the node ended by itself or work was left in flight (it is in the journal and resumes).
 * @throws ConfigError, Fault of a start, CliError `ADDRESS_UNUSABLE`.
 */
export async function runStart(run: Run, options: { readonly plantedBug: PlantedBug | null }): Promise<Result> {
  const config = configOf(run);
  const log = openLog(config.log.level);
  // From here on a signal is kept: one that comes while the node recovers stops it as soon as it is up.
  using signal = new StopSignal();
  const node = await startSystem(config, { log, plantedBug: options.plantedBug });
  const http = await listen(node, config, log);
  node.dataDir.announce(urlsOf(http.url));
  greet(run, { node, http, config, ...options });
  const reason = await Promise.race([signal.arrived, node.failed]);
  return await stop(run, { node, http, config, reason, isOrdered: signal.hasArrived });
}

async function listen(node: Node, config: Config, log: Parameters<typeof startHttp>[0]["log"]): Promise<HttpServer> {
  try {
    return await startHttp({ system: node, config, log });
  } catch (cause) {
    await node.close();
    const { host, port } = config.http;
    const why = WHY_NOT_LISTEN[errnoOf(cause) ?? ""];
    if (why === undefined) throw cause;
    const way = "Choose another with --http.host and --http.port (TROUPE_HTTP_HOST, TROUPE_HTTP_PORT); port 0 takes a free one.";
    throw new CliError("ADDRESS_UNUSABLE", `the HTTP server cannot listen on ${host}:${port}: ${why}. ${way}`, { cause });
  }
}

const WHY_NOT_LISTEN: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program has this port",
  EACCES: "this user may not take this port (those below 1024 belong to root)",
  EADDRNOTAVAIL: "this machine has no such address",
  ENOTFOUND: "this host name is not known",
  EAI_AGAIN: "this host name cannot be looked up now",
};

interface Started {
  readonly node: Node;
  readonly http: HttpServer;
  readonly config: Config;
}

function greet(run: Run, { node, http, config, plantedBug }: Started & { readonly plantedBug: PlantedBug | null }): void {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { readonly version: string };
  const facts = {
    version,
    url: http.url,
    host: config.http.host,
    dataDir: node.dataDir.path,
    shardThreads: node.threadCount,
    shards: config.shard.count,
    synchronous: node.synchronous,
    isUnsafe: config.journal.unsafe,
    plantedBug,
    pid: process.pid,
  };
  say(run, bannerOf(facts));
  sayJson(run, { ready: true, urls: urlsOf(http.url), ...facts });
}

type Stopping = Started & { readonly reason: string; readonly isOrdered: boolean };

async function stop(run: Run, { node, http, config, reason, isOrdered }: Stopping): Promise<Result> {
  const startedMs = performance.now();
  const { deadlineMs } = config.shutdown;
  const open = node.inFlight;
  say(run, `\nStopping (${reason}): new work is refused, ${open} in flight.`);
  await http.close(isOrdered ? deadlineMs : FAILED_CLOSE_MS);
  const inFlightLeft = node.inFlight;
  // The deadline is one for the whole stop, though each part would take it for itself.
  const leftMs = Math.max(deadlineMs - (performance.now() - startedMs), 0);
  const isClosed = await Promise.race([node.close(leftMs).then(() => true), rest(leftMs + GRACE_MS)]);
  const ms = Math.round(performance.now() - startedMs);
  const answered = Math.max(open - inFlightLeft, 0);
  say(run, `Stopped after ${seconds(ms)}: ${answered} in flight answered, ${inFlightLeft} left${isClosed ? "" : "; the deadline passed"}.`);
  if (inFlightLeft > 0 || !isClosed) say(run, "What was accepted is in the journal and resumes at the next start.");
  return { ok: isOrdered && isClosed && inFlightLeft === 0, reason, answered, inFlightLeft, ms };
}

const rest = (ms: number): Promise<false> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), ms).unref();
  });
