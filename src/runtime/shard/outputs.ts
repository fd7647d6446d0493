import type { Answer } from "../kernel/decision.ts";
import { type Json, unreachable } from "../kernel/json.ts";
import type { CommitGate, Output } from "./commit-gate.ts";
import type { DomainPorts, PlantedBug } from "./domain-options.ts";
import type { DomainMessage } from "./message.ts";
import type { OutsideEffects, OutsideLive } from "./outside-effects.ts";
import type { Turn } from "./turn.ts";

/** What leaves a domain: at once when the group it depends on is committed (0 = none), else held by the gate until it is (L2). */
export class Outputs {
  readonly #gate: CommitGate;
  readonly #ports: DomainPorts;
  readonly #outside: OutsideEffects;
  readonly #turn: Turn;
  readonly #plantedBug: PlantedBug | null;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly outside: OutsideEffects;
    readonly turn: Turn;
    readonly plantedBug: PlantedBug | null;
  }) {
    this.#gate = options.gate;
    this.#ports = options.ports;
    this.#outside = options.outside;
    this.#turn = options.turn;
    this.#plantedBug = options.plantedBug;
  }

  /** `isFinal`: with the group all is lost that the command did. */
  answer(group: number, caller: number, answer: Answer<Json>, isFinal = false): void {
    if (this.#plantedBug === "reply-before-commit") return this.#ports.answer(caller, answer);
    if (group > this.#gate.committedLast) this.#gate.hold(group, { kind: "answer", caller, answer, isFinal });
    else this.#ports.answer(caller, answer);
  }

  /** To the domain that owns the shard. */
  send(group: number, shard: number, message: DomainMessage): void {
    if (group > this.#gate.committedLast) this.#gate.hold(group, { kind: "send", shard, message });
    else this.#ports.send(shard, message);
  }

  perform(group: number, live: OutsideLive): void {
    if (this.#plantedBug === "perform-before-commit") return this.performNow(live);
    if (group > this.#gate.committedLast) this.#gate.hold(group, { kind: "perform", live });
    else this.performNow(live);
  }

  /** Everything of it is committed. Does nothing when no attempt may begin now (X1-X3). */
  performNow(live: OutsideLive): void {
    const attempt = this.#outside.begin(live, this.#turn.nowMs);
    if (attempt !== null) this.#ports.perform(attempt);
  }

  /** The attempt under way need not go on, once the gathering group is committed. */
  cancel(id: string): void {
    this.#gate.hold(this.#gate.gathering, { kind: "cancel", id });
  }

  /** Room for one more value of progress. */
  credit(group: number, id: string, attempt: number): void {
    if (group > this.#gate.committedLast) this.#gate.hold(group, { kind: "credit", id, attempt });
    else this.#ports.credit(id, attempt);
  }

  /** The gate has let it go. */
  release(output: Output): void {
    switch (output.kind) {
      case "answer":
        return this.#ports.answer(output.caller, output.answer);
      case "send":
        return this.#ports.send(output.shard, output.message);
      case "perform":
        return this.performNow(output.live);
      case "cancel":
        return this.#ports.cancel(output.id);
      case "credit":
        return this.#ports.credit(output.id, output.attempt);
      default:
        return unreachable(output);
    }
  }
}
