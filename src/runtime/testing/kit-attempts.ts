import type { EffectOutcome, FromPerformer, PerformEffect, ProgressCredit } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { SimulatedPerformer } from "./simulated-shard.ts";

/** One attempt at an effect that leaves the runtime, in the hands of a test: the test is the port, and its policy. */
export class HeldAttempt {
  readonly effect: PerformEffect;
  readonly #tell: (outcome: FromPerformer) => void;
  #unhandled = 0;
  #end: "ended" | "cancelled" | "lost" | null = null;

  constructor(effect: PerformEffect, tell: (outcome: FromPerformer) => void) {
    this.effect = effect;
    this.#tell = tell;
  }

  /** How it ended; null while it is under way. `lost`: with its process. */
  get end(): "ended" | "cancelled" | "lost" | null {
    return this.#end;
  }
  /** What was told was handled and committed, or nobody hears it. */
  get isHeard(): boolean {
    return this.#unhandled === 0 || this.#end !== null;
  }

  tell(outcome: EffectOutcome | { readonly kind: "progress"; readonly value: Json }): void {
    if (this.#end !== null) throw new Error(`the attempt ${this.effect.attempt} at ${this.effect.id} was ${this.#end}: nobody hears of it`);
    if (outcome.kind === "progress") this.#unhandled++;
    else this.#end = "ended";
    const { id, attempt } = this.effect;
    this.#tell({ id, attempt, outcome });
  }

  credit(count: number): void {
    this.#unhandled = Math.max(this.#unhandled - count, 0);
  }
  over(how: "cancelled" | "lost"): void {
    this.#end ??= how;
  }
}

/** The attempts of a kit: what its entities hand out lies here until the test ends it. */
export class KitAttempts {
  readonly #attempts: HeldAttempt[] = [];
  readonly #taken = new Set<HeldAttempt>();

  /** The oldest attempt under way at the port that was not taken before; null when there is none. */
  take(port: string): HeldAttempt | null {
    const found = this.#attempts.find((attempt) => attempt.end === null && attempt.effect.to === port && !this.#taken.has(attempt));
    if (found !== undefined) this.#taken.add(found);
    return found ?? null;
  }

  get areHeld(): boolean {
    return this.#attempts.some(({ end }) => end === null);
  }
  isHeld(id: string): boolean {
    return this.#attempts.some(({ end, effect }) => end === null && effect.id === id);
  }

  /** The performer of one life of the process. */
  start(): SimulatedPerformer {
    const held = (): readonly HeldAttempt[] => this.#attempts.filter(({ end }) => end === null);
    return {
      perform: (effect, tell) => {
        for (const attempt of held()) if (attempt.effect.id === effect.id) attempt.over("lost");
        this.#attempts.push(new HeldAttempt(effect, tell));
      },
      cancel: (ids) => {
        for (const attempt of held()) if (ids.includes(attempt.effect.id)) attempt.over("cancelled");
      },
      credit: (credits: readonly ProgressCredit[]) => {
        for (const { id, attempt: number, count } of credits) {
          for (const attempt of held()) if (attempt.effect.id === id && attempt.effect.attempt === number) attempt.credit(count);
        }
      },
      close: () => {
        for (const attempt of held()) attempt.over("lost");
      },
    };
  }
}
