import type { Entry } from "../journal/record.ts";
import type { Snapshot } from "../journal/snapshots.ts";
import { partsOf, shardOf } from "../kernel/address.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { EntityMemory } from "./entity-memory.ts";
import { rebuild } from "./replay.ts";
import { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/**
 * Brings entities into memory by their first message: from what retired, or by the port `load`, with the entries after the checkpoint on top. Until
 * its state is there, an entity is `loading` and only its mailbox grows; one that cannot be rebuilt is `failed`, alone.
 */
export class Activation {
  readonly #memory: EntityMemory;
  readonly #ports: DomainPorts;
  readonly #turn: Turn;
  readonly #definitions: ReadonlyMap<string, AnyDefinition>;
  readonly #shardCount: number;
  readonly #mailboxMax: number;
  /** Entries after the checkpoint of entities that were not in memory since. */
  readonly #tail: Map<string, readonly Entry[]>;
  /** Entities with entries after the checkpoint whose snapshot is being read. */
  #tailsLoading = 0;
  #isPinned = false;
  /** Entity types without a definition that were told of. */
  readonly #typesGone = new Set<string>();

  constructor(options: {
    readonly memory: EntityMemory;
    readonly ports: DomainPorts;
    readonly turn: Turn;
    readonly definitions: ReadonlyMap<string, AnyDefinition>;
    readonly shardCount: number;
    readonly mailboxMax: number;
    readonly tail: ReadonlyMap<string, readonly Entry[]>;
  }) {
    this.#memory = options.memory;
    this.#ports = options.ports;
    this.#turn = options.turn;
    this.#definitions = options.definitions;
    this.#shardCount = options.shardCount;
    this.#mailboxMax = options.mailboxMax;
    this.#tail = new Map(options.tail);
  }

  /** Entities with entries after the last checkpoint are still being read: the positions must not move past what no snapshot holds. */
  get isReadingTails(): boolean {
    return this.tailsUnread > 0;
  }
  /** An entity with entries after the checkpoint could not be rebuilt: the positions must not move past what it needs. */
  get isPinned(): boolean {
    return this.#isPinned;
  }

  shardOf(address: string): number {
    return shardOf(address, this.#shardCount);
  }

  /** Undefined when this program has none of the type. */
  definitionByType(address: string): AnyDefinition | undefined {
    return this.#definitions.get(partsOf(address).type);
  }

  /** Entities with entries after the checkpoint that nobody has woken yet. */
  get hasSleepingTails(): boolean {
    return this.#tail.size > 0;
  }

  /** Entities with entries after the checkpoint whose state is not there yet: no snapshot holds what they changed. */
  get tailsUnread(): number {
    return this.#tail.size + this.#tailsLoading;
  }

  /** Before anything is served: what cannot be read would end the thread again and again. @throws Error for an entity whose type has no definition. */
  assertTailsKnown(): void {
    for (const address of this.#tail.keys()) if (this.definitionByType(address) === undefined) throw noDefinition(address);
  }

  /** Wakes some of them. Whoever is sent a message is woken by it, before its turn comes here. */
  wakeTails(countMax: number): void {
    let count = 0;
    for (const address of this.#tail.keys()) {
      if (++count > countMax) return;
      this.slotOf(address);
    }
  }

  /** The entity in memory, loading if need be. @throws Error when its type has no definition. */
  slotOf(address: string): Slot {
    return this.#memory.slots.get(address) ?? this.wake(address);
  }

  /** One that is not in memory begins to load. @throws Error when its type has no definition. */
  wake(address: string): Slot {
    const definition = this.definitionByType(address);
    if (definition === undefined) throw noDefinition(address);
    const slot = new Slot({ address, shard: this.shardOf(address), definition, mailboxMax: this.#mailboxMax });
    slot.touchedAt = this.#turn.nowMs;
    const retired = this.#memory.retired.find(address);
    if (retired !== undefined && typeof retired !== "number") return this.#revive(slot, retired);
    const tail = this.#tail.get(address);
    if (tail !== undefined) {
      slot.tail = tail;
      this.#tailsLoading++;
      this.#tail.delete(address);
    }
    this.#memory.slots.add(slot);
    this.#ports.load(address, retired ?? (tail !== undefined && isWhole(tail[0]) ? "tail" : null));
    return slot;
  }

  #revive(slot: Slot, snapshot: Snapshot): Slot {
    rebuild(slot, snapshot);
    slot.status = "ready";
    this.#memory.slots.add(slot);
    this.#memory.unretire(slot);
    return slot;
  }

  /** Null, and told once a type, when this program has no definition of it: what goes off years later must not take the thread down (L5). */
  slotUnlessGone(address: string, doing: string): Slot | null {
    const { type } = partsOf(address);
    if (this.#definitions.has(type)) return this.slotOf(address);
    if (!this.#typesGone.has(type)) {
      this.#typesGone.add(type);
      const why = `no definition of the entity type ${type} is loaded; its timers and effects stay as they are until a program has it`;
      this.#ports.crashed(address, doing, new Error(why));
    }
    return null;
  }

  /** Answer to `load`. Null when nobody waits for it any more; else the slot, which is `ready` or `failed` now. */
  loaded(address: string, stored: Snapshot | Entry | null, failure: unknown): Slot | null {
    const slot = this.#memory.slots.get(address);
    if (slot === undefined || slot.status !== "loading") return null;
    const hasTail = slot.tail !== null;
    if (hasTail) this.#tailsLoading--;
    try {
      if (failure !== null) throw failure;
      if (stored !== null || hasTail) this.#turn.takeUpRebuild(address); // A new entity is made of nothing that could be to blame.
      this.#rebuild(slot, stored, hasTail);
    } catch (cause) {
      slot.status = "failed";
      slot.failure = cause instanceof Error ? cause.message : String(cause);
      if (hasTail) this.#isPinned = true;
      this.#ports.crashed(address, "rebuild", cause);
    }
    this.#turn.takeUp(null);
    return slot;
  }

  #rebuild(slot: Slot, stored: Snapshot | Entry | null, hasTail: boolean): void {
    rebuild(slot, stored);
    this.#memory.footprint.measure(slot);
    slot.status = "ready";
    if (stored !== null && this.#memory.retired.find(slot.address) !== undefined) this.#memory.unretire(slot);
    else if (hasTail && slot.seq > slot.snapshotSeq) this.#memory.dirty.add(slot);
  }
}

const noDefinition = (address: string): Error => new Error(`no definition of the entity type of ${address} is loaded`);

/** Has it all events so far? */
const isWhole = (entry: Entry | undefined): boolean => entry?.events !== undefined && entry.version === entry.events.length;
