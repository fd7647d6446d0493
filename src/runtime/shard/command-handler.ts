import type { Answer, Decision, EventBase } from "../kernel/decision.ts";
import { RECORDED_ANSWER } from "../kernel/definition.ts";
import { sha256Base64Url } from "../kernel/digest.ts";
import type { Json } from "../kernel/json.ts";
import type { CommitGate } from "./commit-gate.ts";
import { answerOf, leavesTrace } from "./decided.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import { NO_ORIGIN } from "./effect-opener.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Handlers } from "./handlers.ts";
import { KeyTable } from "./key-table.ts";
import type { CommandMessage } from "./message.ts";
import type { Outputs } from "./outputs.ts";
import type { PendingEntry } from "./pending-entry.ts";
import { entityFailed, refusal } from "./refusal.ts";
import { isFullOfWaiters, settle } from "./settling.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

/** The id of a command with `repeats: "recorded"`, and what tells its body from another one. */
interface CommandKey {
  readonly id: string;
  readonly print: string;
}

/** Handles clients' commands, each id once (L3). */
export class CommandHandler {
  readonly #gate: CommitGate;
  readonly #ports: DomainPorts;
  readonly #turn: Turn;
  readonly #handlers: Handlers;
  readonly #writer: EntryWriter;
  readonly #outputs: Outputs;

  constructor(options: {
    readonly gate: CommitGate;
    readonly ports: DomainPorts;
    readonly turn: Turn;
    readonly handlers: Handlers;
    readonly writer: EntryWriter;
    readonly outputs: Outputs;
  }) {
    this.#gate = options.gate;
    this.#ports = options.ports;
    this.#turn = options.turn;
    this.#handlers = options.handlers;
    this.#writer = options.writer;
    this.#outputs = options.outputs;
  }

  handle(slot: Slot, message: CommandMessage): void {
    const { caller, id } = message;
    const outputs = this.#outputs;
    if (message.deadlineAt < this.#turn.nowMs) {
      this.#turn.outcome = OUTCOME.expired;
      return this.#ports.answer(caller, EXPIRED);
    }
    if (slot.status === "failed") {
      this.#turn.outcome = OUTCOME.failed;
      return this.#ports.answer(caller, entityFailed(slot));
    }
    if (message.command === RECORDED_ANSWER) return this.#giveRecorded(slot, message);
    const key = keyOf(slot, message);
    const known = key === null ? null : this.#whatIsKnown(slot, key);
    if (known !== null) return outputs.answer(slot.changedIn, caller, known);
    const decision = this.#handlers.decide(slot, message.command, message.body, id ?? "");
    if (decision === null) return outputs.answer(slot.changedIn, caller, FAILED_INSIDE);
    if (key === null && decision.kind !== "accept") return outputs.answer(slot.changedIn, caller, answerOf(decision)); // Nothing to write.
    this.#carryOut(slot, message, decision, key);
  }

  #giveRecorded(slot: Slot, { caller, id }: CommandMessage): void {
    const kept = id === null ? undefined : slot.keys?.find(id);
    this.#turn.outcome = kept === undefined ? OUTCOME.rejected : OUTCOME.repeated;
    const unknown = refusal("not_found", `${slot.address} remembers no answer under this key.`);
    this.#outputs.answer(slot.changedIn, caller, kept === undefined ? unknown : { ...kept.answer, isRepeat: true });
  }

  /** The answer without running it: the first one again, or why the key cannot be taken. Null when it is to run. */
  #whatIsKnown(slot: Slot, { id, print }: CommandKey): Answer<Json> | null {
    const kept = slot.keys?.find(id);
    if (kept !== undefined) {
      this.#turn.outcome = OUTCOME.repeated;
      return kept.print === print ? { ...kept.answer, isRepeat: true } : KEY_REUSED;
    }
    if (slot.keys?.isFull(this.#turn.at) !== true) return null;
    this.#turn.outcome = OUTCOME.refused;
    return refusal(
      "keys_exhausted",
      `${slot.address} remembers as many keys as it may. It takes a new one when the oldest is 24 hours old.`,
    );
  }

  #carryOut(slot: Slot, message: CommandMessage, decision: Decision<EventBase, Json>, key: CommandKey | null): void {
    const { caller } = message;
    const writes = key !== null || leavesTrace(decision);
    const isWaiting = decision.kind === "accept" && decision.isAnsweredLater === true;
    if (isWaiting && isFullOfWaiters(slot)) {
      this.#turn.outcome = OUTCOME.refused;
      const detail = `${slot.waiters?.length} clients wait for ${slot.address} to settle; nothing was done. Send the command again later.`;
      return this.#outputs.answer(slot.changedIn, caller, refusal("MAILBOX_FULL", detail));
    }
    if (writes && this.#gate.isJournalDown) {
      this.#turn.outcome = OUTCOME.refused;
      return this.#ports.answer(caller, NO_WRITES);
    }
    const answer = answerOf(decision);
    if (writes) {
      const entry = this.#writer.write(slot, decision, message.trace === null ? NO_ORIGIN : { hops: 0, trace: message.trace });
      if (entry === null) return this.#outputs.answer(slot.changedIn, caller, FAILED_INSIDE);
      this.#record(slot, entry, message, key, answer);
    }
    if (isWaiting) this.#wait(slot, message, writes);
    else this.#outputs.answer(slot.changedIn, caller, answer, writes);
    if (decision.kind === "accept") settle(slot, decision, this.#outputs);
  }

  /** That it was handled commits with what came of it (L3). */
  #record(slot: Slot, entry: PendingEntry, { id }: CommandMessage, key: CommandKey | null, answer: Answer<Json>): void {
    if (key !== null) {
      entry.keys ??= [];
      entry.keys.push({ ...key, answer });
      slot.keys ??= new KeyTable();
      slot.keys.keep({ ...key, at: this.#turn.at, answer });
    } else if (id !== null) {
      entry.ids ??= [];
      entry.ids.push(id);
    }
  }

  #wait(slot: Slot, { caller, id }: CommandMessage, writes: boolean): void {
    slot.waiters ??= [];
    slot.waiters.push({ caller, id: id ?? "", group: writes ? this.#gate.gathering : 0 });
  }
}

/** Null of a command whose repeats are not recorded, or that has no id. */
function keyOf(slot: Slot, { command, body, id }: CommandMessage): CommandKey | null {
  if (id === null || slot.definition.commands[command]?.repeats !== "recorded") return null;
  return { id, print: sha256Base64Url(`${command} ${JSON.stringify(body)}`) };
}

const EXPIRED = refusal("DEADLINE_EXCEEDED", "The command waited longer than its deadline; it was not run.");
const KEY_REUSED = refusal("key_reused", "This key was used for another command. Use a new key for a new command.");
const FAILED_INSIDE = refusal("INTERNAL_ERROR", "The command failed inside; nothing was changed.");
const NO_WRITES = refusal(
  "JOURNAL_UNAVAILABLE",
  "The journal takes no writes at the moment; nothing was done. Send the command again later.",
);
