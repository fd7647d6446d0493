/**
 * Deposits through a whole node on the folder of its argument, whose disk fails for a while (the test injects that from outside): clients repeat
 * a deposit under its key until it is answered with its outcome, while somebody reads. Prints one line of JSON.
 */
import { setTimeout as delay } from "node:timers/promises";
import { account } from "../../src/actors/index.ts";
import { openOnNode } from "./node-door.ts";
import { deposit, openNode } from "./test-node.ts";

const CLIENTS = 4;
const DEPOSITS = 25;
const TRIES_MAX = 2_000;

const [, , dir = ""] = process.argv;
const { node, errors } = await openNode(dir, { "--shard.threads": 1 });
for (const id of ["busy", "quiet"]) await openOnNode(node, id, "0");
/** How often each code was answered to a deposit. */
const refusals: Record<string, number> = {};
const outcomes = new Map<string, string>();
/** Answers to reads while readiness said that the journal takes no writes. */
const reads: Record<string, number> = {};
let isDone = false;

const reading = read();
await Promise.all(Array.from({ length: CLIENTS }, (_, client) => deposits(client)));
isDone = true;
await reading;
const changed = await repeated();
const trial = await node.trialBalance();
const { views, journal } = await node.figures();
const ready = await node.readiness();
await node.close();
process.stdout.write(
  `${JSON.stringify({ refusals, reads, changed, errors, isReady: ready.isReady, findings: views.findings, position: journal.position, lines: trial.ok ? trial.value.lines : [], outcomes: [...outcomes.entries()] })}\n`,
);

async function deposits(client: number): Promise<void> {
  for (let i = 0; i < DEPOSITS; i++) {
    const key = `deposit-${client}-${i}`;
    for (let tries = 0; !outcomes.has(key); tries++) {
      if (tries > TRIES_MAX) throw new Error(`${key} got no outcome: ${JSON.stringify(refusals)}`);
      const answer = await deposit(node, key, "busy", "1.00", 5_000);
      if (answer.ok) outcomes.set(key, (answer.value as { readonly body: string }).body);
      else {
        refusals[answer.code] = (refusals[answer.code] ?? 0) + 1;
        await delay(5); // The disk gets its time; the number of tries is the limit.
      }
    }
  }
}

async function read(): Promise<void> {
  while (!isDone) {
    const { code } = await node.readiness();
    if (code === "JOURNAL_UNAVAILABLE") {
      const answer = await node.entity(account, "quiet").ask.get({}, { timeoutMs: 5_000 });
      const said = answer.ok ? "ok" : answer.code;
      reads[said] = (reads[said] ?? 0) + 1;
    }
    await delay(2);
  }
}

/** Keys whose repeat did not get the first outcome again. */
async function repeated(): Promise<readonly string[]> {
  const different: string[] = [];
  for (const [key, body] of outcomes) {
    const again = await deposit(node, key, "busy");
    const { replayed, body: bytes } = again.ok ? (again.value as { readonly replayed: boolean; readonly body: string }) : {};
    if (replayed !== true || bytes !== body) different.push(key);
  }
  return different;
}
