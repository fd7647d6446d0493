import { POISON_DEATHS } from "../../runtime/index.ts";

/**
 * Counts, for each work, the deaths of threads in which it was found, as long as this process lives. Holds at most `WORKS_MAX` of each kind;
 * the oldest is forgotten first, and can be counted anew.
 */
export class Poison {
  readonly #deaths = new Map<string, number>();
  readonly #poison = new Set<string>();

  /** True when it is poison from now on. */
  died(work: string): boolean {
    if (this.#poison.has(work)) return false;
    const deaths = (this.#deaths.get(work) ?? 0) + 1;
    this.#deaths.delete(work);
    if (deaths < POISON_DEATHS) {
      this.#deaths.set(work, deaths);
      forgetOldest(this.#deaths);
      return false;
    }
    this.#poison.add(work);
    forgetOldest(this.#poison);
    return true;
  }

  /** What a thread must not do again. */
  get works(): readonly string[] {
    return [...this.#poison];
  }
}

const WORKS_MAX = 1_000;

function forgetOldest(works: { readonly size: number; keys(): IterableIterator<string>; delete(work: string): boolean }): void {
  const [oldest] = works.size > WORKS_MAX ? works.keys() : [];
  if (oldest !== undefined) works.delete(oldest);
}
