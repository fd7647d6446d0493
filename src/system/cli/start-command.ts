/** `troupe start`: a node and its HTTP door, until a signal, or the end of its supervisor, stops them in order. */
import { readFileSync } from "node:fs";
import { ADMIN_HOST, type AdminServer, startAdmin } from "../admin/admin-server.ts";
import { deadCommandRoutes } from "../admin/dead-command-routes.ts";
import { lookRoutes } from "../admin/look-routes.ts";
import type { Config } from "../config/config.ts";
import { effectRoutes } from "../effects/effect-routes.ts";
import type { HttpListener } from "../http/index.ts";
import type { NatsDoor } from "../nats/nats-door.ts";
import type { Node } from "../node.ts";
import { type Log, openLog } from "../observe/log.ts";
import { Metrics } from "../observe/metrics.ts";
import { type StopReport, stopInOrder } from "../ordered-stop.ts";
import { eventRoutes } from "../outbox/event-routes.ts";
import { acksEarly, bugOfDomain, type NodeBug } from "../planted-bug.ts";
import { startSystem } from "../start.ts";
import { keepYoungHeapYoung } from "../young-heap.ts";
import { bannerOf, urlsOf } from "./banner.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { configOf, counted, type Result, type Run, say, sayJson, seconds } from "./command.ts";
import { Progress } from "./progress.ts";
import { StopSignal } from "./stop-signal.ts";
import { STOPPING } from "./supervised-node.ts";

/** What requests get to end after the node has ended by itself: their answers are on their way or never come. */
const FAILED_REQUESTS_MS = 2_000;
const FAILED_MS = 10_000;
/** Of the deadline of an ordered stop, what requests may not use up: it is for the effects, the checkpoint and the files. */
const RESERVED_MS = 5_000;
const RESERVED_SHARE = 0.25;

export interface StartOptions {
  readonly plantedBug: NodeBug | null;
  /** Started by `start --supervise`: stops in order when that process is gone, and tells it when it stops on purpose. */
  readonly isSupervised: boolean;
}

/**
 * Serves until SIGTERM or SIGINT, then stops in order: see `stopInOrder`.
 * @returns what the stop did; `ok` false when the node ended by itself or work was left in flight (it is in the journal and resumes).
 * @throws ConfigError, Fault of a start, CliError `ADDRESS_UNUSABLE`.
 */
export async function runStart(run: Run, options: StartOptions): Promise<Result> {
  const config = configOf(run);
  const log = openLog(config.log.level);
  // From here on a signal is kept: one that comes while the node recovers stops it as soon as it is up.
  using signal = new StopSignal(options);
  if (options.isSupervised) obeySupervisor(signal);
  const starting = started(config, log, options);
  // Loaded while the node's threads load what they need: before, one core would load it and the other one rest.
  const [node, { HttpListener }] = await Promise.all([starting, import("../http/index.ts")]);
  const metrics = new Metrics(node);
  const { host, port } = config.http;
  const http = new HttpListener({ system: node, config, log, metrics });
  const nats = await natsOf(node, config, log, options);
  if (nats !== null) metrics.alsoMeasure(() => nats.measures());
  keepYoungHeapYoung();
  await listening(node, { what: "HTTP", host, port, section: "http" }, () => node.open(http, nats));
  const admin = await adminOf({ node, nats, config, log, metrics });
  node.dataDir.announce(urlsOf(http.url), admin.url);
  greet(run, { node, http, nats, admin, config, ...options });
  const reason = await Promise.race([signal.arrived, node.failed]);
  return await stop(run, { node, http, nats, admin, config, log, reason, isOrdered: signal.hasArrived });
}

/** A start behind a long tail of the journal shows how far it is: a bar at a terminal, else a line of the log each second. */
async function started(config: Config, log: Log, { plantedBug }: StartOptions): Promise<Node> {
  const bug = bugOfDomain(plantedBug);
  if (process.stderr.isTTY !== true) return await startSystem(config, { log, plantedBug: bug });
  const bars = {
    checking: new Progress({ what: "checking the journal", unit: "records" }),
    recovering: new Progress({ what: "recovering", unit: "records" }),
  };
  try {
    return await startSystem(config, { log, plantedBug: bug, onProgress: ({ phase, records, of }) => bars[phase].update(records, of) });
  } finally {
    for (const bar of Object.values(bars)) bar.done();
  }
}

/** Where a server is to listen, and how its settings are called. */
interface Place {
  readonly what: string;
  readonly host: string;
  readonly port: number;
  readonly section: "http" | "admin";
}

/** What `start` gives. @throws CliError `ADDRESS_UNUSABLE`, after the node was closed. */
async function listening<Server>(node: Node, { what, host, port, section }: Place, start: () => Promise<Server>): Promise<Server> {
  try {
    return await start();
  } catch (cause) {
    await node.close();
    const why = WHY_NOT_LISTEN[errnoOf(cause) ?? ""];
    if (why === undefined) throw cause;
    const flags =
      section === "http" ? "--http.host and --http.port (TROUPE_HTTP_HOST, TROUPE_HTTP_PORT)" : "--admin.port (TROUPE_ADMIN_PORT)";
    const way = `Choose another with ${flags}; port 0 takes a free one.`;
    throw new CliError("ADDRESS_UNUSABLE", `the ${what} server cannot listen on ${host}:${port}: ${why}. ${way}`, { cause });
  }
}

/** Loads what speaks NATS only when it is configured. @throws Fault `CONFIG_INVALID`, after the node was closed. */
async function natsOf(node: Node, config: Config, log: Log, { plantedBug }: StartOptions): Promise<NatsDoor | null> {
  if (config.nats.servers === null) return null;
  try {
    const { NatsDoor } = await import("../nats/nats-door.ts");
    const door = new NatsDoor({ system: node, config, log, env: process.env, version: versionOf(), acksEarly: acksEarly(plantedBug) });
    node.alsoCheck(() => door.check);
    const { durable } = door;
    if (durable !== null) node.alsoCheck(() => durable.check);
    return door;
  } catch (cause) {
    await node.close();
    throw cause;
  }
}

type Doors = Pick<Started, "node" | "nats" | "config"> & { readonly log: Log; readonly metrics: Metrics };

async function adminOf({ node, nats, config, log, metrics }: Doors): Promise<AdminServer> {
  const { port } = config.admin;
  return await listening(node, { what: "admin", host: ADMIN_HOST, port, section: "admin" }, () =>
    startAdmin({
      port,
      routes: [...lookRoutes(node), ...effectRoutes(node), ...eventRoutes(node), ...deadCommandRoutes(nats?.dead ?? null)],
      metrics,
      log,
    }),
  );
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
  readonly http: HttpListener;
  /** Null without `nats.servers`. */
  readonly nats: NatsDoor | null;
  readonly admin: AdminServer;
  readonly config: Config;
}

const versionOf = (): string =>
  (JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { readonly version: string }).version;

function greet(run: Run, { node, http, admin, config, plantedBug }: Started & { readonly plantedBug: NodeBug | null }): void {
  const facts = {
    version: versionOf(),
    url: http.url,
    adminUrl: admin.url,
    host: config.http.host,
    nats: config.nats.servers,
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

type Stopping = Started & { readonly log: Log; readonly reason: string; readonly isOrdered: boolean };

async function stop(run: Run, { node, http, nats, admin, config, log, reason, isOrdered }: Stopping): Promise<Result> {
  const { deadlineMs, lameDuckMs } = config.shutdown;
  const requestsMsMax = Math.max(deadlineMs - RESERVED_MS, deadlineMs * (1 - RESERVED_SHARE));
  const limits = isOrdered ? { deadlineMs, lameDuckMs, requestsMsMax } : FAILED_LIMITS;
  const first = limits.lameDuckMs === 0 ? "" : `/readyz is red for ${seconds(limits.lameDuckMs)}, then `;
  say(run, `\nStopping (${reason}): ${first}new work is refused, ${node.inFlight} in flight.`);
  // The admin port shows how the drain gets on, and is gone before the data directory is given back: a successor may want the same port.
  const close = async (deadlineMs: number): Promise<void> => {
    await admin.close();
    await node.close(deadlineMs);
  };
  const stopping = { failed: node.failed, tally: (ms: number) => node.tally(ms), drain: (ms: number) => node.drain(ms), close };
  const report = await stopInOrder({ node: stopping, doors: nats === null ? [http] : [http, nats], ...limits });
  const ok = isOrdered && report.isClosed && report.unanswered === 0;
  (ok ? log.info : log.warn).call(log, { reason, ...report }, ok ? "stopped in order" : "stopped with work left");
  say(run, toldStop(report));
  return { ok, reason, ...report };
}

const FAILED_LIMITS = { deadlineMs: FAILED_MS, lameDuckMs: 0, requestsMsMax: FAILED_REQUESTS_MS };

/** One line for people; a second one only when something stays behind. */
function toldStop({ answered, unanswered, entriesCommitted, effectsOpen, isClosed, ms }: StopReport): string {
  const figure = (value: number | null): string => (value === null ? "an unknown number of" : counted(value));
  const done = `${counted(answered)} in flight answered, ${figure(entriesCommitted)} entries committed`;
  const left = `${counted(unanswered)} unanswered and ${figure(effectsOpen)} effects left open`;
  const line = `Stopped after ${seconds(ms)}: ${done}, ${left}${isClosed ? "" : "; the deadline passed"}.`;
  if (unanswered === 0 && effectsOpen === 0 && isClosed) return line;
  return `${line}\nWhat was accepted is in the journal and resumes at the next start.`;
}

/** A node must not outlive its supervisor: the next one would find the data directory in use by an orphan. */
function obeySupervisor(signal: StopSignal): void {
  const orphaned = (): void => signal.stop("the supervisor is gone");
  if (process.connected) process.once("disconnect", orphaned);
  else orphaned();
  // An end on purpose is none to restart after, whatever its exit code.
  void signal.arrived.then(() => process.connected && process.send?.(STOPPING, undefined, undefined, () => undefined));
}
