import { type Entry, type StoredRecord, unpackEntries } from "../journal/record.ts";
import { addressOf, partsOf } from "../kernel/address.ts";
import type { Answer, EventBase } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { Json } from "../kernel/json.ts";
import { evolve } from "../shard/replay.ts";

/** Names a definition, with the type of its state. */
export interface StateOf<State> {
  readonly type: string;
  readonly initial: (key: string) => State;
}

/**
 * Reads the journal of a simulation record by record, as an independent reader would, and checks what holds for any entities at every commit:
 *
 * J1. The entries of a shard count 1, 2, 3 ...; their time never goes back; the versions of an entity count its events.
 * J2. Groups come as the fence says: incarnations of a domain only rise, groups of one count 1, 2, 3 ...
 * J3. An effect is opened once, handled once at most, closed once at most, and never before it was opened.
 * J4. An entity takes a client's command id once.
 */
export class JournalCheck {
  readonly violations: string[] = [];
  /** Sequence of the last entry, by shard. */
  readonly seqs = new Map<number, number>();
  /** Events so far, by address. */
  readonly versions = new Map<string, number>();
  readonly #definitions: ReadonlyMap<string, AnyDefinition>;
  readonly #states = new Map<string, unknown>();
  readonly #events = new Map<string, Json[]>();
  readonly #times = new Map<number, number>();
  readonly #groups = new Map<number, { readonly incarnation: number; readonly number: number }>();
  readonly #opened = new Set<string>();
  readonly #handled = new Set<string>();
  readonly #closed = new Set<string>();
  /** Answers by entity and command id; null where the runtime keeps none. */
  readonly #byId = new Map<string, Answer<Json> | null>();
  #seq = 0;

  constructor(definitions: readonly AnyDefinition[]) {
    this.#definitions = new Map(definitions.map((definition) => [definition.type, definition]));
  }

  /** The state of an entity as its committed events make it. */
  state<State>(definition: StateOf<State>, id: string): State {
    const address = addressOf(definition.type, id);
    return this.#states.has(address) ? (this.#states.get(address) as State) : definition.initial(id);
  }

  /** All entities of a definition that have an entry. */
  *states<State>(definition: StateOf<State>): Iterable<readonly [id: string, state: State]> {
    for (const address of this.versions.keys()) {
      const { id, type } = partsOf(address);
      if (type === definition.type) yield [id, this.state(definition, id)];
    }
  }

  /** The committed events of an entity, oldest first. */
  events(address: string): readonly Json[] {
    return this.#events.get(address) ?? [];
  }

  /** The recorded answer to a command; null when the runtime keeps none, undefined when no entry has its id. */
  answerTo(address: string, id: string): Answer<Json> | null | undefined {
    return this.#byId.get(`${address} ${id}`);
  }

  /** Effects whose end is not in the journal. */
  get effectsOpen(): readonly string[] {
    return [...this.#opened].filter((id) => !this.#closed.has(id));
  }

  /** Checks the next record and returns its entries. */
  add(record: StoredRecord): readonly Entry[] {
    this.#expect(record.seq === this.#seq + 1, `record ${record.seq} follows ${this.#seq}`);
    this.#seq = record.seq;
    const group = this.#groups.get(record.domain) ?? { incarnation: 0, number: 0 };
    const expected = record.incarnation === group.incarnation ? group.number + 1 : 1;
    this.#expect(record.incarnation >= group.incarnation, `incarnation ${record.incarnation} after ${group.incarnation} (J2)`);
    this.#expect(record.number === expected, `group ${record.number} of incarnation ${record.incarnation}, ${expected} was next (J2)`);
    this.#groups.set(record.domain, { incarnation: record.incarnation, number: record.number });
    const entries = unpackEntries(record.body);
    this.#expect(entries.length === record.count, `it has ${entries.length} entries and says ${record.count}`);
    for (const entry of entries) this.#addEntry(entry);
    this.#effects(entries);
    return entries;
  }

  #addEntry(entry: Entry): void {
    const { at, entity, events = [], seq, shard, version } = entry;
    const last = this.seqs.get(shard) ?? 0;
    this.#expect(seq === last + 1, `entry ${seq} of shard ${shard} follows ${last} (J1)`);
    this.seqs.set(shard, seq);
    this.#expect(at >= (this.#times.get(shard) ?? 0), `the time of shard ${shard} goes back (J1)`);
    this.#times.set(shard, at);
    const before = this.versions.get(entity) ?? 0;
    this.#expect(version === before + events.length, `${entity} has version ${version} after ${before} and ${events.length} events (J1)`);
    this.versions.set(entity, version);
    for (const id of entry.ids ?? []) this.#command(entity, id, null);
    for (const { id, answer } of entry.keys ?? []) this.#command(entity, id, answer);
    if (events.length > 0) this.#evolve(entity, events);
  }

  #evolve(address: string, events: readonly Json[]): void {
    const { id, type } = partsOf(address);
    const definition = this.#definitions.get(type);
    if (definition === undefined) return this.#tell(`${address} is of a type that nobody defined`);
    let state = this.state(definition as StateOf<unknown>, id);
    for (const event of events) state = evolve(definition, state, event as unknown as EventBase);
    this.#states.set(address, state);
    const known = this.#events.get(address);
    if (known === undefined) this.#events.set(address, [...events]);
    else known.push(...events);
  }

  #command(entity: string, id: string, answer: Answer<Json> | null): void {
    const known = `${entity} ${id}`;
    this.#expect(!this.#byId.has(known), `${entity} took the command ${id} twice (J4)`);
    this.#byId.set(known, answer);
  }

  /** The entries of a record happen at once: their order says when an entity was first touched, not what caused what. */
  #effects(entries: readonly Entry[]): void {
    for (const { opens = [], shard, seq } of entries) {
      for (const { id } of opens) {
        this.#expect(!this.#opened.has(id), `${id} was opened twice (J3)`);
        this.#expect(id.startsWith(`${shard}.`) && id.split(".")[2] === String(seq), `${id} is no id of an effect of entry ${seq} (J3)`);
        this.#opened.add(id);
      }
    }
    for (const { entity, handled = [], closes = [] } of entries) {
      for (const { cause } of handled) {
        this.#expect(this.#opened.has(cause), `${entity} handled ${cause}, which was never opened (J3)`);
        this.#expect(!this.#closed.has(cause), `${entity} handled ${cause}, which was closed (J3)`);
        this.#expect(!this.#handled.has(cause), `${cause} was handled twice, at last by ${entity} (J3)`);
        this.#handled.add(cause);
      }
      for (const id of closes) {
        this.#expect(this.#opened.has(id), `${entity} closed ${id}, which was never opened (J3)`);
        this.#expect(!this.#closed.has(id), `${id} was closed twice (J3)`);
      }
    }
    for (const { closes = [] } of entries) for (const id of closes) this.#closed.add(id);
  }

  #expect(isRight: boolean, what: string): void {
    if (!isRight) this.#tell(what);
  }

  #tell(what: string): void {
    this.violations.push(`record ${this.#seq}: ${what}`);
  }
}
