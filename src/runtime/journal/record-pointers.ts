/**
 * Where finished entities are found whose whole history lies in one record: the record says all that a snapshot would repeat.
 *
 * P1. A record is pointed to only when it is committed.
 * P2. A pointer has the hash of its entity and no address: the record has that. So a pointer may be of another entity with the same hash, and only the
 *     record tells.
 * P3. A snapshot of the entity goes before any pointer: it was written later.
 */

/** Pairs of hash and record, one after the other, as they cross to the checkpoint thread. */
export type RecordPointers = Float64Array<ArrayBuffer>;

export const NO_POINTERS: RecordPointers = new Float64Array(0);

/** The hash under which an entity is found in a store: 40 bits, so that the index stays small. */
export function entityHash(address: string): number {
  let low = 2166136261;
  let high = 374761393;
  for (let i = 0; i < address.length; i++) {
    const unit = address.charCodeAt(i);
    low = Math.imul(low ^ unit, 16777619);
    high = Math.imul(high ^ unit, 2246822519);
  }
  return (high >>> 24) * 2 ** 32 + (low >>> 0);
}

export function packPointers(records: ReadonlyArray<readonly [address: string, record: number]>): RecordPointers {
  const pointers = new Float64Array(2 * records.length);
  let at = 0;
  for (const [address, record] of records) {
    pointers[at++] = entityHash(address);
    pointers[at++] = record;
  }
  return pointers;
}

export function joinPointers(parts: readonly RecordPointers[]): RecordPointers {
  if (parts.length < 2) return parts[0] ?? NO_POINTERS;
  const joined = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
