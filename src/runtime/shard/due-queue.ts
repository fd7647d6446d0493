/**
 * What becomes due at a time, earliest first: a binary heap. Nothing is taken out before it is due; who holds an item judges whether it still
 * counts. Never throws.
 */
export class DueQueue<Item> {
  readonly #heap: Array<{ readonly at: number; readonly item: Item }> = [];

  get count(): number {
    return this.#heap.length;
  }

  /** When the first item is due; null when there is none. */
  get nextAt(): number | null {
    return this.#heap[0]?.at ?? null;
  }

  add(at: number, item: Item): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push({ at, item });
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.at <= at) break;
      heap[hole] = above;
      hole = parent;
    }
    heap[hole] = { at, item };
  }

  /** The first item when it is due by `now`, else undefined. */
  take(now: number): Item | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.at > now) return undefined;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.#sink(last);
    return first.item;
  }

  #sink(moved: { readonly at: number; readonly item: Item }): void {
    const heap = this.#heap;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && right.at < left.at) {
        least = right;
        child++;
      }
      if (least.at >= moved.at) break;
      heap[hole] = least;
      hole = child;
    }
    heap[hole] = moved;
  }
}
