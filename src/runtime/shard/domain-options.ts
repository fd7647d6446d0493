import type { KnownHistory } from "../journal/read-entity.ts";
import type { Group } from "../journal/record.ts";
import type { Recovered } from "../journal/recovery.ts";
import type { Answer } from "../kernel/decision.ts";
import type { AnyDefinition } from "../kernel/definition.ts";
import type { PerformEffect } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { DomainMeter } from "./domain-meter.ts";
import type { Work } from "./effect-table.ts";
import type { DomainMessage } from "./message.ts";
import type { TracedMessage } from "./traced-message.ts";

/** What a domain asks of its thread. Calls return at once; results come back as inputs. None may call the domain again from inside. */
export interface DomainPorts {
  nowMs(): number;
  /** What `readEntity` answers comes back by `loaded`. */
  load(address: string, known: KnownHistory): void;
  /** Answered by `committed` or `refused`, in order. */
  submit(group: Group): void;
  answer(caller: number, answer: Answer<Json>): void;
  /** Answered by `performed`. */
  perform(effect: PerformEffect): void;
  /** The effect is over; its outcome is not waited for. */
  cancel(id: string): void;
  /** One more value of what the attempt told was handled. */
  credit(id: string, attempt: number): void;
  /** To the domain that owns the shard. */
  send(shard: number, message: DomainMessage): void;
  /** A fault that a person must see: what crashed, where, and why. */
  crashed(address: string, doing: string, cause: unknown): void;
  /** This is at work from now on, null when nothing is: kept where it outlives the thread. Left out when nobody counts deaths. */
  readonly atWork?: (work: Work) => void;
  /** A message of a sampled trace was handled. Left out when nobody wants to know: then no trace is looked at. */
  readonly traced?: (handled: TracedMessage) => void;
}

export interface DomainLimits {
  /** Client commands waiting for one entity. */
  readonly mailboxMax: number;
  /** Messages one entity handles before the next ready one gets its turn. */
  readonly turnMessagesMax: number;
  /** Entries that end a group. */
  readonly groupEntriesMax: number;
  /** Groups handed to the journal and not yet answered. */
  readonly groupsInFlightMax: number;
  /** Open effects above which new commands are refused (`OVERLOADED`). */
  readonly effectsMax: number;
  /** Tells and asks that one other domain has not handled, from which on new commands are refused (`OVERLOADED`). */
  readonly portMessagesMax: number;
  /** Entities with changes that no snapshot holds, above which new commands are refused (`OVERLOADED`). */
  readonly dirtyMax: number;
  /** Estimated bytes of the entities in memory above which new commands are refused (`OVERLOADED`). */
  readonly entitiesBytesMax: number;
  /** Causes without an outside input before a chain of tells ends as a dead letter. */
  readonly hopsMax: number;
  /** Entities with entries after the checkpoint that one run wakes after a recovery. */
  readonly tailsWokenMax: number;
}

/** Switches that each break one rule, to prove that a check notices. Never set outside checks. */
export type PlantedBug = "reply-before-commit" | "dedup-not-rebuilt" | "perform-before-commit";

export interface DomainOptions {
  readonly domain: number;
  readonly incarnation: number;
  readonly shardCount: number;
  /** Does this domain own the shard? */
  readonly isOwned: (shard: number) => boolean;
  /** Which domain owns it? When absent, all other domains share one port's credits. */
  readonly domainOf?: (shard: number) => number;
  readonly definitions: ReadonlyMap<string, AnyDefinition>;
  /** Names of the ports that outside effects may go to. */
  readonly outside: ReadonlySet<string>;
  readonly limits: DomainLimits;
  readonly recovered: Recovered;
  /** What was at work in too many deaths of a thread, by the words of `workOf`; it is not done any more (S9). */
  readonly poison?: ReadonlySet<string>;
  readonly ports: DomainPorts;
  /** Takes times by a clock of its own; without one, by the ports' clock. */
  readonly meter?: DomainMeter;
  readonly plantedBug?: PlantedBug | null;
}
