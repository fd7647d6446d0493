/**
 * FIFO queue on a ring that doubles when it is full: push and shift are O(1) without garbage. It states no limit of its own; who owns
 * it does (`Mailbox` refuses, the scheduler queues each entity at most once). Never throws.
 */
export class Ring<Item extends object> {
  #slots: Array<Item | undefined>;
  #head = 0;
  #count = 0;

  constructor(sizeMin = 8) {
    this.#slots = new Array(sizeMin); // A power of two, so that the index is a mask.
  }

  get count(): number {
    return this.#count;
  }

  push(item: Item): void {
    if (this.#count === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#count++) & (this.#slots.length - 1)] = item;
  }

  shift(): Item | undefined {
    if (this.#count === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined; // What left must not be kept alive by the ring.
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#count--;
    return item;
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    for (let i = 0; i < this.#count; i++) {
      const item = this.#slots[(this.#head + i) & (this.#slots.length - 1)];
      if (item !== undefined) yield item;
    }
  }

  #grow(): void {
    const larger: Array<Item | undefined> = new Array(this.#slots.length * 2);
    for (let i = 0; i < this.#count; i++) larger[i] = this.#slots[(this.#head + i) & (this.#slots.length - 1)];
    this.#slots = larger;
    this.#head = 0;
  }
}
