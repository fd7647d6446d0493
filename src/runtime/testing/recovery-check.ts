import { type KnownHistory, readEntity } from "../journal/read-entity.ts";
import { Recovery } from "../journal/recovery.ts";
import type { CheckpointHead } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { Json } from "../kernel/json.ts";
import { Domain } from "../shard/domain.ts";
import type { DomainLimits } from "../shard/domain-options.ts";
import type { JournalCheck } from "./journal-check.ts";
import type { Simulation } from "./simulation.ts";

/** How an entity is looked at: a command that only replies. */
export type Look = (address: string) => { readonly command: string; readonly body: Json };

export interface RecoveryCheckOptions {
  readonly simulation: Simulation;
  readonly definitions: readonly AnyDefinition[];
  readonly shardCount: number;
  readonly journal: JournalCheck;
  /** Entities to look at. */
  readonly addresses: readonly string[];
  readonly look: Look;
  readonly bytesOf: (answer: Answer<Json>) => string;
  readonly tell: (what: string) => void;
}

/** Two things a restart could find, which must be the same: snapshots with the tail after them, and the whole journal alone. */
export const RECOVERY_SOURCES = ["snapshots and tail", "the whole journal"] as const;
export type RecoverySource = (typeof RECOVERY_SOURCES)[number];

const EMPTY: CheckpointHead = { positions: [], effects: [], handled: [], at: 0 };
const LIMITS: DomainLimits = {
  mailboxMax: 10,
  turnMessagesMax: 10,
  groupEntriesMax: 10,
  groupsInFlightMax: 1,
  effectsMax: 10,
  portMessagesMax: 10,
  entitiesBytesMax: 1e9,
  dirtyMax: 1e6,
  hopsMax: 10,
  tailsWokenMax: 64,
};

/** What a domain of all shards answers to the looks, recovered by the runtime's own code from the stores of a simulation that is quiet. */
export function recoveredAnswers(source: RecoverySource, options: RecoveryCheckOptions): ReadonlyMap<string, string> {
  const { addresses, bytesOf, definitions, journal, look, shardCount, simulation, tell } = options;
  const isWhole = source === "the whole journal";
  const sources = {
    snapshots: { load: (address: string) => (isWhole ? null : simulation.snapshots.load(address)) },
    bodyOf: (record: number) => simulation.journal.read(record - 1, 1)[0]?.body ?? null,
  };
  const recovery = new Recovery(isWhole ? EMPTY : simulation.snapshots.head(), () => true);
  for (const record of simulation.journal.read(recovery.position, Number.MAX_SAFE_INTEGER)) recovery.add(record);
  const recovered = recovery.finish();
  if (recovered.effects.length > 0) tell(`a recovery from ${source} finds ${recovered.effects.length} open effects`);
  if (recovered.handled.length > 0) tell(`a recovery from ${source} finds ${recovered.handled.length} handled tells`);
  for (const [shard, seq] of journal.seqs) {
    const found = recovered.seqs.get(shard);
    if (found !== seq) tell(`a recovery from ${source} has ${found} entries of shard ${shard}, not ${seq}`);
  }
  const answers = new Map<string, string>();
  const loads: Array<readonly [address: string, known: KnownHistory]> = [];
  const domain = new Domain({
    domain: 0,
    incarnation: 1,
    shardCount,
    isOwned: () => true,
    definitions: new Map(definitions.map((definition) => [definition.type, definition])),
    outside: new Set(),
    limits: LIMITS,
    recovered,
    ports: {
      nowMs: () => simulation.clock.wallMs(),
      load: (address, known) => loads.push([address, known]),
      submit: () => tell(`a recovery from ${source} writes`),
      answer: (caller, answer) => answers.set(addresses[caller] ?? "", bytesOf(answer)),
      send: () => tell(`a recovery from ${source} sends`),
      perform: () => tell(`a recovery from ${source} performs`),
      cancel: () => tell(`a recovery from ${source} cancels`),
      credit: () => tell(`a recovery from ${source} gives credit`),
      crashed: (address, doing, cause) => tell(`${address} crashed in ${doing} in a recovery from ${source}: ${String(cause)}`),
    },
  });
  domain.resume();
  for (const [caller, to] of addresses.entries()) {
    domain.command({ kind: "command", caller, to, ...look(to), id: null, deadlineAt: Number.MAX_SAFE_INTEGER, trace: null });
  }
  for (const [address, known] of loads) domain.loaded(address, readEntity(address, known, sources));
  while (domain.run(1000));
  return answers;
}
