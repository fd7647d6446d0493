import { addressOf, partsOf } from "../kernel/address.ts";
import type { Answer, Refusal } from "../kernel/decision.ts";
import type { AnyDefinition, AskOf, AskOptions, EventOf } from "../kernel/definition.ts";
import type { EffectLook, EffectOutcome, PerformEffect } from "../kernel/effect-protocol.ts";
import type { Code } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { Schema } from "../kernel/schema.ts";
import type { DomainLimits } from "../shard/domain-options.ts";
import type { EffectAction } from "../shard/message.ts";
import { JournalCheck, type StateOf } from "./journal-check.ts";
import { type HeldAttempt, KitAttempts } from "./kit-attempts.ts";
import { type KitPort, kitPerformer } from "./kit-port.ts";
import { Simulation } from "./simulation.ts";

export interface EntityTestKitOptions {
  readonly definitions: readonly AnyDefinition[];
  readonly seed?: number;
  /** 1 when absent; with more, entities of different shards are in different commit domains. */
  readonly threadCount?: number;
  readonly limits?: Partial<DomainLimits>;
  /** Ports that effects may go to: the test is their port (`attempt`). Without them such an effect is a crash of its handler. */
  readonly ports?: readonly string[];
  /** Ports that answer by themselves, retried by their policy as in a service. Not together with `ports`. */
  readonly answering?: readonly KitPort[];
}

/** An attempt at an effect that leaves the runtime, which the test performs as it likes. Retries and rests are the test's, too: it says the outcome. */
export interface KitAttempt {
  readonly effect: PerformEffect;
  /** How it ended: by `end`, `cancelled` by its entity, `lost` by a crash. Null while it is under way. */
  readonly ended: "ended" | "cancelled" | "lost" | null;
  /** Tells progress; the entity has handled it, and that is committed, when it resolves. @throws Error when the attempt is over. */
  progress(value: Json): Promise<void>;
  /** Ends it; what came of it is committed when it resolves. @throws Error when the attempt is over. */
  end(outcome: EffectOutcome): Promise<void>;
}

/**
 * Entities in virtual time on the real shard, commit and recovery code, without faults but those that the test asks for: for tests of what entities
 * do together. Time passes only while somebody waits for an answer, and by `advance`. The same test gives the same run. Seeds with random
 * faults are `runSimulation`.
 */
export class EntityTestKit {
  readonly #definitions: ReadonlyMap<string, AnyDefinition>;
  readonly #simulation: Simulation;
  readonly #journal: JournalCheck;
  readonly #attempts: KitAttempts | null;
  readonly #waiting = new Set<(cause: Error) => void>();
  #isScheduled = false;

  constructor({ definitions, seed = 1, threadCount = 1, limits = {}, ports = [], answering = [] }: EntityTestKitOptions) {
    const attempts = ports.length === 0 ? null : new KitAttempts();
    this.#attempts = attempts;
    this.#definitions = new Map(definitions.map((definition) => [definition.type, definition]));
    this.#journal = new JournalCheck(definitions);
    this.#simulation = new Simulation({
      seed,
      threadCount,
      shardCount: SHARD_COUNT,
      definitions,
      limits: { ...LIMITS, ...limits },
      performer: attempts === null ? kitPerformer(answering) : { ports: new Set(ports), start: () => attempts.start() },
      onRecord: (record) => void this.#journal.add(record),
      onAnswer: () => undefined,
    });
  }

  /** Milliseconds since 1970, as handlers see them in `info.at`. */
  get nowMs(): number {
    return this.#simulation.clock.wallMs();
  }

  /** Entities that crashed and rules that the runtime broke, one sentence each. A test ends well when it is empty. */
  get violations(): readonly string[] {
    return [...this.#journal.violations, ...this.#simulation.violations];
  }

  /** A typed reference, as a running node gives it. Bodies are checked by their schemas. */
  entity<Known>(definition: Known & Pick<AnyDefinition, "type">, id: string): { readonly ask: AskOf<Known> } {
    const { type, commands } = definition as unknown as AnyDefinition;
    const to = addressOf(type, id);
    const ask = Object.fromEntries(
      Object.keys(commands).map((command) => [command, (body: unknown, options?: AskOptions) => this.#ask(to, command, body, options)]),
    );
    return { ask: ask as unknown as AskOf<Known> };
  }

  /** The state that the committed events make. */
  state<State>(definition: StateOf<State>, id: string): State {
    return this.#journal.state(definition, id);
  }

  /** The committed events, oldest first. */
  events<Events extends Record<string, Schema>>(
    { type }: { readonly type: string; readonly events: Events },
    id: string,
  ): ReadonlyArray<EventOf<Events>> {
    return this.#journal.events(addressOf(type, id)) as unknown as ReadonlyArray<EventOf<Events>>;
  }

  /**
   * Lets time pass until nothing is under way but effects to the kit's ports: everything told was handled and committed. @throws Error when it does not
   * come to rest.
   */
  async settle(): Promise<void> {
    this.#run(() => (this.#attempts === null ? this.#simulation.isQuiet : this.#simulation.isAtRest), "the entities to come to rest");
  }

  /** Lets time pass until an attempt is under way at the port that was not given before. @throws Error when none comes. */
  async attempt(port: string): Promise<KitAttempt> {
    await new Promise<void>((resolve) => void setImmediate(resolve)); // What the test asked just now is under way first.
    let held = this.#attempts?.take(port) ?? null;
    const isThere = (): boolean => {
      held ??= this.#attempts?.take(port) ?? null;
      return held !== null;
    };
    this.#run(isThere, `an attempt at the port ${port}`);
    if (held === null) throw new Error(`there is no port ${port}`);
    return this.#kitAttempt(held);
  }

  /** Lets time pass, with everything that happens meanwhile; at least `ms`. */
  async advance(ms: number): Promise<void> {
    this.#simulation.run(() => false, ms);
  }

  /**
   * The process dies at this moment, as by kill -9, and is started again: what was not committed is gone, callers that wait get
   * `OUTCOME_UNKNOWN`, and what is open goes on.
   */
  async crash(): Promise<void> {
    this.#simulation.inject({ kind: "process-crash" });
    this.#run(() => this.#simulation.process?.isWhole === true, "the process to start again");
  }

  /** Effects that leave the runtime and are open, dead letters among them. */
  get effectsOpen(): readonly EffectLook[] {
    return this.#shards.flatMap(({ domain }) => domain?.effectLooks({ after: null, limit: LOOKS_MAX, state: null }) ?? []);
  }

  /** A person's decision about an open effect. */
  async resolve(id: string, action: EffectAction): Promise<void> {
    for (const shard of this.#shards) if (shard.domain?.effectLook(id) != null) shard.resolve(id, action);
  }

  get #shards() {
    return this.#simulation.process?.shards ?? [];
  }

  async #ask(to: string, command: string, body: unknown, { id = null, timeoutMs = ANSWER_MS_MAX }: KitAskOptions = {}) {
    const spec = this.#definitions.get(partsOf(to).type)?.commands[command];
    if (spec === undefined) return refusal("validation_failed", `The kit has no definition for ${to}; name it in its options.`);
    const checked = await spec.body["~standard"].validate(body);
    if (checked.issues !== undefined) return refusal("validation_failed", checked.issues.map(({ message }) => message).join("; "));
    return await new Promise<Answer<Json>>((resolve, reject) => {
      this.#waiting.add(reject);
      this.#simulation.ask({ to, command, body: checked.value as Json, id, timeoutMs }, (answer) => {
        this.#waiting.delete(reject);
        resolve(answer);
      });
      this.#passTime();
    });
  }

  #kitAttempt(held: HeldAttempt): KitAttempt {
    const { effect } = held;
    const isOver = (): boolean => {
      const looks = this.#simulation.process?.shards.map(({ domain }) => domain?.effectLook(effect.id) ?? null) ?? [];
      const isOpen = looks.some((look) => look?.state === "open") && this.#attempts?.isHeld(effect.id) !== true;
      return !isOpen && this.#simulation.isAtRest;
    };
    return {
      effect,
      get ended() {
        return held.end;
      },
      progress: async (value) => {
        held.tell({ kind: "progress", value });
        this.#run(() => held.isHeard, "the entity to handle progress");
        this.#passTime();
      },
      end: async (outcome) => {
        held.tell(outcome);
        this.#run(isOver, "the entity to handle an outcome");
        this.#passTime();
      },
    };
  }

  /** After the test's own turn, so that what it asks together is under way together. */
  #passTime(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      try {
        do {
          this.#run(() => this.#waiting.size === 0 || this.#isHeldUp, "an answer");
          // A command or an answer may be on its way while the entities are at rest.
          if (this.#waiting.size > 0) this.#simulation.run(() => this.#waiting.size === 0, ON_THE_WAY_MS);
        } while (this.#waiting.size > 0 && !this.#isHeldUp);
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        for (const reject of this.#waiting) reject(error);
        this.#waiting.clear();
      }
    });
  }

  /** Only the test can make it go on. */
  get #isHeldUp(): boolean {
    return this.#attempts?.areHeld === true && this.#simulation.isAtRest;
  }

  #run(isDone: () => boolean, what: string): void {
    if (this.#simulation.run(isDone, WAIT_MS_MAX)) return;
    throw new Error(`The kit waited ${WAIT_MS_MAX} ms of its own time for ${what}, in vain.${["", ...this.violations].join("\n  ")}`);
  }
}

type KitAskOptions = { readonly id?: string | null; readonly timeoutMs?: number };

const SHARD_COUNT = 16;
const ANSWER_MS_MAX = 30_000;
const WAIT_MS_MAX = 600_000;
const LOOKS_MAX = 1_000;
/** To an entity that must be loaded, or back: more than the longest of the simulation's ways. */
const ON_THE_WAY_MS = 50;
const LIMITS: DomainLimits = {
  mailboxMax: 1_000,
  turnMessagesMax: 64,
  groupEntriesMax: 2_000,
  groupsInFlightMax: 4,
  effectsMax: 100_000,
  portMessagesMax: 10_000,
  entitiesBytesMax: 1e9,
  dirtyMax: 100_000,
  hopsMax: 100,
  tailsWokenMax: 64,
};

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
