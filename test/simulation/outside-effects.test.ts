/**
 * Outside effects of one domain under random outcomes, decisions of people, checkpoints that are stored or refused, lost groups and restarts. Driven
 * by hand, so that a crash may fall between any two inputs. Checked: nothing is handed out before its entry is committed or twice at a time, lines
 * keep their order, nothing is lost, and a restart finds what memory knows.
 */
import { describe, expect, it } from "vitest";
import {
  type AnyDefinition,
  accept,
  defineEntity,
  type EffectOutcome,
  type Json,
  type PerformEffect,
  Recovery,
} from "../../src/runtime/index.ts";
import { Random } from "../../src/runtime/testing/index.ts";
import { any, DomainBench } from "../runtime/shard/domain-bench.ts";

interface Job {
  readonly text: string;
  readonly isOrdered: boolean;
  readonly isAnswered: boolean;
  readonly label: string | null;
  readonly keepsDead: boolean;
}
type SenderEvent = { readonly kind: "opened"; readonly text: string } | { readonly kind: "heard"; readonly text: string };

const sender = defineEntity({
  type: "sender",
  version: 1,
  commands: {
    open: { body: any<Job>(), reply: any<null>() },
    later: { body: any<Job & { readonly afterMs: number }>(), reply: any<null>() },
    stop: { body: any<{ readonly label: string }>(), reply: any<null>() },
  },
  events: {
    opened: any<{ readonly kind: "opened"; readonly text: string }>(),
    heard: any<{ readonly kind: "heard"; readonly text: string }>(),
  },
  initial: () => 0,
  decide: {
    open: (_state, { text, isOrdered, isAnswered, label, keepsDead }) =>
      accept<SenderEvent>([{ kind: "opened", text }], {
        effects: [
          {
            kind: "publish",
            to: "bus",
            command: "said",
            body: { text },
            ...(isOrdered ? { isOrdered } : {}),
            ...(isAnswered ? { answerTo: "heard" } : {}),
            ...(label === null ? {} : { label }),
            ...(keepsDead ? { keepsDead } : {}),
            progressTo: "heard",
          },
        ],
      }),
    later: (_state, { afterMs, ...job }, { at }) =>
      accept<SenderEvent>([], {
        effects: [{ kind: "schedule", label: `t${job.label}`, at: at + afterMs, command: "open", body: job as unknown as Json }],
      }),
    stop: (_state, { label }) => accept<SenderEvent>([], { cancels: [label, `t${label}`] }),
  },
  progress: { heard: (_state, value) => accept<SenderEvent>(value === null ? [] : [{ kind: "heard", text: "more" }]) },
  answers: { heard: () => accept<SenderEvent>([{ kind: "heard", text: "" }]) },
  evolve: { opened: (state) => state + 1, heard: (state) => state },
  snapshot: { encode: (state) => state, decode: (json) => json as number },
}) as unknown as AnyDefinition;

class EffectsRun {
  readonly #random: Random;
  #bench: DomainBench;
  #incarnation = 1;
  #performed = 0;
  /** Handed out in this incarnation and not answered. */
  readonly #flying = new Map<string, PerformEffect>();
  readonly #done: PerformEffect[] = [];
  #count = 0;
  #caller = 1_000_000;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#bench = new DomainBench({
      definitions: [sender],
      limits: { groupsInFlightMax: 2, effectsMax: 10_000, dirtyMax: 10_000, mailboxMax: 10_000 },
    });
  }

  run(stepsCount: number): void {
    for (let step = 0; step < stepsCount; step++) {
      this.#step();
      this.#look();
    }
    this.#assertRecoverable();
    this.#drain();
    expect(this.#looks()).toEqual([]);
    this.#restart();
    this.#drain();
    expect(this.#looks()).toEqual([]);
    const opens = this.#bench.entries.flatMap(({ opens: opened = [] }) => opened.map(({ id }) => id));
    const closes = this.#bench.entries.flatMap(({ closes: closed = [] }) => closed);
    expect(closes.toSorted()).toEqual(opens.toSorted());
    this.#assertOrder();
  }

  #step(): void {
    const random = this.#random;
    const dice = random.next();
    const to = `sender/${random.between(1, 3)}`;
    const label = random.pick(["x", "y", null]);
    const job = {
      text: `${++this.#count}`,
      isOrdered: random.next() < 0.5,
      isAnswered: random.next() < 0.5,
      label,
      keepsDead: random.next() < 0.3,
    };
    if (dice < 0.22) this.#bench.send(to, "open", job as unknown as Json);
    else if (dice < 0.28) this.#bench.send(to, "later", { ...job, afterMs: random.pick([0, 3, 500]) } as unknown as Json);
    else if (dice < 0.34) this.#bench.send(to, "stop", { label: label ?? "x" });
    else if (dice < 0.4) this.#tell();
    else if (dice < 0.54) this.#answer(random.pick(OUTCOMES)());
    else if (dice < 0.6) this.#decideOne();
    else if (dice < 0.75) this.#bench.settle();
    else if (dice < 0.88) this.#bench.commit();
    else if (dice < 0.93) this.#checkpoint();
    else if (dice < 0.95) {
      this.#flying.clear();
      this.#bench.domain.performerLost();
    } else if (dice < 0.97) this.#bench.domain.journalDown(random.next() < 0.5);
    else if (dice < 0.98) this.#restart();
    this.#bench.nowMs += random.between(0, 40);
  }

  #answer(outcome: EffectOutcome): void {
    if (this.#flying.size === 0) return;
    const [id, effect] = this.#random.pick([...this.#flying]);
    this.#flying.delete(id);
    if (outcome.kind === "done") this.#done.push(effect);
    this.#bench.domain.performed({ id, attempt: effect.attempt, outcome });
  }

  /** Some of it is of an attempt that is over. */
  #tell(): void {
    if (this.#bench.performs.length === 0) return;
    const { id, attempt } = this.#random.pick(this.#bench.performs.slice(-10));
    this.#bench.domain.performed({ id, attempt, outcome: { kind: "progress", value: this.#random.pick(["piece", null]) } });
  }

  #decideOne(): void {
    const looks = this.#looks();
    if (looks.length === 0) return;
    const { id } = this.#random.pick(looks);
    this.#bench.domain.resolve({ caller: ++this.#caller, id, action: this.#random.pick(["replay", "replay", "drop", "cancel"]) });
  }

  #checkpoint(): void {
    const bench = this.#bench;
    const checkpoint = bench.domain.beginCheckpoint(bench.records.length);
    if (checkpoint === null) return;
    if (this.#random.next() < 0.3) return bench.domain.abandonCheckpoint();
    bench.settle();
    bench.commit();
    while (!checkpoint.isEncoded) bench.storeRows(checkpoint.encode(Number.MAX_SAFE_INTEGER));
    bench.store.end(checkpoint.end());
    bench.domain.endCheckpoint();
  }

  /** What was handed out to the journal is lost, or not: a crash does not say. */
  #restart(): void {
    const before = this.#bench;
    if (this.#random.next() < 0.5) before.commit();
    this.#flying.clear();
    this.#performed = 0;
    this.#bench = new DomainBench({
      definitions: [sender],
      limits: { groupsInFlightMax: 2, effectsMax: 10_000, dirtyMax: 10_000, mailboxMax: 10_000 },
      incarnation: ++this.#incarnation,
      records: before.records,
      snapshots: before.snapshots,
      store: before.store,
      recovered: this.#recovered(),
    });
    this.#bench.nowMs = before.nowMs;
  }

  #recovered() {
    const { store, records } = this.#bench;
    const recovery = new Recovery(store.head(), () => true);
    for (const record of records.slice(recovery.position)) recovery.add(record);
    return recovery.finish();
  }

  /** When everything is committed, a restart would find each effect as memory knows it. */
  #assertRecoverable(): void {
    this.#bench.domain.journalDown(false);
    this.#bench.drive();
    this.#look();
    const found = this.#recovered().effects.map(({ id, outside }) => [
      id,
      outside?.dead?.attempts ?? outside?.attempts,
      outside?.lastError ?? null,
      outside?.dead !== null,
    ]);
    const known = this.#looks().map(({ id, attempts, lastError, state }) => [
      id,
      attempts,
      state === "dead" ? null : lastError,
      state === "dead",
    ]);
    const withoutDead = found.map(([id, attempts, error, isDead]) => [id, attempts, isDead === true ? null : error, isDead]);
    const byId = (left: readonly unknown[], right: readonly unknown[]): number => (String(left[0]) < String(right[0]) ? -1 : 1);
    expect(withoutDead.toSorted(byId)).toEqual(known.toSorted(byId));
  }

  #look(): void {
    const { performs, cancels } = this.#bench;
    for (const effect of performs.slice(this.#performed)) {
      expect(this.#flying.has(effect.id)).toBe(false);
      const opener = this.#bench.entries.find(({ opens = [] }) => opens.some(({ id }) => id === effect.id));
      expect(opener?.entity).toBe(effect.from);
      this.#flying.set(effect.id, effect);
    }
    this.#performed = performs.length;
    for (const id of cancels.splice(0)) this.#flying.delete(id);
  }

  #looks() {
    return this.#bench.domain.effectLooks({ after: null, limit: 10_000, state: null });
  }

  #drain(): void {
    this.#bench.domain.journalDown(false);
    for (let round = 0; round < 3_000; round++) {
      this.#bench.drive();
      this.#look();
      while (this.#flying.size > 0) this.#answer({ kind: "done", value: null });
      for (const { id, state } of this.#looks()) {
        if (state === "dead") this.#bench.domain.resolve({ caller: ++this.#caller, id, action: "replay" });
      }
      this.#bench.drive();
      this.#look();
      if (this.#looks().length === 0 && this.#bench.domain.nextDueMs > this.#bench.nowMs + 1_000) return;
      this.#bench.nowMs += 50;
    }
  }

  /** Of ordered effects of one entity, one that was opened later is not first done earlier. */
  #assertOrder(): void {
    const firstDone = new Map<string, number>();
    for (const [at, { id }] of this.#done.entries()) if (!firstDone.has(id)) firstDone.set(id, at);
    const lines = new Map<string, number>();
    for (const { entity, opens = [] } of this.#bench.entries) {
      for (const { id, isOrdered } of opens) {
        const at = firstDone.get(id);
        if (isOrdered !== true || at === undefined) continue;
        expect(at).toBeGreaterThan(lines.get(entity) ?? -1);
        lines.set(entity, at);
      }
    }
  }
}

const OUTCOMES: ReadonlyArray<() => EffectOutcome> = [
  () => ({ kind: "done", value: null }),
  () => ({ kind: "failed", error: "503", afterMs: 20 }),
  () => ({ kind: "postponed", reason: "busy", afterMs: 20 }),
  () => ({ kind: "dead", code: "UPSTREAM_TIMEOUT", error: "gone", attempts: 3 }),
  () => ({ kind: "refused", code: "not_found", detail: "no" }),
];

describe("outside effects under crashes at any point", () => {
  it.each(Array.from({ length: 20 }, (_, i) => i + 1))("L2, L4, R-SYS-3: seed %i", (seed) => {
    new EffectsRun(seed).run(400);
  });
});
