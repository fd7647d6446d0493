import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";

/** How long and how many ids an entity remembers of commands with `repeats: "recorded"` (DESIGN 4.5). */
export const KEYS_KEPT_MS = 24 * 60 * 60 * 1_000;
export const KEYS_COUNT_MAX = 1_000;

interface KeptKey {
  readonly id: string;
  readonly print: string;
  readonly at: number;
  readonly answer: Answer<Json>;
}

/**
 * The ids of commands that an entity has handled, with their first answers (L3). An id is kept for 24 h and never forgotten early: when
 * 1,000 younger ones are there, `isFull` says so and the command is refused (`keys_exhausted`). Rebuilt from entries and snapshots.
 */
export class KeyTable {
  readonly #keys = new Map<string, KeptKey>();

  static fromJson(json: readonly KeptKey[]): KeyTable {
    const table = new KeyTable();
    for (const key of json) table.#keys.set(key.id, key);
    return table;
  }

  find(id: string): KeptKey | undefined {
    return this.#keys.get(id);
  }

  isFull(nowMs: number): boolean {
    for (const key of this.#keys.values()) {
      if (nowMs - key.at < KEYS_KEPT_MS) break; // Oldest first: the rest is younger.
      this.#keys.delete(key.id);
    }
    return this.#keys.size >= KEYS_COUNT_MAX;
  }

  keep(key: KeptKey): void {
    this.#keys.set(key.id, key);
  }

  toJson(): readonly KeptKey[] {
    return [...this.#keys.values()];
  }
}
