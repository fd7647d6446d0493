/**
 * A domain by hand: inputs are calls, outputs are gathered, and the journal commits when the test says so. With toy entities: a `counter`
 * that counts, fails and tells others, and a `ball` that is told on and on.
 */
import {
  type Answer,
  type AnyDefinition,
  accept,
  type Checkpoint,
  type CommandMessage,
  Domain,
  type DomainLimits,
  type DomainMessage,
  defineEntity,
  type Entry,
  type Group,
  type HandledTell,
  ignore,
  type Json,
  type KnownHistory,
  MemorySnapshots,
  type OpenEffect,
  type PerformEffect,
  type Recovered,
  Recovery,
  readEntity,
  reject,
  reply,
  type Schema,
  type Snapshot,
  type SnapshotBatch,
  type StoredRecord,
  type TracedMessage,
  unpackEntries,
  type Work,
} from "../../../src/runtime/index.ts";

/** A schema that takes what it is given: the core never validates, the doors do. */
export const any = <Value>(): Schema<Value> => ({
  "~standard": { version: 1, vendor: "test", validate: (value) => ({ value: value as Value }) },
});

export interface Count {
  readonly total: number;
  readonly refusals: number;
}
type CounterEvent = { readonly kind: "added"; readonly by: number } | { readonly kind: "told" | "broken" | "refused" };

export const counter = defineEntity({
  type: "counter",
  version: 1,
  commands: {
    add: { body: any<{ readonly by: number }>(), reply: any<{ readonly total: number }>() },
    addOnce: { body: any<{ readonly by: number }>(), reply: any<{ readonly total: number }>(), repeats: "recorded" },
    get: { body: any<object>(), reply: any<{ readonly total: number; readonly at: number }>() },
    refuse: { body: any<object>(), reply: any<null>() },
    skip: { body: any<object>(), reply: any<null>() },
    boom: { body: any<object>(), reply: any<null>() },
    breakEvolve: { body: any<object>(), reply: any<null>() },
    tell: {
      body: any<{ readonly to: string; readonly command: string; readonly by: number; readonly isAnswered: boolean }>(),
      reply: any<null>(),
    },
    tellLater: { body: any<{ readonly to: string; readonly command: string }>(), reply: any<{ readonly total: number }>() },
    ask: { body: any<{ readonly to: string; readonly command: string }>(), reply: any<null>() },
    finish: { body: any<object>(), reply: any<null>() },
  },
  events: {
    added: any<{ readonly kind: "added"; readonly by: number }>(),
    told: any<{ readonly kind: "told" }>(),
    broken: any<{ readonly kind: "broken" }>(),
    refused: any<{ readonly kind: "refused" }>(),
  },
  initial: (): Count => ({ total: 0, refusals: 0 }),
  decide: {
    add: ({ total }, { by }) => accept([{ kind: "added", by }], { reply: { total: total + by } }),
    addOnce: ({ total }, { by }) => accept([{ kind: "added", by }], { reply: { total: total + by } }),
    get: ({ total }, _body, { at }) => reply({ total, at }),
    refuse: () => reject("limit_exceeded", "always"),
    skip: () => ignore,
    boom: () => {
      throw new Error("boom");
    },
    breakEvolve: () => accept<CounterEvent>([{ kind: "added", by: 1 }, { kind: "broken" }]),
    tell: (_state, { to, command, by, isAnswered }) =>
      accept([{ kind: "told" }], {
        effects: [{ kind: "tell", to, command, body: { by }, ...(isAnswered ? { answerTo: "heard" } : {}) }],
      }),
    tellLater: (_state, { to, command }) =>
      accept([{ kind: "told" }], { isAnsweredLater: true, effects: [{ kind: "tell", to, command, body: { by: 1 }, answerTo: "heard" }] }),
    ask: (_state, { to, command }) => accept([{ kind: "told" }], { effects: [{ kind: "ask", to, command, body: {}, answerTo: "heard" }] }),
    finish: () => accept<CounterEvent>([{ kind: "added", by: 1_000 }]),
  },
  answers: {
    heard: ({ total }, answer) =>
      answer.ok
        ? accept([{ kind: "added", by: 100 }], { settle: { total: total + 100 } })
        : accept([{ kind: "refused" }], { settle: { total: -1 } }),
  },
  evolve: {
    added: (state, { by }) => ({ ...state, total: state.total + by }),
    told: (state) => state,
    broken: () => {
      throw new Error("broken event");
    },
    refused: (state) => ({ ...state, refusals: state.refusals + 1 }),
  },
  snapshot: { encode: ({ total, refusals }) => ({ total, refusals }), decode: (json) => json as unknown as Count },
  isFinished: ({ total }) => total >= 1_000,
});

/** Told by one ball, it tells the next, for ever; with `again`, it goes on when it is refused too. */
export const ball = defineEntity({
  type: "ball",
  version: 1,
  commands: {
    hit: { body: any<{ readonly to: string; readonly again: boolean }>(), reply: any<null>() },
    get: { body: any<object>(), reply: any<number>() },
  },
  events: { hit: any<{ readonly kind: "hit"; readonly to: string; readonly again: boolean }>() },
  initial: () => ({ hits: 0, to: "", again: false }),
  decide: {
    hit: (_state, { to, again }, { key }) =>
      accept([{ kind: "hit", to, again }], {
        effects: [{ kind: "tell", to: `ball/${to}`, command: "hit", body: { to: key, again }, ...(again ? { answerTo: "answered" } : {}) }],
      }),
    get: ({ hits }) => reply(hits),
  },
  answers: {
    answered: (state, answer) =>
      answer.ok
        ? ignore
        : accept([{ kind: "hit", to: state.to, again: true }], {
            effects: [{ kind: "tell", to: `ball/${state.to}`, command: "hit", body: { to: state.to, again: true }, answerTo: "answered" }],
          }),
  },
  evolve: { hit: ({ hits }, { to, again }) => ({ hits: hits + 1, to, again }) },
  snapshot: { encode: (state) => state, decode: (json) => json as unknown as { hits: number; to: string; again: boolean } },
});

export const SHARD_COUNT = 8;
export const LIMITS: DomainLimits = {
  mailboxMax: 5,
  turnMessagesMax: 4,
  groupEntriesMax: 100,
  groupsInFlightMax: 4,
  effectsMax: 100,
  portMessagesMax: 100,
  entitiesBytesMax: 1e9,
  dirtyMax: 100,
  hopsMax: 10,
  tailsWokenMax: 64,
};

export interface BenchOptions {
  readonly definitions?: readonly AnyDefinition[];
  readonly limits?: Partial<DomainLimits>;
  readonly isOwned?: (shard: number) => boolean;
  readonly recovered?: Recovered;
  readonly incarnation?: number;
  readonly snapshots?: Map<string, Snapshot>;
  readonly store?: MemorySnapshots;
  /** Records of the journal before this domain. */
  readonly records?: readonly StoredRecord[];
  readonly poison?: readonly string[];
}

export class DomainBench {
  readonly domain: Domain;
  readonly answers = new Map<number, Answer<Json>>();
  readonly sent: Array<{ readonly shard: number; readonly message: DomainMessage }> = [];
  readonly performs: PerformEffect[] = [];
  /** What checkpoints say besides snapshots. */
  readonly store: MemorySnapshots;
  readonly cancels: string[] = [];
  /** Room that was given for more progress: the ids of the effects. */
  readonly credits: string[] = [];
  readonly crashes: string[] = [];
  readonly loads: Array<readonly [address: string, known: KnownHistory]> = [];
  /** What was at work, as it was noted. */
  readonly works: Work[] = [];
  /** Messages of sampled traces that were handled. */
  readonly traced: TracedMessage[] = [];
  readonly snapshots: Map<string, Snapshot>;
  readonly records: StoredRecord[];
  /** Handed out and not yet committed. */
  readonly groups: Group[] = [];
  nowMs = 1_000;
  #caller = 0;

  constructor(options: BenchOptions = {}) {
    this.snapshots = options.snapshots ?? new Map();
    this.store = options.store ?? new MemorySnapshots({ shardCount: SHARD_COUNT });
    this.records = [...(options.records ?? [])];
    this.domain = new Domain({
      domain: 0,
      incarnation: options.incarnation ?? 1,
      shardCount: SHARD_COUNT,
      isOwned: options.isOwned ?? (() => true),
      definitions: new Map((options.definitions ?? [counter, ball]).map((definition) => [definition.type, definition])),
      outside: new Set(["mail", "bus"]),
      limits: { ...LIMITS, ...options.limits },
      recovered: options.recovered ?? recoveredOf(this.records, options.isOwned),
      poison: new Set(options.poison),
      ports: {
        nowMs: () => this.nowMs,
        load: (address, known) => this.loads.push([address, known]),
        submit: (group) => this.groups.push(group),
        answer: (caller, answer) => {
          if (this.answers.has(caller)) throw new Error(`caller ${caller} was answered twice`);
          this.answers.set(caller, answer);
        },
        send: (shard, message) => this.sent.push({ shard, message }),
        perform: (effect) => this.performs.push(effect),
        cancel: (id) => this.cancels.push(id),
        credit: (id) => this.credits.push(id),
        crashed: (address, doing, cause) => this.crashes.push(`${address} ${doing}: ${cause instanceof Error ? cause.message : cause}`),
        atWork: (work) => void this.works.push(work),
        traced: (handled) => this.traced.push(handled),
      },
    });
    this.domain.resume();
  }

  get entries(): readonly Entry[] {
    return this.records.flatMap(({ body }) => unpackEntries(body));
  }

  /** Sends a command and returns the caller under which its answer will stand. */
  send(to: string, command: string, body: Json = {}, more: Partial<CommandMessage> = {}): number {
    const caller = ++this.#caller;
    this.domain.command({
      kind: "command",
      caller,
      to,
      command,
      body,
      id: null,
      deadlineAt: Number.MAX_SAFE_INTEGER,
      trace: null,
      ...more,
    });
    return caller;
  }

  /** Reads what is to be read and handles what waits; commits nothing. */
  settle(): void {
    for (;;) {
      const loads = this.loads.splice(0);
      for (const [address, known] of loads) this.#load(address, known);
      const window = this.domain.timersWanted;
      if (window !== null) this.domain.timersLoaded(window, this.store.timers(window));
      if (!this.domain.run(1_000) && this.loads.length === 0) return;
    }
  }

  #load(address: string, known: KnownHistory): void {
    const load = (entity: string) => this.snapshots.get(entity) ?? this.store.load(entity);
    const bodyOf = (record: number) => this.records[record - 1]?.body ?? null;
    try {
      this.domain.loaded(address, readEntity(address, known, { snapshots: { load }, bodyOf }));
    } catch (cause) {
      this.domain.loaded(address, null, cause);
    }
  }

  /** What the store would do with the rows. */
  storeRows({ snapshots, pointers }: SnapshotBatch): void {
    for (const snapshot of snapshots) this.snapshots.set(snapshot.entity, snapshot);
    this.store.write([], pointers);
  }

  /** Commits everything that was handed out, in order. */
  commit(): void {
    for (const group of this.groups.splice(0)) {
      const seq = this.records.length + 1;
      this.records.push({ ...group, seq });
      this.domain.committed(group.number, seq);
    }
  }

  /** Until nothing happens any more. */
  drive(): void {
    do {
      this.settle();
      this.commit();
    } while (!this.domain.isIdle || this.loads.length > 0);
  }

  /** The answer of a command that runs to its end. */
  ask(to: string, command: string, body: Json = {}, more: Partial<CommandMessage> = {}): Answer<Json> | undefined {
    const caller = this.send(to, command, body, more);
    this.drive();
    return this.answers.get(caller);
  }

  /** Writes a whole checkpoint. */
  checkpoint(): Checkpoint {
    const checkpoint = this.domain.beginCheckpoint(this.records.length);
    if (checkpoint === null) throw new Error("no checkpoint could begin");
    this.commit();
    while (!checkpoint.isEncoded) this.storeRows(checkpoint.encode(Number.MAX_SAFE_INTEGER));
    this.store.end(checkpoint.end());
    this.domain.endCheckpoint();
    return checkpoint;
  }
}

export function recoveredOf(
  records: readonly StoredRecord[],
  isOwned: (shard: number) => boolean = () => true,
  more: { readonly effects?: readonly OpenEffect[]; readonly handled?: readonly HandledTell[] } = {},
): Recovered {
  const recovery = new Recovery({ positions: [], effects: [], handled: [], at: 0, ...more }, isOwned);
  for (const record of records) recovery.add(record);
  return recovery.finish();
}

export const replyIn = (answer: Answer<Json> | undefined): Json | undefined => (answer?.ok === true ? answer.value : undefined);
export const codeOf = (answer: Answer<Json> | undefined): string | undefined => (answer?.ok === false ? answer.code : undefined);
