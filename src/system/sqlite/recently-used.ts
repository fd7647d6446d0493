/**
 * Values by name, of which those that were not used for long are let go. In two generations, so that a use costs no change of order: what was used since the
 * younger one began stands in it. Nothing leaves but by `age`. Holds at most `capacity` values and what two spans between calls of
 * `age` used: a long span is let go of only when half of the capacity was used after it.
 */
export class RecentlyUsed<Value extends object> {
  readonly capacity: number;
  #young = new Map<string, Value>();
  #old = new Map<string, Value>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get(name: string): Value | undefined {
    const young = this.#young.get(name);
    if (young !== undefined || this.#old.size === 0) return young;
    const old = this.#old.get(name);
    if (old !== undefined) {
      this.#old.delete(name);
      this.#young.set(name, old);
    }
    return old;
  }

  set(name: string, value: Value): void {
    this.#young.set(name, value);
  }

  /** Lets go of what was not used since the younger generation began, once that one fills half of the capacity. */
  age(): void {
    if (this.#young.size * 2 <= this.capacity) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }
}
