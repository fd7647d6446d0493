/** The port "summary" without a model: real threads and performer, readers that are behind (R-CON-2, R-CON-5). */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Fault, type Json } from "../../../src/runtime/index.ts";
import { localSummaryPort } from "../../../src/system/ai/local-summary-port.ts";
import type { BeginReading, ReadTurns } from "../../../src/system/ai/turn-texts.ts";
import { loadConfig } from "../../../src/system/config/config.ts";
import { SummaryPool } from "../../../src/system/pools/summary-pool.ts";
import { AiAttempts } from "../../support/ai-attempts.ts";

const FACTS = [
  "The server room is flooded again.",
  "We need two pumps in the server room, and somebody has to bring them here before the batteries get wet.",
  "The pumps are in Hamburg. A driver brings the pumps tonight, and the server room is dry by noon, when the customers come.",
];
const allTurns: ReadTurns = async (_conversation, { fromTurn, toTurn }) =>
  FACTS.slice(fromTurn - 1, toTurn).map((text, at) => ({ turn: fromTurn + at, role: "user", speaker: null, parts: [`sealed:${text}`] }));
const bodyOf = (fromTurn: number, toTurn: number, previous: string | null = null, memory: string | null = null): Json => ({
  conversation: "c",
  user: null,
  fromTurn,
  toTurn,
  previous,
  memory,
  messageCount: toTurn,
  temperature: 0.3,
  maxTokens: 500,
});

let pool: SummaryPool;
beforeAll(() => {
  pool = new SummaryPool({ threads: 1, queueMax: 8, taskMsMax: 30_000, heapMiBMax: 128 });
});
afterAll(async () => pool[Symbol.asyncDispose]());

const context = new Map<string, string>();
const keyRing = {
  seal: (_id: string, about: string, text: string) => {
    context.set(about, text);
    return `sealed:${text}`;
  },
  reader: (id: string) => (id === "deleted" ? null : (sealed: string) => sealed.replace("sealed:", "")),
};
const attemptsWith = (readTurns: ReadTurns, viewWaitMsMax = 5_000): AiAttempts => attemptsBegun(() => readTurns, viewWaitMsMax);
function attemptsBegun(beginReading: BeginReading, viewWaitMsMax: number): AiAttempts {
  const { ai } = loadConfig({ argv: [], env: {}, cwd: "." });
  const port = localSummaryPort({ ai, concurrencyMax: 8, keyRing, pool, beginReading, viewWaitMsMax, poolMsMax: 60_000 });
  expect(port.policy).toMatchObject({ deadlineMs: null, concurrencyMax: 8, attemptMsMax: viewWaitMsMax + 60_000, breaker: null });
  return new AiAttempts(port, { isVirtual: true, random: () => 0 });
}
async function summary(attempts: AiAttempts, body: Json): Promise<{ readonly text: string; readonly memory: string }> {
  const told = await attempts.through(attempts.run(body));
  const outcome = told.at(-1)?.outcome;
  if (told.length !== 1 || outcome?.kind !== "done") throw new Error(JSON.stringify(told));
  return outcome.value as never;
}

it("R-CON-2: is f(previous summary, the turns since), and the same however the turns were coalesced", async () => {
  const attempts = attemptsWith(allTurns);
  const whole = await summary(attempts, bodyOf(1, 3));
  const one = await summary(attempts, bodyOf(1, 1));
  const rest = await summary(attempts, bodyOf(2, 3, one.text, one.memory));
  expect(one.text).toBe("sealed:user says: the server room is flooded again.");
  expect(rest).toEqual(whole);
  expect([...context.keys()].sort()).toEqual(
    ["memory.1-1", "memory.1-3", "memory.2-3", "summary.1-1", "summary.1-3", "summary.2-3"], // Texts are sealed as what they are.
  );
});

it("waits within the attempt for a read model that is behind", async () => {
  let reads = 0;
  const attempts = attemptsWith(async (conversation, turns) => {
    reads++;
    if (reads === 1) return null;
    if (reads === 2) throw new Fault("VIEW_BEHIND", "behind");
    return reads === 3 ? await allTurns(conversation, { ...turns, toTurn: 1 }) : await allTurns(conversation, turns);
  });
  const late = await summary(attempts, bodyOf(1, 3));
  expect(reads).toBe(4);
  expect(late).toEqual(await summary(attemptsWith(allTurns), bodyOf(1, 3)));
});

it("waits for what was committed when the attempt began, not for what is committed meanwhile", async () => {
  let committed = 10;
  let view = 8;
  const attempts = attemptsBegun(() => {
    const upTo = committed;
    return async (conversation, turns) => {
      // Both get on alike, as under load: the read model never has all that there is.
      committed++;
      return view++ < upTo ? null : await allTurns(conversation, turns);
    };
  }, 5_000);
  expect(await summary(attempts, bodyOf(1, 3))).toEqual(await summary(attemptsWith(allTurns), bodyOf(1, 3)));
});

it("and not for ever: then the attempt has failed, and after the last one it is a dead letter (L6, R-CON-5)", async () => {
  const attempts = attemptsWith(async () => null, 20);
  const told = await attempts.through(attempts.run(bodyOf(1, 3)));
  expect(told.map(({ outcome }) => outcome.kind)).toEqual(["failed", "failed", "failed", "dead"]);
  expect(JSON.stringify(told.at(-1))).toContain("VIEW_BEHIND");
});

it("a conversation that was deleted is refused at once", async () => {
  const attempts = attemptsWith(allTurns);
  const told = await attempts.through(attempts.run({ ...(bodyOf(1, 3) as object), conversation: "deleted" }));
  expect(told.map(({ outcome }) => outcome.kind)).toEqual(["refused"]);
});
