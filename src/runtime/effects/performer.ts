import type { EffectOutcome, LostAttempt, PerformEffect, ProgressCredit } from "../kernel/effect-protocol.ts";
import { Bulkhead, type BulkheadFigures } from "./bulkhead.ts";
import type { PerformerPorts, Tell } from "./performer-ports.ts";
import type { PortDefinition } from "./port-definition.ts";

export interface PerformerOptions {
  /** Makes the keys of effects its own among all stores that speak to one upstream. */
  readonly storeId: string;
  readonly definitions: Iterable<PortDefinition>;
  readonly ports: PerformerPorts;
  /** What the last performer had under way when its thread ended by itself; none when absent. */
  readonly lost?: readonly LostAttempt[];
  /** Milliseconds for which a port rests, by its name: it has ended its thread too often of late. */
  readonly rests?: ReadonlyMap<string, number>;
}

/**
 * Performs the effects of all shard threads of a node: each through its port's bulkhead, breaker, timeout and back-off. Keeps nothing that
 * a crash must not lose: what it forgets is handed out again.
 *
 * P1. An id is performed once at a time: when it is handed out again (by the successor of a shard thread) while an attempt is under way, that
 *     attempt's outcome goes to whoever handed it out last. So nothing of a shard thread may arrive here any more once its successor is connected.
 *     An attempt that has told progress, or has another number, is aborted and begun anew: its new listener has not heard its beginning.
 * P2. A cancelled attempt tells no outcome and counts neither as success nor as failure.
 * P3. Whatever is handed out is told once: done, refused, failed, postponed or dead; unless it was cancelled, or the node stops. A shard thread
 *     keeps what it was told nothing of as it is, so the next start finds it without a rest that a stop made up.
 * P4. An attempt that was lost with its thread has failed, like one that timed out: it is told so when the effect is handed out again, with its rest, and
 *     so that what always ends its thread becomes a dead letter. An attempt that only waited in a bulkhead was not lost.
 */
export class Performer {
  readonly #ports: PerformerPorts;
  readonly #bulkheads: ReadonlyMap<string, Bulkhead>;
  readonly #unknown = new Set<string>();
  readonly #lost: Map<string, LostAttempt>;
  #isLeaving = false;

  constructor(options: PerformerOptions) {
    const { storeId, definitions, ports, lost = [], rests } = options;
    this.#ports = ports;
    this.#bulkheads = new Map(
      Array.from(definitions, (definition) => {
        const { name } = definition;
        return [name, new Bulkhead({ storeId, definition, ports, restMs: rests?.get(name) ?? 0 })];
      }),
    );
    this.#lost = new Map(lost.map((attempt) => [attempt.id, attempt]));
  }

  perform(effect: PerformEffect, tell: Tell): void {
    const bulkhead = this.#bulkheads.get(effect.to);
    const postpone = (reason: string, afterMs: number): void =>
      tell({ id: effect.id, attempt: effect.attempt, outcome: { kind: "postponed", reason, afterMs } satisfies EffectOutcome });
    // The program that opened it had the port: the next one may have it again, so nothing is given up.
    if (bulkhead === undefined) {
      if (!this.#unknown.has(effect.to)) this.#ports.unknownPort(effect.to);
      this.#unknown.add(effect.to);
      postpone(`there is no port "${effect.to}"`, UNKNOWN_PORT_MS);
    } else if (!this.#isLeaving || bulkhead.has(effect.id)) {
      const lost = this.#lost.get(effect.id);
      this.#lost.delete(effect.id);
      if (lost === undefined) bulkhead.offer(effect, tell);
      else bulkhead.lost(effect, lost, tell);
    }
  }

  cancel(ids: readonly string[]): void {
    for (const id of ids) for (const bulkhead of this.#bulkheads.values()) bulkhead.cancel(id);
  }

  /** What was told of these attempts was handled. */
  credit(credits: readonly ProgressCredit[]): void {
    for (const credit of credits) for (const bulkhead of this.#bulkheads.values()) bulkhead.credit(credit);
  }

  /** The node stops: no attempt begins any more, and nothing is told of what waits. Attempts under way go on, and tell. */
  leave(): void {
    this.#isLeaving = true;
    for (const bulkhead of this.#bulkheads.values()) bulkhead.leave();
  }

  /** Attempts under way. */
  get runningCount(): number {
    let count = 0;
    for (const { runningCount } of this.#bulkheads.values()) count += runningCount;
    return count;
  }

  /** Aborts what is under way; nothing is told any more. */
  close(): void {
    this.#isLeaving = true;
    for (const bulkhead of this.#bulkheads.values()) bulkhead.close();
  }

  /** By port. */
  figures(): Readonly<Record<string, BulkheadFigures>> {
    return Object.fromEntries([...this.#bulkheads].map(([name, bulkhead]) => [name, bulkhead.figures()]));
  }
}

const UNKNOWN_PORT_MS = 60_000;
