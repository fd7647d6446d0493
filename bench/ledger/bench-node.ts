/** A node as it runs in production (all threads, all files, FULL), in a folder of its own, with accounts opened. */
import { account } from "../../src/actors/index.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { assertResult, type Durable } from "../harness/suite.ts";

export const CURRENCY = "EUR";
/** Accounts opened at once: well below the commands that a thread takes. */
const OPEN_AT_ONCE = 1_000;
const CATCH_UP_MS_MAX = 120_000;

export const benchConfig = (dir: string, more: readonly string[] = []) =>
  loadConfig({ argv: ["--data.dir", dir, "--log.level", "warn", "--http.port", "0", ...more], env: {}, cwd: process.cwd() });

/** `more` are settings as flags. */
export async function benchNode(dir: string, accounts: number, more: readonly string[] = []): Promise<Node> {
  const node = await startSystem(benchConfig(dir, more));
  for (let from = 0; from < accounts; from += OPEN_AT_ONCE) {
    const count = Math.min(OPEN_AT_ONCE, accounts - from);
    await Promise.all(Array.from({ length: count }, (_, i) => open(node, accountOf(from + i))));
  }
  return node;
}

export const accountOf = (i: number): string => `account-${i}`;

async function open(node: Node, id: string): Promise<void> {
  const body = { currency: CURRENCY, kind: "customer", overdraftLimit: null, owner: null, caller: "local", key: null } as const;
  const answer = await node.entity(account, id).ask.open(body);
  assertResult(answer.ok && answer.value.status === 201, `account ${id} was not opened: ${JSON.stringify(answer)}`);
}

/**
 * The audit after a run: every transfer is in the books with both legs, the total is 0, nothing is in transit, and the auditor found nothing.
 * Answers how long the read model took to be there: work that the run left behind.
 */
export async function audit(node: Node, transfers: number): Promise<{ readonly viewBehindMs: number }> {
  const from = performance.now();
  let balance = await node.trialBalance();
  while (!balance.ok && performance.now() - from < CATCH_UP_MS_MAX) balance = await node.trialBalance();
  const viewBehindMs = performance.now() - from;
  assertResult(balance.ok, `the trial balance does not answer: ${JSON.stringify(balance)}`);
  const [line] = balance.value.lines;
  assertResult(line?.total === "0" && line.inTransit === "0", `the books do not add up: ${JSON.stringify(balance.value)}`);
  assertResult(line.entries === transfers * 2, `${line.entries} entries are in the books, ${transfers * 2} belong there`);
  const { views } = await node.figures();
  assertResult(views.findings.length === 0, `the auditor found ${views.findings.join("; ")}`);
  return { viewBehindMs };
}

/** What the journal wrote between two looks. */
export async function journalOf(node: Node): Promise<Durable> {
  const { journal } = await node.figures();
  return { synchronous: journal.synchronous, commits: journal.commits, fsyncs: journal.fsyncs, journalBytes: journal.bytes };
}
