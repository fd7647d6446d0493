import type { OpenEffect } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import { type Json, unreachable } from "../kernel/json.ts";
import type { Activation } from "./activation.ts";
import type { CommitGate } from "./commit-gate.ts";
import type { Delivery } from "./delivery.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { EffectTable } from "./effect-table.ts";
import type { DomainMessage, TellMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import type { SeenTells } from "./seen-tells.ts";

/** What goes between this domain and the others: tells, asks and their answers, and what is sent again after a recovery at either end. */
export class Peers {
  readonly #gate: CommitGate;
  readonly #ports: DomainPorts;
  readonly #outputs: Outputs;
  readonly #activation: Activation;
  readonly #delivery: Delivery;
  readonly #effects: EffectTable;
  readonly #seen: SeenTells;
  readonly #seqs: ReadonlyMap<number, number>;
  readonly #shardCount: number;
  readonly #isOwned: (shard: number) => boolean;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly outputs: Outputs;
    readonly activation: Activation;
    readonly delivery: Delivery;
    readonly effects: EffectTable;
    readonly seen: SeenTells;
    /** Its keys are the shards of this domain. */
    readonly seqs: ReadonlyMap<number, number>;
    readonly shardCount: number;
    readonly isOwned: (shard: number) => boolean;
  }) {
    this.#gate = options.gate;
    this.#ports = options.ports;
    this.#outputs = options.outputs;
    this.#activation = options.activation;
    this.#delivery = options.delivery;
    this.#effects = options.effects;
    this.#seen = options.seen;
    this.#seqs = options.seqs;
    this.#shardCount = options.shardCount;
    this.#isOwned = options.isOwned;
  }

  receive(message: DomainMessage): void {
    switch (message.kind) {
      case "tell":
        return this.#tell(message.effect);
      case "ask":
        return this.#delivery.put(this.#activation.slotOf(message.effect.to), { kind: "ask", effect: message.effect, live: null }, false);
      case "answer":
        return this.#answer(message.id, message.answer);
      case "closed":
        return this.#seen.forget(message.id);
      case "open":
        return this.#seen.forgetAllBut(message);
      default:
        return unreachable(message);
    }
  }

  /** One that was handled is answered again, one that waits goes on waiting (S4). */
  #tell(effect: OpenEffect): void {
    const seen = this.#seen.find(effect.id);
    if (seen === undefined) {
      const message: TellMessage = { kind: "tell", effect, live: null };
      this.#seen.arrived(message, this.#activation.shardOf(effect.to));
      return this.#delivery.put(this.#activation.slotOf(effect.to), message, false);
    }
    if (seen.answer !== null) this.#outputs.send(seen.group, effect.shard, { kind: "answer", id: effect.id, answer: seen.answer });
  }

  #answer(id: string, answer: Answer<Json>): void {
    const live = this.#effects.find(id);
    // Already closed: the answer was repeated after a recovery.
    if (live === undefined || live.answer !== null) return;
    this.#effects.handled(live);
    if (live.opened.kind === "tell") live.answer = answer;
    this.#delivery.answer(live, answer);
  }

  /** After a recovery of this domain: tells all others what is open from here to them. */
  recovered(): void {
    this.#sendOpen(0, (shard) => !this.#isOwned(shard));
  }

  /** What the old incarnation of these shards' domain sent and was not handled here is forgotten. Returns the last group that holds something handled. */
  changed(isPeerShard: (shard: number) => boolean): number {
    this.#seen.forgetWaiting(isPeerShard);
    return this.#gate.lastGroup;
  }

  /** What is open from here to these shards is sent again, and then what is open at all. */
  resend(isPeerShard: (shard: number) => boolean): void {
    for (const { opened, answer, openedIn, toShard } of this.#effects.all()) {
      if (opened.kind !== "tell" && opened.kind !== "ask") continue;
      if (answer !== null || openedIn > this.#gate.committedLast || !isPeerShard(toShard)) continue;
      this.#ports.send(toShard, { kind: opened.kind, effect: opened });
    }
    // What was closed here since the successor read the journal was told to nobody. An effect leaves the table before its closing entry is
    // committed, so the list waits for the last group that may hold one: the receiver must not forget what a crash here would open again.
    this.#sendOpen(this.#gate.lastGroup, isPeerShard);
  }

  /** Tells the shards, after the group, which effects are open from here to them: they may forget all others that they handled. */
  #sendOpen(group: number, isMeant: (shard: number) => boolean): void {
    const shards = [...this.#seqs.keys()];
    const idsOf = new Map<number, string[]>();
    for (let shard = 0; shard < this.#shardCount; shard++) if (isMeant(shard)) idsOf.set(shard, []);
    for (const { opened, toShard } of this.#effects.all()) idsOf.get(toShard)?.push(opened.id);
    for (const [to, ids] of idsOf) this.#outputs.send(group, to, { kind: "open", to, shards, ids });
  }
}
