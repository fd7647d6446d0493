import type { Answer, AnyDefinition, AskOf, AskOptions, Code, Json } from "../runtime/index.ts";
import type { ConversationReads } from "./conversation-reads.ts";
import type { KeyRing } from "./keys/key-ring.ts";
import type { PartMeasures } from "./observe/measure.ts";

/**
 * A running node, as ingress (HTTP, command line), benches, tests and embedders see it. Every `ask` answers a value: a reply, or a refusal
 * whose code stands in the one table (`STATUS_OF_CODE`); it rejects only for a programmer's error. An answer is given after the commit
 * it depends on is durable (L2).
 */
export interface TroupeSystem extends AsyncDisposable, ConversationReads {
  /** A typed reference: `system.entity(account, "alice").ask.get({})`. */
  entity<Definition>(definition: Definition & Pick<AnyDefinition, "type">, id: string): { readonly ask: AskOf<Definition> };
  /** The same without types, for doors that have parsed and checked the body themselves. */
  ask(address: string, command: string, body: Json, options?: AskOptions): Promise<Answer<Json>>;
  /** Entries of an account above `after`, oldest first, at most `limit`; sees every commit up to the call, else `VIEW_BEHIND`. */
  statement(accountId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>>;
  /** Sums by currency at one position of the journal; sees every commit up to the call, else `VIEW_BEHIND`. */
  trialBalance(): Promise<Answer<TrialBalance>>;
  readiness(): Promise<Readiness>;
  /** Figures for checks and benches: read, never wakes an entity. */
  figures(): Promise<SystemFigures>;
  /** What each part counted, for `/metrics`. A part that does not answer within a second is named, and the others answer. */
  measures(): Promise<readonly PartMeasures[]>;
  /** Seals the texts of conversations before they become commands, and opens what reads show. Closed with the system. */
  readonly keyRing: TextRing;
  /**
   * Gives the conversation a key unless it has, or had, one; durable when it resolves. Apart from the ring, because a sync of the disk would hold up whoever the main thread
   * serves. @throws Fault `JOURNAL_UNAVAILABLE`: nothing is known, to be called again.
   */
  makeKey(conversationId: string): Promise<void>;
  /**
   * Destroys the key of a conversation whose deletion is durable. False: not within `msMax`; then the deletion's own effect does it, at the latest after the
   * next start.
   */
  destroyKey(conversationId: string, msMax: number): Promise<boolean>;
  /** How what is outside gets on, for doors that would wait for it. */
  readonly ports: PortLook;
  /** Commands accepted and not yet answered. */
  readonly inFlight: number;
}

/** What doors need of the ring of keys. Only the effects thread makes one, and destroys one after the deletion is durable: each is a sync of the disk. */
export type TextRing = Pick<KeyRing, "has" | "seal" | "open">;

/** What doors may ask of the ports behind which something outside the node is. */
export interface PortLook {
  /** For how long the port's breaker lets nothing in; null when an attempt would be made, or nothing is known of the port. */
  refusesMs(port: string): number | null;
  /** The attempt at the port that ended last failed, and may be made again. */
  isFailing(port: string): boolean;
  /** Calls `listener` each time the port's breaker opens. It must not throw. @returns what ends that. */
  onOpen(port: string, listener: () => void): () => void;
}

/** Amounts are minor units as decimal strings; `amount` is signed: negative for money that left the account. */
export interface StatementEntry {
  readonly sequence: number;
  readonly transferId: string;
  readonly amount: string;
  readonly balance: string;
  readonly currency: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}
export interface StatementPage {
  readonly entries: readonly StatementEntry[];
  /** There are entries after the last one of this page. */
  readonly hasMore: boolean;
}
export interface TrialBalance {
  /** Sequence of the journal record up to which everything is counted. */
  readonly position: number;
  readonly lines: readonly TrialLine[];
}
/** Minor units as decimal strings. `total` = customer + system + world + inTransit, 0 when the books are right. */
export interface TrialLine {
  readonly currency: string;
  readonly customer: string;
  readonly system: string;
  readonly world: string;
  readonly inTransit: string;
  readonly total: string;
  readonly accounts: number;
  readonly entries: number;
}
/** One condition of readiness. `detail` says what was seen, and with `isOk` false what is wrong. */
export interface Check {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: string;
  /** Of a failing check: the code of the table that callers meet meanwhile. Absent when they meet none: the node does its work without it. */
  readonly code?: Code;
}
export interface Readiness {
  readonly isReady: boolean;
  /** Every condition that was looked at, in order of weight. */
  readonly checks: readonly Check[];
  /** What keeps it from being ready, one sentence each; empty when ready. */
  readonly reasons: readonly string[];
  /** What is wrong and does not keep it from serving, a broker that is down for example; one sentence each. */
  readonly degraded: readonly string[];
  /** The code of the first reason. */
  readonly code?: Code;
  /** Durability in force, e.g. "SQLite, synchronous=FULL". */
  readonly durability: string;
  readonly position: number;
}
export interface ShardThreadFigures {
  readonly thread: number;
  readonly shards: number;
  readonly messagesHandled: number;
  readonly entitiesInMemory: number;
  /** Estimated bytes that these take. */
  readonly entitiesBytes: number;
  readonly openEffects: number;
  readonly checkpoints: number;
  readonly passivations: number;
  /** Commands that were dropped before they began, because their clients had gone away. */
  readonly commandsCancelled: number;
}
export interface SystemFigures {
  readonly shardThreads: readonly ShardThreadFigures[];
  readonly journal: {
    readonly synchronous: string;
    readonly commits: number;
    readonly groups: number;
    readonly entries: number;
    readonly bytes: number;
    readonly fsyncs: number;
    readonly position: number;
  };
  readonly views: { readonly position: number; readonly findings: readonly string[] };
}
