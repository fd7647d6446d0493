import { UNKNOWN_SEQ } from "./checkpoint.ts";
import { DirtySlots } from "./dirty-slots.ts";
import { Footprint } from "./footprint.ts";
import { RetiredEntities } from "./retired.ts";
import type { Slot } from "./slot.ts";
import { SlotTable } from "./slot-table.ts";

/** The entities of a domain in memory: as slots, or retired. Activation brings them, passivation and checkpoints let them go. */
export class EntityMemory {
  readonly footprint = new Footprint();
  readonly slots = new SlotTable(this.footprint);
  /** Slots with changes that neither a snapshot nor the checkpoint under way holds. */
  readonly dirty = new DirtySlots();
  readonly retired = new RetiredEntities();

  /** Estimated bytes of all of them. */
  get bytes(): number {
    return this.footprint.bytes + this.footprint.retiredBytes(this.retired);
  }
  get count(): number {
    return this.slots.size + this.retired.count;
  }

  /** It is a slot again and has changes. */
  unretire(slot: Slot): void {
    slot.snapshotSeq = UNKNOWN_SEQ; // The store may be taking it just now.
    this.retired.forget(slot.address);
    this.dirty.add(slot);
  }
}
