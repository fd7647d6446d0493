import type { OpenEffect } from "../journal/snapshots.ts";
import type { StoredTimer } from "../journal/timer.ts";
import type { Answer } from "../kernel/decision.ts";
import type { EffectOutcome } from "../kernel/effect-protocol.ts";
import type { Json } from "../kernel/json.ts";
import type { LiveEffect } from "./effect-table.ts";
import type { OutsideLive } from "./outside-effects.ts";

/** What waits in an entity's mailbox. */
export type Message =
  | CommandMessage
  | TellMessage
  | AskMessage
  | AnswerMessage
  | ProgressMessage
  | OutcomeMessage
  | ResolveMessage
  | TimerMessage;

/** A client's command. `caller` is the number under which its door waits; `deadlineAt` is compared before the first handling only. */
export interface CommandMessage {
  readonly kind: "command";
  readonly caller: number;
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly id: string | null;
  readonly deadlineAt: number;
  readonly trace: string | null;
}

/** A durable command of an entity. `live` is the sender's record of it, null when the sender is in another domain. */
export interface TellMessage {
  readonly kind: "tell";
  readonly effect: OpenEffect;
  readonly live: LiveEffect | null;
}

/** A read-only question of an entity. */
export interface AskMessage {
  readonly kind: "ask";
  readonly effect: OpenEffect;
  readonly live: LiveEffect | null;
}

/** The answer to an effect of the entity in whose mailbox it lies. */
export interface AnswerMessage {
  readonly kind: "answer";
  readonly live: LiveEffect;
  readonly answer: Answer<Json>;
  /** The attempt that brought it, of an outside effect. */
  readonly attempt?: number;
}

/** What the port of an outside effect of the entity told while it attempted it. */
export interface ProgressMessage {
  readonly kind: "progress";
  readonly live: OutsideLive;
  readonly attempt: number;
  readonly value: Json;
}

/** How an attempt at an outside effect of the entity went. */
export interface OutcomeMessage {
  readonly kind: "outcome";
  readonly live: OutsideLive;
  readonly attempt: number;
  readonly outcome: Exclude<EffectOutcome, { readonly kind: "postponed" }>;
}

/** A timer of the entity that is due. */
export interface TimerMessage {
  readonly kind: "timer";
  readonly timer: StoredTimer;
}

/** What a person does with an open effect: `replay` a dead letter; end it without its work (`drop` a dead letter, `cancel` another). */
export interface ResolveMessage {
  readonly kind: "resolve";
  readonly live: OutsideLive;
  readonly action: EffectAction;
  readonly caller: number;
}
export type EffectAction = "replay" | "drop" | "cancel";

/** What travels between domains. It leaves only after the commit of the group that made it (L2). */
export type DomainMessage =
  | { readonly kind: "tell" | "ask"; readonly effect: OpenEffect }
  | { readonly kind: "answer"; readonly id: string; readonly answer: Answer<Json> }
  /** The sender's closing entry is committed: the receiver may forget that it handled this tell. */
  | { readonly kind: "closed"; readonly id: string }
  /** Sent after a recovery at either end, when everything open was sent again: of what `shards` told shard `to`, the rest was closed. */
  | { readonly kind: "open"; readonly to: number; readonly shards: readonly number[]; readonly ids: readonly string[] };
