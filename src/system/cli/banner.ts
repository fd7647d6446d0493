/** What a started node tells the person at the terminal. */
import { isIP } from "node:net";
import type { NodeBug } from "../planted-bug.ts";

export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  /** Of the admin port. */
  readonly adminUrl: string;
  readonly host: string;
  readonly dataDir: string;
  readonly shardThreads: number;
  readonly shards: number;
  /** Servers of NATS; null when it is not used. */
  readonly nats: string | null;
  /** The journal's mode as SQLite said when it was read back. */
  readonly synchronous: string;
  readonly isUnsafe: boolean;
  readonly plantedBug: NodeBug | null;
  readonly pid: number;
}

/** Every URL of a node; the first is the one that `--url` takes. */
export const urlsOf = (url: string): readonly string[] => [url, `${url}/docs`, `${url}/openapi.json`, `${url}/readyz`];

/** One command line that a POSIX shell runs as it stands: opens an account, then deposits. A repeat changes nothing. */
export function tryCommand(url: string): string {
  const json = "-H 'Content-Type: application/json'";
  return [
    `curl -sS -w '\\n' ${json} -d '{"id":"alice","currency":"CZK"}' '${url}/v1/accounts' \\`,
    `  --next -sS -w '\\n' ${json} -H 'Idempotency-Key: alice-first-deposit' \\`,
    `  -d '{"accountId":"alice","amount":"10.50","currency":"CZK"}' '${url}/v1/deposits'`,
  ].join("\n");
}

export function bannerOf(facts: BannerFacts): string {
  const { url, shardThreads, synchronous } = facts;
  const lines = [
    `Troupe ${facts.version} is ready (process ${facts.pid}).`,
    "",
    `  API         ${url}/v1`,
    `  Docs        ${url}/docs`,
    `  OpenAPI     ${url}/openapi.json`,
    `  Readiness   ${url}/readyz   (liveness: ${url}/livez)`,
    `  Metrics     ${url}/metrics`,
    `  Admin       ${facts.adminUrl}   (this machine only; used by troupe tree, actors, top)`,
    ...(facts.nats === null ? [] : [`  NATS        ${facts.nats}   (troupe.v1.>, docs/nats.md)`]),
    `  Data        ${facts.dataDir}`,
    `  Threads     ${shardThreads} shard ${shardThreads === 1 ? "thread" : "threads"} for ${facts.shards} shards, 1 journal thread`,
    `  Durability  SQLite, synchronous=${synchronous.toUpperCase()}${synchronous === "full" ? ": an answer leaves after its fsync" : ""}`,
    ...warningsOf(facts),
    "",
    "Try it (opens an account and deposits 10.50 into it):",
    "",
    tryCommand(url),
    "",
    'It prints two lines of JSON: the account, then the deposit with "status":"COMPLETED" and the balance after it. Run it again:',
    "the same two answers, byte for byte, and still one deposit. Ctrl-C stops in order.",
  ];
  return lines.join("\n");
}

function warningsOf({ host, synchronous, isUnsafe, plantedBug }: BannerFacts): readonly string[] {
  const warnings: string[] = [];
  if (synchronous !== "full")
    warnings.push(
      `journal.unsafe is set and synchronous is "${synchronous}": A POWER CUT CAN LOSE ACKNOWLEDGED WORK. For experiments only.`,
    );
  else if (isUnsafe)
    warnings.push('journal.unsafe is set, though synchronous=FULL is in force: take it away before somebody sets "normal".');
  if (!isLoopback(host))
    warnings.push(`Nobody is authenticated yet, and ${host} can be reached from outside: everybody there can move money.`);
  if (plantedBug !== null)
    warnings.push(`PLANTED BUG ${plantedBug}: this node BREAKS A PROMISE ON PURPOSE. For checks only; keep no data on it.`);
  return warnings.flatMap((warning) => ["", `  !! WARNING  ${warning}`]);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
