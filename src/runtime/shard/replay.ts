import type { Entry } from "../journal/record.ts";
import type { Snapshot } from "../journal/snapshots.ts";
import type { EventBase } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { Json } from "../kernel/json.ts";
import { KeyTable } from "./key-table.ts";
import type { Slot } from "./slot.ts";

/** Rebuilds an entity: its snapshot, or its initial state and the entry that is its whole history so far, then the entries after it. Pure but for the slot. @throws whatever an upcaster or `evolve` throws. */
export function rebuild(slot: Slot, stored: Snapshot | Entry | null): void {
  if (stored !== null && "body" in stored) restore(slot, stored);
  else {
    slot.state = slot.definition.initial(slot.key);
    if (stored !== null) replayWhole(slot, stored);
  }
  for (const entry of slot.tail ?? []) if (entry.seq > slot.seq) replayEntry(slot, entry);
  slot.tail = null;
}

function restore(slot: Slot, snapshot: Snapshot): void {
  const { definition } = slot;
  const body = JSON.parse(snapshot.body) as { readonly state: Json; readonly keys?: Parameters<typeof KeyTable.fromJson>[0] };
  slot.state = definition.snapshot.decode(upcastState(definition, body.state, snapshot.definition));
  slot.keys = body.keys === undefined ? null : KeyTable.fromJson(body.keys);
  slot.snapshotChars = snapshot.body.length;
  slot.version = snapshot.version;
  slot.seq = snapshot.seq;
  slot.snapshotSeq = snapshot.seq;
}

/** @throws Error when there were events before the entry. */
function replayWhole(slot: Slot, entry: Entry): void {
  const count = entry.events?.length ?? 0;
  if (entry.version !== count) throw new Error(`its entry ${entry.seq} is no whole history: version ${entry.version}, ${count} events`);
  replayEntry(slot, entry);
  slot.snapshotChars = JSON.stringify(entry).length;
  slot.snapshotSeq = entry.seq;
}

function replayEntry(slot: Slot, entry: Entry): void {
  for (const event of entry.events ?? []) slot.state = evolve(slot.definition, slot.state, upcastEvent(slot.definition, event));
  for (const key of entry.keys ?? []) {
    slot.keys ??= new KeyTable();
    slot.keys.keep({ ...key, at: entry.at });
  }
  // An entry without events changes no version: it may be of a time when the entity could not be rebuilt and its version was not known.
  if (entry.events !== undefined) slot.version = entry.version;
  slot.seq = entry.seq;
}

/** Applies one event. @throws Error naming the event when the definition does not know it. */
export function evolve(definition: AnyDefinition, state: unknown, event: EventBase): unknown {
  const apply = definition.evolve[event.kind];
  if (apply === undefined) throw new Error(`${definition.type} has no evolve for the event "${event.kind}"`);
  return apply(state as never, event as never);
}

function upcastState(definition: AnyDefinition, state: Json, from: number): Json {
  if (from > definition.version)
    throw new Error(`snapshot of ${definition.type} has version ${from}; this program knows ${definition.version}`);
  let current = state;
  for (let version = from; version < definition.version; version++) {
    const step = definition.upcast?.state?.[version];
    if (step === undefined) throw new Error(`${definition.type} has no upcaster of state from version ${version}`);
    current = step(current);
  }
  return current;
}

function upcastEvent(definition: AnyDefinition, event: Json): EventBase {
  let current = event as Json & EventBase & { readonly v?: number };
  const steps = definition.upcast?.events?.[current.kind];
  if (steps !== undefined) {
    for (let version = current.v ?? 1; steps[version] !== undefined; version++) {
      current = steps[version]?.(current) as typeof current;
    }
  }
  return current;
}
