import type { Activation } from "./activation.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { Message } from "./message.ts";
import type { ReadyEntities } from "./ready-entities.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** Durable messages that wait for the journal. Bounded by what may be open: no new command is carried out meanwhile. */
export class ParkedMessages {
  readonly #activation: Activation;
  readonly #ready: ReadyEntities;
  readonly #turn: Turn;
  /** Kept by address: their entity may leave memory meanwhile. */
  #parked: Array<{ readonly address: string; readonly message: Message }> = [];

  constructor(options: { readonly activation: Activation; readonly ready: ReadyEntities; readonly turn: Turn }) {
    this.#activation = options.activation;
    this.#ready = options.ready;
    this.#turn = options.turn;
  }

  park(slot: Slot, message: Message): void {
    this.#turn.outcome = OUTCOME.parked;
    this.#parked.push({ address: slot.address, message });
  }

  /** The journal takes writes again: all of them go back to their entities. */
  release(): void {
    const parkedOf = new Map<Slot, Message[]>();
    for (const { address, message } of this.#parked) {
      const slot = this.#activation.slotOf(address);
      const parked = parkedOf.get(slot);
      if (parked === undefined) parkedOf.set(slot, [message]);
      else parked.push(message);
    }
    this.#parked = [];
    for (const [slot, messages] of parkedOf) {
      // What came later and still waits stands behind what was parked: the order of a pair of entities is kept.
      for (let later = slot.mailbox.take(); later !== undefined; later = slot.mailbox.take()) messages.push(later);
      for (const message of messages) slot.mailbox.force(message);
      this.#ready.add(slot);
    }
  }
}
