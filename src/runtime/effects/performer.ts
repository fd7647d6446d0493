import type { EffectOutcome, PerformEffect, ProgressCredit } from "../kernel/effect-protocol.ts";
import { Bulkhead, type BulkheadFigures } from "./bulkhead.ts";
import type { PerformerPorts, Tell } from "./performer-ports.ts";
import type { PortDefinition } from "./port-definition.ts";

export interface PerformerOptions {
  /** Makes the keys of effects its own among all stores that speak to one upstream. */
  readonly storeId: string;
  readonly definitions: Iterable<PortDefinition>;
  readonly ports: PerformerPorts;
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
 */
export class Performer {
  readonly #ports: PerformerPorts;
  readonly #bulkheads: ReadonlyMap<string, Bulkhead>;
  readonly #unknown = new Set<string>();
  #isLeaving = false;

  constructor(options: PerformerOptions) {
    const { storeId, definitions, ports } = options;
    this.#ports = ports;
    this.#bulkheads = new Map(Array.from(definitions, (definition) => [definition.name, new Bulkhead({ storeId, definition, ports })]));
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
    } else if (!this.#isLeaving || bulkhead.has(effect.id)) bulkhead.offer(effect, tell);
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
