/** Looks at the entities of one shard thread: peeks, bounded, in slices, so that messages have their turn between two. */
import type { EntityLook } from "../../runtime/index.ts";

export interface PeekQuery {
  /** Only of this entity type; null = all. */
  readonly type: string | null;
  /** Only addresses above this one (keyset paging); null = from the beginning. */
  readonly after: string | null;
  /** Most entities in the answer. */
  readonly limit: number;
}
export interface Peek {
  /** By address. */
  readonly entities: readonly EntityLook[];
  /** Entities of the type above `after`, as far as was looked. */
  readonly found: number;
  /** More entities are in memory than one look goes through: some may be missing. */
  readonly isPartial: boolean;
}

/** The first `limit` by address. Never wakes an entity (TRAPS 26). */
export async function peekPage(entities: Iterator<EntityLook>, { type, after, limit }: PeekQuery): Promise<Peek> {
  return await peek(entities, {
    isMeant: (entity) => (type === null || entity.type === type) && (after === null || entity.address > after),
    compare: (a, b) => (a.address < b.address ? -1 : 1),
    limit,
  });
}

/** The `limit` entities with the fullest mailboxes, fullest first; none that are empty. */
export async function peekFullest(entities: Iterator<EntityLook>, limit: number): Promise<Peek> {
  return await peek(entities, { isMeant: ({ waiting }) => waiting > 0, compare: (a, b) => b.waiting - a.waiting, limit });
}

interface Wanted {
  readonly isMeant: (entity: EntityLook) => boolean;
  readonly compare: (a: EntityLook, b: EntityLook) => number;
  readonly limit: number;
}

async function peek(entities: Iterator<EntityLook>, { isMeant, compare, limit }: Wanted): Promise<Peek> {
  let best: EntityLook[] = [];
  let found = 0;
  for (let looked = 1; looked <= LOOKED_MAX; looked++) {
    const next = entities.next();
    if (next.done === true) return { entities: best.sort(compare).slice(0, limit), found, isPartial: false };
    if (isMeant(next.value)) {
      found++;
      best.push(next.value);
      // Sorted now and then only: the cost of a look is that of going through the entities.
      if (best.length >= limit * 2 + SPARE) best = best.sort(compare).slice(0, limit);
    }
    if (looked % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { entities: best.sort(compare).slice(0, limit), found, isPartial: true };
}

/** Entities that one look goes through: above what a thread holds by default, so that only unusual ones meet it. */
const LOOKED_MAX = 2_000_000;
const SLICE = 2_000;
const SPARE = 100;
