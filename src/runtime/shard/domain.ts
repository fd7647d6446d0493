import type { Entry } from "../journal/record.ts";
import type { OpenEffect, Snapshot } from "../journal/snapshots.ts";
import type { StoredTimer, TimerWindow } from "../journal/timer.ts";
import type { EffectLook, FromPerformer } from "../kernel/effect-protocol.ts";
import { Activation } from "./activation.ts";
import { workOf } from "./at-work.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { Checkpoints } from "./checkpoints.ts";
import { CommandDoor } from "./command-door.ts";
import { CommitGate } from "./commit-gate.ts";
import { Delivery } from "./delivery.ts";
import { DomainMeter, OUTCOME, OUTCOMES } from "./domain-meter.ts";
import type { DomainLimits, DomainOptions, DomainPorts } from "./domain-options.ts";
import { OUTSIDE } from "./effect-opener.ts";
import { type EffectPage, lookAt, lookOf } from "./effect-page.ts";
import { EffectTable, LiveEffect } from "./effect-table.ts";
import { type EntityLook, lookOfEntity } from "./entity-look.ts";
import { EntityMemory } from "./entity-memory.ts";
import type { CommandMessage, DomainMessage, EffectAction, Message } from "./message.ts";
import { MessageHandlers } from "./message-handlers.ts";
import { Outputs } from "./outputs.ts";
import { isOutside, OutsideEffects } from "./outside-effects.ts";
import { Passivation } from "./passivation.ts";
import { Peers } from "./peers.ts";
import { CONTINUED_IN_A_ROW_MAX, ReadyEntities } from "./ready-entities.ts";
import { refusal } from "./refusal.ts";
import type { RetiredBatch } from "./retired.ts";
import { SeenTells } from "./seen-tells.ts";
import type { Slot } from "./slot.ts";
import { Timers } from "./timers.ts";
import { type TracedMessage, tracedOf } from "./traced-message.ts";
import { Turn } from "./turn.ts";

/** Handled messages, entities, effects: counts since the domain started. */
export interface DomainFigures {
  readonly messagesHandled: number;
  readonly entities: number;
  /** Estimated. */
  readonly entitiesBytes: number;
  readonly openEffects: number;
  readonly passivations: number;
  readonly deadLetters: number;
  /** Dropped before they began, because their clients had gone away. */
  readonly commandsCancelled: number;
  readonly dirty: number;
}

/**
 * The single-writer loop of one commit domain: all shards of one thread. Synchronous and free of I/O: inputs are method calls, outputs
 * go to ports; the thread's shell and the simulation drive this same code.
 *
 * S1. One message at a time, per entity in arrival order (L1). A handler never sees a state that its own earlier messages did not make.
 * S2. State in memory may be ahead of the journal; nothing that depends on it leaves before the commit (L2, `CommitGate`).
 * S3. A handled tell always makes an entry that names its cause, so that it is never handled again (L3).
 * S4. A tell of another domain is known by its id from its arrival until its sender closed it: a second copy is not handled.
 * S5. After one refused group nothing leaves any more; the thread ends and its successor recovers (no selective undo).
 * S6. An entity leaves memory only when no message waits, nobody waits for it, and a snapshot holds its last entry.
 * S7. The answer to an effect of an entity that cannot be rebuilt is not thrown away: the effect stays open with its answer, and a program
 *     that can rebuild the entity gets it at its start.
 * S8. How an attempt at an outside effect went is an entry before anything else comes of it: attempts survive a crash, and are counted.
 * S9. What ended its thread too often is not given to its entity any more: a command is refused, a tell, an answer or a timer is a dead letter, an
 *     entity that cannot be read without it is like one that cannot be rebuilt.
 */
export class Domain {
  readonly #ports: DomainPorts;
  readonly #limits: DomainLimits;
  readonly #meter: DomainMeter;
  readonly #traced: ((handled: TracedMessage) => void) | null;
  readonly #isDedupLost: boolean;
  readonly #gate: CommitGate;
  readonly #turn: Turn;
  readonly #effects: EffectTable;
  readonly #outside = new OutsideEffects();
  readonly #timers: Timers;
  readonly #seen: SeenTells;
  readonly #outputs: Outputs;
  readonly #memory = new EntityMemory();
  readonly #activation: Activation;
  readonly #passivation: Passivation;
  readonly #checkpoints: Checkpoints;
  readonly #ready = new ReadyEntities();
  readonly #delivery: Delivery;
  readonly #door: CommandDoor;
  readonly #peers: Peers;
  readonly #messages: MessageHandlers;
  /** The last sequence of each shard of this domain. */
  readonly #seqs: Map<number, number>;
  #committedSeq: number;

  constructor(options: DomainOptions) {
    const { ports, limits, recovered, isOwned, shardCount, definitions } = options;
    this.#ports = ports;
    this.#limits = limits;
    this.#meter = options.meter ?? new DomainMeter(() => ports.nowMs());
    this.#traced = ports.traced ?? null;
    this.#isDedupLost = options.plantedBug === "dedup-not-rebuilt";
    this.#gate = new CommitGate({ domain: options.domain, incarnation: options.incarnation });
    this.#turn = turnOf(options);
    this.#effects = effectTableOf(options);
    this.#timers = new Timers({ changes: recovered.timers, isOwned });
    this.#seen = new SeenTells(this.#isDedupLost ? [] : recovered.handled);
    this.#seqs = seqsOf(options);
    this.#committedSeq = recovered.position;
    const tables = {
      meter: this.#meter,
      gate: this.#gate,
      turn: this.#turn,
      effects: this.#effects,
      outside: this.#outside,
      timers: this.#timers,
      seen: this.#seen,
      memory: this.#memory,
      ready: this.#ready,
      seqs: this.#seqs,
    };
    const given = { ...tables, ports, limits, isOwned, shardCount };
    this.#outputs = new Outputs({ ...given, plantedBug: options.plantedBug ?? null });
    this.#activation = new Activation({ ...given, definitions, mailboxMax: limits.mailboxMax, tail: recovered.tail });
    this.#passivation = new Passivation(given);
    this.#checkpoints = new Checkpoints({ ...given, passivation: this.#passivation });
    this.#door = new CommandDoor({ ...given, activation: this.#activation, checkpoints: this.#checkpoints });
    this.#delivery = new Delivery({ ...given, activation: this.#activation, outputs: this.#outputs });
    const ways = { ...given, activation: this.#activation, outputs: this.#outputs, delivery: this.#delivery };
    this.#peers = new Peers(ways);
    this.#messages = new MessageHandlers({
      ...ways,
      incarnation: options.incarnation,
      hopsMax: limits.hopsMax,
      outsidePorts: options.outside,
    });
    for (const effect of recovered.effects) this.#reopen(effect);
  }

  #reopen(effect: OpenEffect): void {
    const toShard = effect.outside === undefined ? this.#activation.shardOf(effect.to) : OUTSIDE;
    const live = new LiveEffect({ effect, toShard, openedIn: 0 });
    this.#effects.open(live);
    if (isOutside(live)) this.#outside.open(live);
  }

  /**
   * The last step of a start: offers again, in order, what is open and was not handled; what was handled only gets its answer. Called once, when
   * the ports work. The entities that have entries after the checkpoint wake in the runs after it, some in each, so that whoever waits for one of them does not wait for all.
   * @throws Error when one of them is of a type that this program does not have.
   */
  resume(): void {
    this.#activation.assertTailsKnown();
    for (const live of this.#effects.all()) {
      if (live.answer !== null && !this.#isDedupLost) this.#delivery.answer(live, live.answer);
      else this.#delivery.offer(live);
    }
    this.#peers.recovered();
  }

  // Inputs -------------------------------------------------------------------------------------------------------------------------

  /** A client's command. Refused at once, with nothing kept, when a limit is reached (L6). */
  command(message: CommandMessage): void {
    this.#door.take(message);
  }

  /** The clients of these commands went away: what still waits is dropped and answered as surely not run; what has begun goes on. */
  cancel(commands: Iterable<readonly [caller: number, to: string]>): void {
    this.#door.cancel(commands);
  }

  /** A message of another domain. */
  receive(message: DomainMessage): void {
    if (!this.#gate.isDropped) this.#peers.receive(message);
  }

  /** Answer to `load`: the entity's snapshot or the entry that is its whole history, null when there is none, or why it cannot be read. */
  loaded(address: string, stored: Snapshot | Entry | null, failure: unknown = null): void {
    const slot = this.#activation.loaded(address, stored, failure);
    if (slot !== null && slot.mailbox.count > 0) this.#ready.add(slot);
  }

  /** How an attempt went, or goes on. One that nobody waits for any more changes nothing (L7). */
  performed(outcome: FromPerformer): void {
    this.#messages.attempts.performed(outcome);
  }

  /** Whoever performed effects is gone, and its successor is there: what was under way is handed out again, with the same id and, but for X4, attempt. */
  performerLost(): void {
    this.#messages.attempts.performerLost();
  }

  /** A person's decision about an open effect; `caller` is answered. */
  resolve(decided: { readonly caller: number; readonly id: string; readonly action: EffectAction }): void {
    this.#messages.resolutions.decided(decided);
  }

  /** A page of the open effects, dead letters among them: see `lookAt`. */
  effectLooks(page: EffectPage): readonly EffectLook[] {
    return lookAt(this.#effects.all(), page, this.#turn.nowMs);
  }

  /** One open effect; null when it is over, or was never. */
  effectLook(id: string): EffectLook | null {
    const live = this.#effects.lookFor(id);
    return live === undefined ? null : lookOf(live, this.#turn.nowMs);
  }

  /** When something is due that no input brings; Infinity = nothing is. The thread reads what `timersWanted` says, and calls `run`, then. */
  get nextDueMs(): number {
    if (this.#gate.isDropped) return Number.POSITIVE_INFINITY;
    // A group that waits for room fires no timer that became due since it began, and its commit brings the next run: looking again would spin.
    const areTimersHeld = this.#gate.isJournalDown || this.#gate.entriesCount > 0;
    return Math.min(this.#outside.nextAt ?? Number.POSITIVE_INFINITY, areTimersHeld ? Number.POSITIVE_INFINITY : this.#timers.nextAt);
  }

  /** Timers to be read from the store, given to `timersLoaded` before anything else happens; null when none are wanted now. */
  get timersWanted(): TimerWindow | null {
    return this.#gate.isDropped || this.#gate.isJournalDown ? null : this.#timers.wanted(this.#ports.nowMs());
  }
  /** Timers in memory that are due within the window. */
  get timersArmed(): number {
    return this.#timers.armedCount;
  }
  timersLoaded(window: TimerWindow, rows: ReadonlyArray<StoredTimer & { readonly id: number }>): void {
    this.#timers.loaded(window, rows, this.#ports.nowMs());
  }

  /** The group is durable; `seq` is its sequence in the journal. */
  committed(number: number, seq: number): void {
    if (this.#gate.isDropped) return;
    this.#committedSeq = seq;
    this.#checkpoints.groupCommitted(number, seq);
    for (const output of this.#gate.commit(number)) this.#outputs.release(output);
    this.#passivation.groupCommitted(number, seq);
  }

  /**
   * A group was refused (S5). Callers get to know what is known: what a command wrote in a lost group is surely not done; one that was
   * accepted in a committed group goes on after the recovery; and one that wrote nothing itself, or has not run, may be the repeat of one
   * that did.
   */
  refused(): void {
    if (this.#gate.isDropped) return;
    const notDone = refusal(
      "JOURNAL_UNAVAILABLE",
      "The journal could not store this; nothing was done. Send the command again with the same key.",
    );
    const unknown = refusal("OUTCOME_UNKNOWN", "The journal failed while this was under way. Send the command again with the same key.");
    for (const output of this.#gate.drop()) {
      if (output.kind === "answer") this.#ports.answer(output.caller, output.isFinal ? notDone : unknown);
    }
    for (const slot of this.#memory.slots.values()) {
      for (const waiter of slot.waiters ?? [])
        this.#ports.answer(waiter.caller, waiter.group > this.#gate.committedLast ? notDone : unknown);
      const isAbsent = slot.status === "ready" && slot.seq === 0;
      for (const message of slot.mailbox) {
        if (message.kind === "command") this.#ports.answer(message.caller, isAbsent ? notDone : unknown);
        else if (message.kind === "resolve") this.#ports.answer(message.caller, notDone);
      }
    }
  }

  /** While the journal takes no writes, reads are answered, writes are refused, and tells wait. */
  journalDown(isDown: boolean): void {
    this.#gate.isJournalDown = isDown;
    if (!isDown) this.#messages.parked.release();
  }

  /**
   * Another domain has a new incarnation: what its old one sent and was not handled here is forgotten (its successor sends it again).
   * Returns the last group that holds something handled so far: once that is committed, the successor may read the journal.
   */
  peerChanged(isPeerShard: (shard: number) => boolean): number {
    return this.#peers.changed(isPeerShard);
  }
  /** The successor is there: what is open from here to its shards is sent to it, and then what is open at all. */
  resend(isPeerShard: (shard: number) => boolean): void {
    if (!this.#gate.isDropped) this.#peers.resend(isPeerShard);
  }
  isCommitted(group: number): boolean {
    return group <= this.#gate.committedLast;
  }

  /** Handles waiting messages, about `messagesMax` of them, and hands out a group. True when another run has something to do. */
  run(messagesMax: number): boolean {
    if (this.#gate.isDropped) return false;
    this.#turn.begin(this.#ports.nowMs(), this.#gate.entriesCount > 0);
    this.#messages.attempts.performDue();
    if (this.#activation.hasSleepingTails) this.#activation.wakeTails(this.#limits.tailsWokenMax);
    if (!this.#gate.isJournalDown) this.#messages.timers.fire();
    let left = messagesMax;
    // What is going on inside the domain is finished first: an effect that is closed in the group of its opening is not written (E2).
    while (left > 0 || (this.#ready.isContinuing && left > -CONTINUED_IN_A_ROW_MAX)) {
      const isFull = this.#gate.weight >= this.#limits.groupEntriesMax;
      if (isFull && !this.flush()) return false; // `committed` makes room again.
      const slot = this.#ready.next();
      if (slot === undefined) break;
      left -= this.#giveTurn(slot);
    }
    this.flush();
    this.#turn.takeUp(null);
    return this.hasReady;
  }

  /** Hands the gathering group to the journal. False when as many are in flight as may be. */
  flush(): boolean {
    if (this.#gate.inFlightCount >= this.#limits.groupsInFlightMax) return false;
    const entries = this.#gate.entries;
    const group = this.#gate.cut(this.#turn.at);
    if (group === null) return true;
    this.#ports.submit(group);
    this.#passivation.groupCut(group.number, entries);
    return true;
  }

  // Checkpoint, passivation, inspection --------------------------------------------------------------------------------------------

  /**
   * Takes a checkpoint of what changed. Null when one is under way, when a group gathers and cannot be handed out now, and while entities with
   * entries after the last checkpoint are still being read: the positions must not move past what no snapshot holds. `journalSeq` is what the
   * whole journal had committed before the call: with nothing in flight, all groups of this domain to come lie above it.
   */
  beginCheckpoint(journalSeq: number): Checkpoint | null {
    if (this.#gate.isDropped || !this.#checkpoints.mayBegin || this.#activation.isReadingTails) return null;
    if (this.#gate.entriesCount > 0 && !this.flush()) return null;
    return this.#checkpoints.begin({
      group: this.#gate.cutLast,
      position: this.#gate.inFlightCount === 0 ? Math.max(this.#committedSeq, journalSeq) : null,
      handled: this.#seen.handled(),
      seqs: this.#seqs,
      at: this.#turn.at,
    });
  }

  /** The store could not take it: its entities are to be in the next one. */
  abandonCheckpoint(): void {
    this.#checkpoints.abandon();
  }

  /**
   * Finished entities for the store, apart from a checkpoint: most of what a ledger changes would
   * otherwise wait for one in memory. Null when there are fewer than `rowsMin`, or the store is taking others, or a checkpoint. The positions stay
   * where they are: snapshots may be ahead of them. Answered by `retiredStored`.
   */
  takeRetired(limits: { readonly rowsMin: number; readonly rowsMax: number }): RetiredBatch | null {
    return this.#gate.isDropped ? null : this.#checkpoints.takeRetired(limits);
  }

  /** What `takeRetired` gave is in the store, or not all of it. */
  retiredStored(isStored: boolean): void {
    this.#checkpoints.retiredStored(isStored);
  }

  /** An entity with entries after the checkpoint could not be rebuilt: the positions must not move past what it needs. */
  get isPinned(): boolean {
    return this.#activation.isPinned;
  }

  /** The store holds the checkpoint: clean entities that are finished leave memory. */
  endCheckpoint(): void {
    this.#checkpoints.end(this.#activation.isPinned);
  }

  /** Looks at most at `stepsMax` entities and passivates those untouched since `idleSince` (S6). Returns how many left. */
  passivate(options: { readonly idleSince: number; readonly stepsMax: number }): number {
    return this.#passivation.passivate(options);
  }

  /**
   * Lets entities leave while all of them take more than `bytesMax` (S6): looks at `stepsMax` of them, on from the last look, and passivates of these the
   * ones with the largest bytes x idle time, at most half, so that what is small or in use stays. Returns how many left.
   */
  passivateLargest(options: { readonly bytesMax: number; readonly stepsMax: number }): number {
    return this.#passivation.passivateLargest({ ...options, nowMs: this.#turn.nowMs });
  }

  /** Estimated bytes of all entities in memory. */
  get bytes(): number {
    return this.#memory.bytes;
  }
  /** Another run has something to do. */
  get hasReady(): boolean {
    return !this.#ready.isEmpty || this.#activation.hasSleepingTails;
  }
  /** Entities with entries after the checkpoint are left to be woken: a run a turn is enough, so that what it read and committed leaves between them. */
  get isWaking(): boolean {
    return this.#activation.hasSleepingTails;
  }
  get isIdle(): boolean {
    return !this.hasReady && this.#gate.entriesCount === 0 && this.#gate.inFlightCount === 0;
  }
  /** Entities with changes that no snapshot holds. */
  get dirtyCount(): number {
    return this.#checkpoints.dirtyCount;
  }
  /** Entities that changed since the last checkpoint began: what a recovery has to read. */
  get changedCount(): number {
    return this.#checkpoints.changedCount;
  }
  get entitiesCount(): number {
    return this.#memory.count;
  }
  get committedSeq(): number {
    return this.#committedSeq;
  }
  /** Messages between entities that something is still to come of; without those whose entity cannot be rebuilt. */
  get effectsOpen(): number {
    return this.#effects.count - this.#outside.count - this.#messages.answers.strandedCount;
  }
  /** Open effects that leave the runtime: they may rest for hours, and a stop does not wait for them. */
  get outsideOpen(): number {
    return this.#outside.count;
  }
  /** Tells of other domains that arrived and whose sender has not said that it closed them. */
  get tellsSeen(): number {
    return this.#seen.count;
  }
  get meter(): DomainMeter {
    return this.#meter;
  }
  /** Entities in memory by type; finished ones that wait to be stored are not among them. */
  get entitiesByType(): ReadonlyMap<string, number> {
    return this.#memory.slots.countByType;
  }
  /** Each entity in memory once, in no order. May be gone through in pieces while the domain works. */
  *look(): Generator<EntityLook, void> {
    for (const slot of this.#memory.slots.values()) yield lookOfEntity(slot, this.#turn.nowMs);
  }
  figures(): DomainFigures {
    return {
      messagesHandled: this.#meter.messagesHandled,
      entities: this.entitiesCount,
      entitiesBytes: Math.round(this.bytes),
      openEffects: this.#effects.count,
      passivations: this.#meter.passivations,
      deadLetters: this.#meter.deadLetters,
      commandsCancelled: this.#meter.commandsCancelled,
      dirty: this.dirtyCount,
    };
  }

  // One message --------------------------------------------------------------------------------------------------------------------

  #giveTurn(slot: Slot): number {
    slot.isQueued = false;
    let handled = 0;
    // Read once: as fields they are read again after every call, which cost 6 of 110 ns a message.
    const turn = this.#turn;
    const meter = this.#meter;
    const messages = this.#messages;
    const gate = this.#gate;
    const counts = meter.countsOf(slot.definition.type);
    while (handled < this.#limits.turnMessagesMax) {
      const message = slot.mailbox.take();
      if (message === undefined) break;
      handled++;
      const isSampled = meter.isSampled(message);
      if (isSampled) meter.began();
      turn.outcome = OUTCOME.dropped;
      turn.takeUp(workOf(message, gate.committedLast));
      messages.handle(slot, message);
      counts[turn.outcome] = (counts[turn.outcome] ?? 0) + 1;
      if (isSampled) meter.ended(slot.address);
      if (this.#traced !== null) this.#tellTraced(slot, message, this.#traced);
    }
    meter.messagesHandled += handled;
    this.#endTurn(slot);
    return handled + 1;
  }

  #tellTraced(slot: Slot, message: Message, tell: (handled: TracedMessage) => void): void {
    const traced = tracedOf(slot.address, message, OUTCOMES[this.#turn.outcome] ?? "dropped");
    if (traced !== null) tell(traced);
  }

  #endTurn(slot: Slot): void {
    slot.touchedAt = this.#turn.nowMs;
    if (slot.mailbox.count > 0) return this.#ready.add(slot);
    slot.mailbox.release();
    this.#passivation.turnEnded(slot);
  }
}

/** Stands for all other domains. */
const OTHERS = -1;

function turnOf({ ports, recovered, poison }: DomainOptions): Turn {
  return new Turn({ nowMs: ports.nowMs(), at: recovered.at, note: ports.atWork ?? null, poison: poison ?? new Set() });
}

function effectTableOf({ limits, isOwned, domainOf = () => OTHERS }: DomainOptions): EffectTable {
  return new EffectTable({ messagesMax: limits.portMessagesMax, peerOf: (shard) => (isOwned(shard) ? null : domainOf(shard)) });
}

function seqsOf({ recovered, shardCount, isOwned }: DomainOptions): Map<number, number> {
  const seqs = new Map(recovered.seqs);
  for (let shard = 0; shard < shardCount; shard++) if (isOwned(shard) && !seqs.has(shard)) seqs.set(shard, 0);
  return seqs;
}
