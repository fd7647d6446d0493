import { Fault } from "../kernel/fault.ts";
import { type Entry, entryOf, unpackEntries } from "./record.ts";
import { entityHash } from "./record-pointers.ts";
import type { Snapshot, SnapshotReader } from "./snapshots.ts";

/** Where the whole history of an entity is known to lie before the store is asked: in this record, or in the tail; null = not known. */
export type KnownHistory = number | "tail" | null;

export interface EntitySources {
  readonly snapshots: Pick<SnapshotReader, "load">;
  /** The body of a record of the journal; null when it is not there. */
  readonly bodyOf: (record: number) => string | Uint8Array | null;
}

/**
 * What the stores have of an entity, before the tail: its snapshot, or the entry that is its whole history; null = nothing.
 * @throws Fault `JOURNAL_CORRUPT` when a record that is pointed to is missing, cannot be read, or has no entity of the pointer.
 */
export function readEntity(address: string, known: KnownHistory, { snapshots, bodyOf }: EntitySources): Snapshot | Entry | null {
  if (typeof known === "number") return entryAt(known, address, bodyOf) ?? refuse(known, `it has no entry of ${address}`);
  const found = snapshots.load(address);
  if (found === null || !("records" in found)) return found;
  // A pointer of this entity could only point to what the tail has.
  if (known === "tail") return null;
  for (const record of found.records) {
    const entry = entryAt(record, address, bodyOf);
    if (entry !== null) return entry;
  }
  return null;
}

/** Null when the pointer is of another entity with the same hash (P2). */
function entryAt(record: number, address: string, bodyOf: EntitySources["bodyOf"]): Entry | null {
  const body = bodyOf(record);
  if (body === null) return refuse(record, "it is missing");
  try {
    const found = entryOf(body, address);
    if (found !== null) return found;
    const hash = entityHash(address);
    if (unpackEntries(body).some(({ entity }) => entityHash(entity) === hash)) return null;
  } catch (cause) {
    return refuse(record, "its body is no JSON", cause);
  }
  return refuse(record, `it has no entry of ${address}`);
}

function refuse(record: number, what: string, cause?: unknown): never {
  const detail = `Record ${record} of the journal: ${what}, but state.db says that it is the history of an entity.`;
  throw new Fault("JOURNAL_CORRUPT", `${detail} Nothing was changed; restore a backup or ask for help.`, { cause });
}
