/**
 * A TroupeSystem without threads, journal or disk: the real deciders of src/actors, run one message at a time in this thread. It keeps the
 * rules that a door can see (repeats, answers that come later, effects in order, recorded repeats) and none of durability. For tests of
 * what stands before the system; never a proof of the system.
 *
 * What it adds for tests: `hold` keeps effects back, so that transfers stay PENDING; `refuseNext` answers what a busy node would.
 */

import { registry, statementRows } from "../../src/actors/index.ts";
import {
  type Answer,
  type AnyDefinition,
  type AskOf,
  type AskOptions,
  addressOf,
  type Code,
  type Decision,
  type Effect,
  type Entry,
  type EventBase,
  Fault,
  type Info,
  type Json,
  partsOf,
  shardOf,
} from "../../src/runtime/index.ts";
import {
  type ConversationMessage,
  FEED_START,
  type FeedPage,
  type FeedPlace,
  type MessagePage,
  type TurnText,
} from "../../src/system/conversation-reads.ts";
import type { PartMeasures } from "../../src/system/observe/measure.ts";
import type {
  PortLook,
  Readiness,
  StatementEntry,
  StatementPage,
  SystemFigures,
  TextRing,
  TrialBalance,
  TrialLine,
  TroupeSystem,
} from "../../src/system/system.ts";

const SHARDS = 64;

interface FakeEntity {
  readonly definition: AnyDefinition;
  readonly key: string;
  state: unknown;
  waiters: Array<(answer: Answer<Json>) => void>;
  /** Commands that are recorded by id: what they said, and their first answer. */
  readonly recorded: Map<string, { readonly print: string; readonly answer: Answer<Json> }>;
}
export interface AskedCall {
  readonly address: string;
  readonly command: string;
  readonly options: AskOptions;
}

export class FakeLedger implements TroupeSystem {
  /** Milliseconds since 1970, as the entities see it; a test may set it. */
  at = Date.UTC(2026, 0, 1);
  /** Set to make `readyz` red. */
  reasons: readonly string[] = [];
  /** The code of the first reason, when it has one. */
  readinessCode: Code | null = null;
  /** Every ask since the last `clearAsked`, in order. */
  asked: AskedCall[] = [];
  inFlight = 0;
  readonly #entities = new Map<string, FakeEntity>();
  readonly #entries = new Map<string, StatementEntry[]>();
  readonly #queue: Array<() => void> = [];
  #refusals: Code[] = [];
  #position = 0;
  #isHeld = false;
  #isDraining = false;

  entity<Definition>(definition: Definition & Pick<AnyDefinition, "type">, id: string): { readonly ask: AskOf<Definition> } {
    const ask = new Proxy(
      {},
      {
        get: (_target, command) => (body: Json, options?: AskOptions) =>
          this.ask(addressOf(definition.type, id), String(command), body, options),
      },
    );
    return { ask: ask as AskOf<Definition> };
  }

  async ask(address: string, command: string, body: Json, options: AskOptions = {}): Promise<Answer<Json>> {
    this.asked.push({ address, command, options });
    const refusal = command === "get" ? undefined : this.#refusals.shift();
    if (refusal !== undefined) return { ok: false, code: refusal, detail: `the fake was told to refuse with ${refusal}` };
    this.inFlight++;
    const { promise, resolve } = Promise.withResolvers<Answer<Json>>();
    this.#queue.push(() => this.#handle(address, command, body, options.id ?? "", resolve));
    this.#drain();
    // An answer that is given only later, and nobody will give it: the caller stops waiting, as with a real node.
    const answer = await (options.timeoutMs === undefined ? promise : Promise.race([promise, unknownAfter(options.timeoutMs)]));
    this.inFlight--;
    return answer;
  }

  /** From now on effects wait: a transfer that is asked for stays PENDING. */
  hold(): void {
    this.#isHeld = true;
  }
  /** Lets the effects go that `hold` kept, in their order. */
  release(): void {
    this.#isHeld = false;
    for (const send of this.#held.splice(0)) this.#queue.push(send);
    this.#drain();
  }
  readonly #held: Array<() => void> = [];

  /** The next `times` commands (not reads) are refused with `code` before any entity sees them. */
  refuseNext(code: Code, times = 1): void {
    this.#refusals.push(...new Array<Code>(times).fill(code));
  }

  async statement(accountId: string, { after, limit }: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>> {
    const rest = (this.#entries.get(accountId) ?? []).filter(({ sequence }) => sequence > after);
    return { ok: true, value: { entries: rest.slice(0, limit), hasMore: rest.length > limit } };
  }

  async trialBalance(): Promise<Answer<TrialBalance>> {
    const lines = new Map<
      string,
      { customer: bigint; system: bigint; world: bigint; inTransit: bigint; accounts: number; entries: number }
    >();
    for (const [address, { state }] of this.#entities) {
      const account = accountOf(address, state);
      if (account === null) continue;
      const line = lines.get(account.currency) ?? { customer: 0n, system: 0n, world: 0n, inTransit: 0n, accounts: 0, entries: 0 };
      line[account.kind] += account.balance;
      line.inTransit -= account.balance;
      line.accounts++;
      line.entries += this.#entries.get(partsOf(address).id)?.length ?? 0;
      lines.set(account.currency, line);
    }
    const shown = [...lines].sort().map(([currency, { customer, system, world, inTransit, accounts, entries }]): TrialLine => {
      const total = customer + system + world + inTransit;
      const sums = { customer: `${customer}`, system: `${system}`, world: `${world}`, inTransit: `${inTransit}`, total: `${total}` };
      return { currency, ...sums, accounts, entries };
    });
    return { ok: true, value: { position: this.#position, lines: shown } };
  }

  // It holds a ledger only: there is no conversation to read.
  readonly keyRing: TextRing = {
    has: () => false,
    seal: (id) => {
      throw new Fault("not_found", `Conversation ${id} has no key: it was never opened.`);
    },
    open: () => null,
  };
  readonly ports: PortLook = { refusesMs: () => null, isFailing: () => false, onOpen: () => () => {} };
  async makeKey(): Promise<void> {}
  async destroyKey(): Promise<boolean> {
    return true;
  }
  async message(): Promise<Answer<ConversationMessage | null>> {
    return { ok: true, value: null };
  }
  async messages(): Promise<Answer<MessagePage>> {
    return { ok: true, value: { messages: [], hasMore: false } };
  }
  async turnTexts(): Promise<Answer<readonly TurnText[]>> {
    return { ok: true, value: [] };
  }
  async feedAfter(): Promise<Answer<FeedPage>> {
    return { ok: true, value: { events: [], hasMore: false, isDeleted: false } };
  }
  feedEnd(): FeedPlace {
    return FEED_START;
  }
  watch(): () => void {
    return () => {};
  }

  async readiness(): Promise<Readiness> {
    const code = this.readinessCode === null ? {} : { code: this.readinessCode };
    return {
      isReady: this.reasons.length === 0,
      reasons: this.reasons,
      degraded: [],
      checks: this.reasons.map((detail) => ({ name: "fake", isOk: false, detail })),
      ...code,
      durability: "none: a fake in memory",
      position: this.#position,
    };
  }

  async figures(): Promise<SystemFigures> {
    const journal = { synchronous: "none", commits: 0, groups: 0, entries: 0, bytes: 0, fsyncs: 0, position: this.#position };
    return { shardThreads: [], journal, views: { position: this.#position, findings: [] } };
  }

  async measures(): Promise<readonly PartMeasures[]> {
    return [];
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    this.#isDraining = false;
  }

  #entityAt(address: string): FakeEntity {
    const known = this.#entities.get(address);
    if (known !== undefined) return known;
    const { type, id } = partsOf(address);
    const definition = registry.find((candidate) => candidate.type === type);
    if (definition === undefined) throw new Error(`no actor of type ${type}`);
    return { definition, key: id, state: definition.initial(id), waiters: [], recorded: new Map() };
  }

  #infoOf(address: string, key: string, id: string): Info {
    return { id, key, shard: shardOf(address, SHARDS), shardCount: SHARDS, at: this.at };
  }

  #handle(address: string, command: string, body: Json, id: string, answer: (answer: Answer<Json>) => void): void {
    const entity = this.#entityAt(address);
    const spec = entity.definition.commands[command];
    const decide = entity.definition.decide[command];
    if (spec === undefined || decide === undefined) throw new Error(`${address} knows no command ${command}`);
    const parsed = spec.body["~standard"].validate(body);
    if (parsed instanceof Promise) throw new Error("a schema of an actor is synchronous");
    if (parsed.issues !== undefined)
      throw new Error(`the door let pass what ${address} ${command} refuses: ${JSON.stringify(parsed.issues)}`);
    const isRecorded = spec.repeats === "recorded" && id !== "";
    const print = `${command} ${JSON.stringify(body)}`;
    const first = isRecorded ? entity.recorded.get(id) : undefined;
    if (first !== undefined) {
      answer(
        first.print === print
          ? { ...first.answer, isRepeat: true }
          : { ok: false, code: "key_reused", detail: "the key was used for another command" },
      );
      return;
    }
    const record = (given: Answer<Json>): void => {
      if (isRecorded) {
        entity.recorded.set(id, { print, answer: given });
        this.#entities.set(address, entity);
      }
      answer(given);
    };
    this.#carryOut(address, entity, decide(entity.state as never, parsed.value as never, this.#infoOf(address, entity.key, id)), record);
  }

  #carryOut(address: string, entity: FakeEntity, decision: Decision<EventBase, Json>, answer: (answer: Answer<Json>) => void): void {
    switch (decision.kind) {
      case "reject":
        answer({ ok: false, code: decision.code, detail: decision.detail });
        break;
      case "reply":
        answer({ ok: true, value: decision.value });
        break;
      case "ignore":
        answer({ ok: true, value: null });
        break;
      case "accept":
        for (const event of decision.events) this.#apply(address, entity, event);
        if (decision.isAnsweredLater === true) entity.waiters.push(answer);
        else answer({ ok: true, value: decision.reply ?? null });
        if (decision.settle !== undefined) for (const waiter of entity.waiters.splice(0)) waiter({ ok: true, value: decision.settle });
        for (const effect of decision.effects ?? []) this.#send(address, effect);
    }
  }

  #apply(address: string, entity: FakeEntity, event: EventBase): void {
    const evolve = entity.definition.evolve[event.kind];
    if (evolve === undefined) throw new Error(`${address} knows no event ${event.kind}`);
    entity.state = evolve(entity.state as never, event as never);
    this.#entities.set(address, entity);
    this.#position++;
    const entry: Entry = {
      shard: shardOf(address, SHARDS),
      seq: this.#position,
      entity: address,
      version: 0,
      at: this.at,
      events: [event as unknown as Json],
    };
    for (const { account, transfer: transferId, ...row } of statementRows(entry).money) {
      const entries = this.#entries.get(account) ?? [];
      entries.push({ ...row, transferId });
      this.#entries.set(account, entries);
    }
  }

  #send(from: string, effect: Effect): void {
    if (effect.kind !== "tell" && effect.kind !== "ask") throw new Error(`the ledger has no effects of the kind ${effect.kind}`);
    const send = (): void =>
      this.#handle(effect.to, effect.command, effect.body, `effect-${this.#position}`, (answer) => {
        if (effect.answerTo !== undefined) this.#takeAnswer(from, effect.answerTo, answer);
      });
    (this.#isHeld ? this.#held : this.#queue).push(send);
  }

  #takeAnswer(address: string, name: string, answer: Answer<Json>): void {
    const entity = this.#entityAt(address);
    const handler = entity.definition.answers?.[name];
    if (handler === undefined) throw new Error(`${address} has no handler ${name}`);
    this.#carryOut(address, entity, handler(entity.state as never, answer, this.#infoOf(address, entity.key, `answer-${name}`)), () => {});
  }
}

interface AccountLine {
  readonly kind: "customer" | "system" | "world";
  readonly currency: string;
  readonly balance: bigint;
}
/** What the trial balance needs of an account's state, read through its snapshot-free form; null for anything else. */
function accountOf(address: string, state: unknown): AccountLine | null {
  if (!address.startsWith("account/") || state === null) return null;
  const { balance, opening } = state as {
    readonly balance: bigint;
    readonly opening: { readonly kind: AccountLine["kind"]; readonly currency: string };
  };
  return { balance, kind: opening.kind, currency: opening.currency };
}

async function unknownAfter(timeoutMs: number): Promise<Answer<Json>> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, timeoutMs).unref();
  await promise;
  return { ok: false, code: "OUTCOME_UNKNOWN", detail: "no answer in time" };
}
