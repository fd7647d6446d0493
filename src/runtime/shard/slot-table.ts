import type { Footprint } from "./footprint.ts";
import type { Slot } from "./slot.ts";

/** The entities in memory by address, counted by type as they come and go: nobody has to look through all of them to know how many there are. */
export class SlotTable {
  readonly #slots = new Map<string, Slot>();
  readonly #countOf = new Map<string, number>();
  readonly #footprint: Footprint;

  constructor(footprint: Footprint) {
    this.#footprint = footprint;
  }

  get size(): number {
    return this.#slots.size;
  }
  /** Entities in memory by type; a type stays when its last one left. */
  get countByType(): ReadonlyMap<string, number> {
    return this.#countOf;
  }

  get(address: string): Slot | undefined {
    return this.#slots.get(address);
  }

  /** Only one whose address is not there. */
  add(slot: Slot): void {
    this.#slots.set(slot.address, slot);
    slot.isPresent = true;
    this.#count(slot, 1);
    this.#footprint.add(slot);
  }

  /** False when it is not there; another one of its address stays. */
  delete(slot: Slot): boolean {
    if (!slot.isPresent) return false;
    slot.isPresent = false;
    this.#count(slot, -1);
    this.#footprint.remove(slot);
    return this.#slots.delete(slot.address);
  }

  /** Goes on correctly when entities come and go meanwhile. */
  values(): MapIterator<Slot> {
    return this.#slots.values();
  }

  #count({ definition: { type } }: Slot, by: number): void {
    this.#countOf.set(type, (this.#countOf.get(type) ?? 0) + by);
  }
}
