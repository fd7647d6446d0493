/**
 * Commands to one entity through the real commit domain: bounded mailbox, scheduler, envelope with id, deadline and trace, the handler (which only
 * replies), the output gate. One thread and no ports: it does not measure threads, the journal, or entries. `ask` adds a promise for each.
 */
import { type AnyDefinition, type CommandMessage, Domain } from "../../src/runtime/index.ts";
import { operationsPerSecond } from "../harness/micro.ts";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { counter } from "./counter.ts";

/** As many as one mailbox takes. */
const MESSAGES = 1_000;
const SHARDS = 64;
const FAR = Number.MAX_SAFE_INTEGER;

/** Messages whose answer nobody waits for. */
export const tell: RunVariant = async (mode) => {
  let sum = 0;
  const domain = await domainWith((_, value) => {
    sum += value;
  });
  let sent = 0;
  const perSecond = await operationsPerSecond(mode, MESSAGES, () => {
    for (let i = 0; i < MESSAGES; i++) domain.command(lookOf(i, 0));
    sent += MESSAGES;
    while (domain.run(MESSAGES)); // The journal has nothing to do.
  });
  assertResult(sum === sent && sent > 0, `the replies to ${sent} messages add up to ${sum}`);
  return { figures: { perSecond } };
};

/** 1,000 in flight, each with a promise. */
export const ask: RunVariant = async (mode) => {
  const waiting: Array<(value: number) => void> = new Array(MESSAGES);
  const domain = await domainWith((caller, value) => waiting[caller]?.(value));
  let sum = 0;
  let expected = 0;
  const perSecond = await operationsPerSecond(mode, MESSAGES, async () => {
    const replies: Array<Promise<number>> = [];
    for (let i = 0; i < MESSAGES; i++) {
      replies.push(
        new Promise<number>((resolve) => {
          waiting[i] = resolve;
        }),
      );
      domain.command(lookOf(i, i));
      expected += i + 1;
    }
    while (domain.run(MESSAGES));
    for (const value of await Promise.all(replies)) sum += value;
  });
  assertResult(sum === expected && sum > 0, `the replies add up to ${sum}, not to ${expected}`);
  return { figures: { perSecond } };
};

const lookOf = (caller: number, plus: number): CommandMessage => ({
  kind: "command",
  caller,
  to: "counter/one",
  command: "look",
  body: { plus },
  id: null,
  deadlineAt: FAR,
  trace: null,
});

/** A domain whose entity exists and holds 1. Every group is committed at once. */
async function domainWith(onReply: (caller: number, value: number) => void): Promise<Domain> {
  const groups: number[] = [];
  let isReady = false;
  const definitions = new Map<string, AnyDefinition>([[counter.type, counter as unknown as AnyDefinition]]);
  const loads: string[] = [];
  const domain = new Domain({
    domain: 0,
    incarnation: 1,
    shardCount: SHARDS,
    isOwned: () => true,
    definitions,
    outside: new Set(),
    limits: {
      mailboxMax: MESSAGES,
      turnMessagesMax: 64,
      groupEntriesMax: 2_000,
      groupsInFlightMax: 4,
      effectsMax: 1_000,
      portMessagesMax: 1_000,
      entitiesBytesMax: 1e9,
      dirtyMax: 1_000,
      hopsMax: 100,
      tailsWokenMax: 64,
    },
    recovered: { seqs: new Map(), effects: [], handled: [], timers: new Map(), tail: new Map(), position: 0, at: 0 },
    ports: {
      nowMs: Date.now,
      load: (address) => loads.push(address),
      submit: ({ number }) => groups.push(number),
      answer: (caller, answer) => {
        assertResult(answer.ok, () => JSON.stringify(answer));
        if (isReady) onReply(caller, Number(answer.value));
      },
      perform: () => undefined,
      cancel: () => undefined,
      credit: () => undefined,
      send: () => undefined,
      crashed: (_, __, cause) => {
        throw cause;
      },
    },
  });
  domain.command({ ...lookOf(0, 0), command: "add", body: { amount: 1 } });
  for (const address of loads) domain.loaded(address, null);
  domain.run(1);
  for (const number of groups) domain.committed(number, number);
  isReady = true;
  return domain;
}
