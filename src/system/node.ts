import {
  ActorSystem,
  type Answer,
  type AnyDefinition,
  type AskOf,
  type AskOptions,
  addressOf,
  type Code,
  type Component,
  type CrashReport,
  Fault,
  type Json,
  partsOf,
  type Refusal,
  shardOf,
  type TreeNode,
  whyNotId,
} from "../runtime/index.ts";
import { actorPorts } from "./actor-ports.ts";
import type { EntityPage, Inspected, ThreadTop } from "./admin/inspected.ts";
import type { CheckpointControl } from "./checkpoint-worker.ts";
import type { Config } from "./config/config.ts";
import {
  type ConversationMessage,
  FEED_IDX_MAX,
  type FeedPage,
  type FeedPlace,
  type MessagePage,
  type TurnRange,
  type TurnText,
} from "./conversation-reads.ts";
import type { DataDir } from "./data-dir.ts";
import { OpenEffects } from "./effects/open-effects.ts";
import type { PortStates } from "./effects/port-states.ts";
import type { EffectsControl } from "./effects-worker.ts";
import type { FeedListeners } from "./feed-listeners.ts";
import type { JournalControl } from "./journal-worker.ts";
import type { KeyRing } from "./keys/key-ring.ts";
import type { Log } from "./observe/log.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { type Measure, measure, type PartMeasures, type TakenMeasures } from "./observe/measure.ts";
import { outboxCheck } from "./outbox/outbox-check.ts";
import type { OutboxControl } from "./outbox-worker.ts";
import { readinessOf, STUCK_MS } from "./readiness.ts";
import { freeBytesOf } from "./sqlite/disk-space.ts";
import type { Check, PortLook, Readiness, StatementPage, SystemFigures, TrialBalance, TroupeSystem } from "./system.ts";
import type { CommandRouter } from "./threads/command-router.ts";
import type { Control } from "./threads/control.ts";
import type { PeekQuery } from "./threads/entity-peek.ts";
import type { HeartbeatWatch } from "./threads/heartbeat-watch.ts";
import type { ShardThreads } from "./threads/shard-threads.ts";
import type { ThreadComponent } from "./threads/thread-component.ts";
import { firstCause, ingressSpec, ROOT_SUPERVISION, refusingStart, StartRefused, systemSpec } from "./tree.ts";
import type { ViewsControl } from "./views-worker.ts";

export interface NodeParts {
  readonly storeId: string;
  readonly config: Config;
  readonly log: Log;
  readonly dataDir: DataDir;
  readonly threadCount: number;
  readonly committed: SharedArrayBuffer;
  readonly router: CommandRouter;
  readonly heartbeats: HeartbeatWatch;
  readonly journal: ThreadComponent<JournalControl>;
  readonly checkpoint: ThreadComponent<CheckpointControl>;
  readonly views: ThreadComponent<ViewsControl>;
  readonly feeds: FeedListeners;
  /** Null when no events leave. */
  readonly outbox: ThreadComponent<OutboxControl> | null;
  readonly keyRing: KeyRing;
  readonly shards: ShardThreads;
  readonly ports: PortStates;
  /** Null when no module was given. */
  readonly effects: ThreadComponent<EffectsControl> | null;
}

/** What a node has done and still has to do: a stop reads it twice and tells the difference. null = the threads that know did not answer. */
export interface Tally {
  /** Commands answered since the start. */
  readonly answered: number;
  readonly unanswered: number;
  /** Entries committed since the start. */
  readonly entries: number | null;
  /** Effects that are recorded and not done. */
  readonly effectsOpen: number | null;
}

/** A node: its parts in one tree, and what they can do together. Made by `startSystem`. */
export class Node implements TroupeSystem, Inspected {
  readonly #parts: NodeParts;
  /** Effects that are not over, for a look and for a person's decisions. */
  readonly effects: OpenEffects;
  readonly #committed: BigInt64Array;
  #tree: ActorSystem | null = null;
  /** While it is being started a part that does not start is not tried again. */
  #isStarting = true;
  /** The journal's mode as SQLite said when it was opened last. */
  #synchronous = "";
  #journalDown: string | null = null;
  #fatal: string | null = null;
  readonly #failed = Promise.withResolvers<string>();
  #closing: Promise<void> | null = null;
  #isStopping = false;
  #isDrained = false;
  #viewReads = 0;
  readonly #lag = new LoopLag();
  readonly #outside: Array<() => Check> = [];
  /** Since when the views have been behind the journal, and what they still lacked then. */
  #viewsBehind: { readonly since: number; readonly target: number } | null = null;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { shards, threadCount, config } = parts;
    this.effects = new OpenEffects({ shards, threadCount, shardCount: config.shard.count });
    this.#committed = new BigInt64Array(parts.committed);
  }

  /** Of the store that this node serves: each has another one. */
  get storeId(): string {
    return this.#parts.storeId;
  }

  /** Starts the threads; when one does not start, none is left. Called once. @throws what made that one fail. */
  async start(): Promise<void> {
    const { journal, checkpoint, views, outbox, shards, effects, threadCount } = this.#parts;
    const refusing = (component: Component): Component => refusingStart(component, () => this.#isStarting);
    const system = systemSpec({
      journal: refusing(journal),
      checkpoint: refusing(checkpoint),
      views: refusing(views),
      outbox: outbox === null ? null : refusing(outbox),
      shards: Array.from({ length: threadCount }, (_, thread) => refusing(shards.component(thread))),
      effects: effects === null ? null : refusing(effects),
    });
    const ports = actorPorts({
      crashed: (report) => this.#crashed(report),
      gaveUp: (what) => this.#parts.log.error(what, "a part did not end in time"),
    });
    try {
      this.#tree = await ActorSystem.start({ ports, supervision: ROOT_SUPERVISION, children: [system] });
    } catch (cause) {
      throw firstCause(cause);
    } finally {
      this.#isStarting = false;
    }
    void this.#tree.failed.then((escalation) => this.#treeFailed(escalation.message));
    this.#lag.begin();
  }

  /** Opens the doors of the node, once: they are stopped before anything that they need. @throws what kept one from opening; the node is then closing. */
  async open(http: Component, nats: Component | null = null): Promise<void> {
    let isFirst = true;
    const refusing = (door: Component): Component => refusingStart(door, () => isFirst);
    try {
      await this.#running.add(ingressSpec(refusing(http), nats === null ? null : refusing(nats)));
    } catch (cause) {
      throw firstCause(cause);
    } finally {
      isFirst = false;
    }
    this.#lag.begin();
  }

  get dataDir(): DataDir {
    return this.#parts.dataDir;
  }
  get threadCount(): number {
    return this.#parts.threadCount;
  }
  get synchronous(): string {
    return this.#synchronous;
  }
  /** Calls to the thread by which events leave; null when none do. */
  get events(): Control<OutboxControl> | null {
    return this.#parts.outbox?.call ?? null;
  }
  get keyRing(): KeyRing {
    return this.#parts.keyRing;
  }
  get ports(): PortLook {
    return this.#parts.ports;
  }
  get inFlight(): number {
    return this.#parts.router.inFlight;
  }

  /** Every part of the node with its state, as it is at this moment. */
  tree(): TreeNode {
    return this.#running.tree();
  }

  /** Node.js' numbers of the threads that run, by their address in the tree; for checks. */
  get threadIds(): ReadonlyMap<string, number> {
    const { journal, checkpoint, views, outbox, effects, shards } = this.#parts;
    const ids = new Map<string, number>();
    const optional = { ...(outbox === null ? {} : { "outbox/thread": outbox }), ...(effects === null ? {} : { effects }) };
    for (const [name, part] of Object.entries({ journal, checkpoint, views, ...optional })) {
      if (part.running !== null) ids.set(`/system/${name}`, part.running.threadId);
    }
    for (const worker of shards.living) ids.set(worker.name.replace("shard-", "/system/shards/"), worker.threadId);
    return ids;
  }

  get #running(): ActorSystem {
    if (this.#tree === null) throw new Error("the node has not started");
    return this.#tree;
  }

  entity<Definition>(definition: Definition & Pick<AnyDefinition, "type">, id: string): { readonly ask: AskOf<Definition> } {
    const { type, commands } = definition as unknown as AnyDefinition;
    const address = addressOf(type, id);
    const ask = new Proxy({} as Record<string, unknown>, {
      get: (_, command) => {
        if (typeof command !== "string") return undefined;
        return async (body: unknown, options?: AskOptions): Promise<Answer<Json>> => {
          const spec = commands[command];
          if (spec === undefined) return refusal("validation_failed", `${type} has no command "${command}".`);
          const checked = await spec.body["~standard"].validate(body);
          if (checked.issues !== undefined) return refusal("validation_failed", checked.issues.map(({ message }) => message).join("; "));
          return this.ask(address, command, checked.value as Json, options);
        };
      },
    });
    return { ask: ask as AskOf<Definition> };
  }

  ask(address: string, command: string, body: Json, options: AskOptions = {}): Promise<Answer<Json>> {
    const { config, router, threadCount } = this.#parts;
    const why = whyNotId(partsOf(address).id);
    if (why !== null) return Promise.resolve(refusal("validation_failed", `${address} is no address of an entity: ${why}.`));
    return router.ask(shardOf(address, config.shard.count) % threadCount, {
      to: address,
      name: command,
      body,
      id: options.id ?? null,
      timeoutMs: options.timeoutMs ?? config.http.answerMsMax,
      trace: options.trace ?? null,
      signal: options.signal,
      waitsOutside: options.waitsOutside,
    });
  }

  async makeKey(conversationId: string): Promise<void> {
    const { effects } = this.#parts;
    if (
      effects !== null &&
      (await this.#withTime(
        effects.call.makeKey(conversationId).then(() => true),
        KEY_MS_MAX,
      )) === true
    )
      return;
    throw new Fault("JOURNAL_UNAVAILABLE", `the key of ${conversationId} was not made in time. Try again.`, { isRetryable: true });
  }

  async destroyKey(conversationId: string, msMax: number): Promise<boolean> {
    const { effects } = this.#parts;
    const until = performance.now() + msMax;
    for (;;) {
      const leftMs = until - performance.now();
      if (effects === null || leftMs <= 0) return false;
      const done = effects.call.destroyKey(conversationId).then(() => true);
      if ((await this.#withTime(done, leftMs)) === true) return true;
      await rest(Math.min(DESTROY_REST_MS, leftMs));
    }
  }

  async statement(accountId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>> {
    return await this.#view(() => this.#parts.views.call.statement(this.#position(), accountId, page.after, page.limit));
  }

  async trialBalance(): Promise<Answer<TrialBalance>> {
    return await this.#view(() => this.#parts.views.call.trialBalance(this.#position()));
  }

  async messages(conversationId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<MessagePage>> {
    return await this.#view(() => this.#parts.views.call.messages(this.#position(), conversationId, page.after, page.limit));
  }

  async message(conversationId: string, turn: number, messageId: string): Promise<Answer<ConversationMessage | null>> {
    return await this.#view(() => this.#parts.views.call.message(this.#position(), conversationId, turn, messageId));
  }

  async turnTexts(conversationId: string, turns: TurnRange): Promise<Answer<readonly TurnText[]>> {
    return await this.#view(() => this.#parts.views.call.turnTexts(this.#position(), conversationId, turns));
  }

  async feedAfter(conversationId: string, after: FeedPlace, limit: number): Promise<Answer<FeedPage>> {
    return await this.#view(() => this.#parts.views.call.feedAfter(this.#position(), conversationId, after, limit));
  }

  feedEnd(): FeedPlace {
    return { seq: this.#position(), idx: FEED_IDX_MAX };
  }

  watch(conversationId: string, listener: () => void): () => void {
    return this.#parts.feeds.add(conversationId, listener);
  }

  /** Readiness shows this condition too from now on. */
  alsoCheck(look: () => Check): void {
    this.#outside.push(look);
  }

  /** Looks at progress, not only at what is alive: each reason names what is wrong. */
  async readiness(): Promise<Readiness> {
    const { shards, router, views, outbox, checkpoint, effects, journal, heartbeats } = this.#parts;
    // What is being replaced when the question comes is told, also when it is back before the others have answered.
    const replacedBefore = this.#replaced;
    const late = heartbeats.late.filter(({ name }) => name !== "outbox"); // Nobody who is served waits for it; it has a check of its own.
    const living = shards.living.filter((worker) => !late.some(({ name }) => name === worker.name));
    const recovering = shards.recovering;
    const [seenOutbox, seenEffects, seenViews, seenJournal, seenCheckpoint, ...seenShards] = await Promise.all([
      outbox === null ? null : this.#withTime(outbox.call.figures(), READINESS_MS_MAX),
      effects === null ? null : this.#withTime(effects.call.figures(), READINESS_MS_MAX),
      this.#withTime(views.call.figures(), READINESS_MS_MAX),
      this.#withTime(journal.call.figures(), READINESS_MS_MAX),
      this.#withTime(checkpoint.call.figures(), READINESS_MS_MAX),
      ...living.map((worker) => this.#withTime(worker.call.figures(), READINESS_MS_MAX)),
    ]);
    return readinessOf({
      isStopping: this.#isStopping,
      replaced: [...new Set([...replacedBefore, ...this.#replaced])],
      late,
      fatal: this.#fatal,
      journalDown: this.#journalDown,
      journal: seenJournal,
      recovering: [...new Set([...recovering, ...shards.recovering])],
      checkpointFailures: shards.checkpointFailures,
      oldestCommandMs: router.oldestMs,
      views: seenViews === null ? null : { ...seenViews, isStuck: this.#isViewsStuck(seenViews.position) },
      loopLagMs: [
        ["main", this.#lag.recentMsMax],
        ["journal", seenJournal?.loopLagMs ?? null],
        ["checkpoint", seenCheckpoint?.loopLagMs ?? null],
        ["views", seenViews?.loopLagMs ?? null],
        ...(effects === null ? [] : [["effects", seenEffects?.loopLagMs ?? null] as const]),
        // One that ended meanwhile is being recovered, which has a check of its own.
        ...living.flatMap((worker, i) => (worker.isGone ? [] : [[worker.name, seenShards[i]?.loopLagMs ?? null] as const])),
      ],
      disk: freeDiskOf(this.#parts),
      outside: [this.#parts.ports.check, ...this.#outside.map((look) => look()), ...(outbox === null ? [] : [outboxCheck(seenOutbox)])],
      position: this.#position(),
      synchronous: this.#synchronous,
    });
  }

  /** Threads that the node has one of and that do not run now. */
  get #replaced(): ReadonlyArray<"journal" | "checkpoint" | "views"> {
    return (["journal", "checkpoint", "views"] as const).filter((name) => this.#parts[name].running === null);
  }

  /** Have the views not reached, within the limit, what the journal held when they were first seen behind it? */
  #isViewsStuck(position: number): boolean {
    const behind = this.#viewsBehind;
    if (behind === null || position >= behind.target) {
      const target = this.#position();
      this.#viewsBehind = position < target ? { since: performance.now(), target } : null;
      return false;
    }
    return performance.now() - behind.since > STUCK_MS;
  }

  /** The answer of a control call, null when it does not come in time. */
  async #withTime<Value>(call: Promise<Value>, msMax: number = VIEW_ANSWER_MS_MAX): Promise<Value | null> {
    return await Promise.race([call.catch(() => null), rest(msMax).then(() => null)]);
  }

  async figures(): Promise<SystemFigures> {
    const { shards, journal, views, threadCount, config } = this.#parts;
    const [threads, journalFigures, viewFigures] = await Promise.all([
      Promise.all(shards.living.map((worker) => worker.call.figures())),
      journal.call.figures(),
      views.call.figures(),
    ]);
    const shardsOf = (thread: number): number => Math.floor((config.shard.count - 1 - thread) / threadCount) + 1;
    return {
      shardThreads: threads.map((figures) => ({ ...figures, shards: shardsOf(figures.thread) })),
      journal: journalFigures,
      views: viewFigures,
    };
  }

  async peek(query: PeekQuery): Promise<EntityPage> {
    const { living } = this.#parts.shards;
    const pages = await Promise.all(living.map((worker) => this.#withTime(worker.call.peek(query))));
    const all = pages.flatMap((page, i) => (page?.entities ?? []).map((entity) => ({ ...entity, thread: living[i]?.name ?? "" })));
    const entities = all.sort((a, b) => (a.address < b.address ? -1 : 1)).slice(0, query.limit);
    const found = pages.reduce((sum, page) => sum + (page?.found ?? 0), 0);
    const partial = living.filter((_, i) => pages[i]?.isPartial !== false).map(({ name }) => name);
    return { entities, hasMore: found > entities.length, partial };
  }

  async top(limit: number): Promise<readonly ThreadTop[]> {
    const { living } = this.#parts.shards;
    return await Promise.all(living.map(async ({ name, call }) => ({ thread: name, seen: await this.#withTime(call.top(limit)) })));
  }

  async measures(): Promise<readonly PartMeasures[]> {
    const { shards, journal, checkpoint, views, outbox, effects, router } = this.#parts;
    const parts: ReadonlyArray<readonly [name: string, asked: Promise<TakenMeasures>]> = [
      ...Object.entries({ journal, checkpoint, views }).map(([name, part]) => [name, part.call.measures()] as const),
      ...shards.living.map((worker) => [worker.name, worker.call.measures()] as const),
      ...(outbox === null ? [] : [["outbox", outbox.call.measures()] as const]),
      ...(effects === null ? [] : [["effects", effects.call.measures()] as const]),
    ];
    const taken = await Promise.all(parts.map(async ([part, asked]) => ({ part, taken: await this.#withTime(asked, MEASURES_MS_MAX) })));
    const own = [
      ...restartsIn(this.#running.tree()),
      measure("commands_in_flight", router.inFlight),
      measure("eventloop_lag_seconds", this.#lag.lags, { thread: "main" }),
    ];
    return [...taken, { part: "main", taken: { life: 0, measures: own } }];
  }

  /** Waits until nothing is open, then takes a checkpoint of everything: what a clean stop does, for checks and benches. */
  async checkpointNow(): Promise<void> {
    await Promise.all(this.#parts.shards.living.map((worker) => worker.call.idle().then(() => worker.call.checkpointNow())));
  }

  /** Ends the effects thread as a crash would: for checks. */
  async killEffectsThread(): Promise<void> {
    await this.#parts.effects?.running?.terminate();
  }

  /** Ends a shard thread as a crash would: for checks. */
  async killShardThread(thread: number): Promise<void> {
    await this.#parts.shards.kill(thread);
  }

  /** The journal thread has opened its file, at a start or after its predecessor ended. */
  journalOpened(synchronous: string): void {
    this.#synchronous = synchronous;
    this.#journalDown = null;
  }

  journalState(state: "up" | "down", reason: string): void {
    this.#journalDown = state === "down" ? reason : null;
    if (state === "down") this.#parts.log.error({ reason }, "the journal takes no writes; reads go on");
    else this.#parts.log.info({ reason }, "the journal takes writes again");
  }

  /** Once each (L5). A refused start is told to whoever wanted it. */
  #crashed({ address, doing, cause, incarnation, directive, delayMs }: CrashReport): void {
    if (hasRefusedStart(cause)) return;
    const fields = { address, doing, cause: textOf(cause), incarnation, directive, ...(delayMs === null ? {} : { delayMs }) };
    this.#parts.log.error(fields, directive === "restart" ? "a part ended; it is replaced" : "a part ended");
  }

  /** P2 of the tree: nothing can be promised any more, so the process ends and is started again from its journal. */
  #treeFailed(why: string): void {
    if (this.#closing !== null) return;
    this.#fatal = why;
    this.#parts.log.error({ why }, "the node stops; a restart recovers");
    this.#failed.resolve(this.#fatal);
    void this.close(FAILED_CLOSE_MS);
  }

  /** Resolves, with the reason, when the node closes by itself because a part ended too often. The process should then end. */
  get failed(): Promise<string> {
    return this.#failed.promise;
  }

  /** Read, never wakes an entity. Threads that do not answer within `msMax`, at most a second, are left out. */
  async tally(msMax: number): Promise<Tally> {
    const { router, journal, shards } = this.#parts;
    const ms = Math.min(msMax, TALLY_MS_MAX);
    const { answered, inFlight } = router;
    const [written, threads] = await Promise.all([
      this.#withTime(journal.call.figures(), ms),
      this.#withTime(Promise.all(shards.living.map((worker) => worker.call.figures())), ms),
    ]);
    const effectsOpen = threads === null ? null : threads.reduce((sum, thread) => sum + thread.openEffects, 0);
    return { answered, unanswered: inFlight, entries: written?.entries ?? null, effectsOpen };
  }

  /**
   * New commands are refused from now on. Waits until what was accepted is finished (answered, its effects done, committed, in a
   * checkpoint), at most `deadlineMs`; who then still waits for an answer is told `OUTCOME_UNKNOWN`, because doors must be able to say
   * something before they close. What is not finished is in the journal and resumes at the next start. To be followed by `close`.
   */
  async drain(deadlineMs: number): Promise<Tally> {
    const { router, shards, log } = this.#parts;
    this.#isStopping = true;
    const until = performance.now() + deadlineMs;
    const isAnswered = await router.drain(deadlineMs);
    // Attempts under way may end, and what they brought is committed below; what is not begun stays durable.
    await Promise.race([this.#parts.effects?.call.leave().catch(() => undefined), rest(Math.max(until - performance.now(), 0))]);
    const settle = Promise.all(
      shards.living.map(async (worker) => {
        await worker.call.idle();
        await worker.call.checkpointNow();
      }),
    );
    const left = Math.max(until - performance.now(), 0);
    const outcome = await Promise.race([settle.then(() => "clean", String), rest(left).then(() => "the deadline passed")]);
    // The deadline may have passed; then the threads get a moment to say what stays open, and no more.
    const tally = await this.tally(Math.max(until - performance.now(), LATE_TALLY_MS));
    this.#isDrained = isAnswered && outcome === "clean";
    if (!this.#isDrained)
      log.warn({ outcome, inFlight: router.inFlight }, "stopped with open work; it is in the journal and resumes at the next start");
    router.close();
    return tally;
  }

  /** New work is refused from now on; accepted work is finished within `deadlineMs` (default `shutdown.deadlineMs`). */
  close(deadlineMs: number = this.#parts.config.shutdown.deadlineMs): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(deadlineMs: number): Promise<void> {
    const { shards, journal, views, router, heartbeats, keyRing, dataDir } = this.#parts;
    if (!this.#isDrained && this.#tree !== null) await this.drain(deadlineMs);
    await this.#tree?.stop(TREE_STOP_MS_MAX);
    await Promise.all([shards.close(), journal.close(), views.close()]);
    router.close();
    heartbeats.close();
    this.#lag[Symbol.dispose]();
    keyRing.close();
    dataDir.close();
  }

  #position(): number {
    return Number(Atomics.load(this.#committed, 0));
  }

  /** Asks the views thread; a limit of reads under way and of their time keeps a thread that hangs from holding them all. */
  async #view<Value>(query: () => Promise<Answer<Value>>): Promise<Answer<Value>> {
    if (this.#viewReads >= VIEW_READS_MAX) return refusal("OVERLOADED", `${VIEW_READS_MAX} reads are under way. Read again later.`);
    this.#viewReads++;
    let timer: NodeJS.Timeout | null = null;
    try {
      const late = new Promise<Answer<Value>>((resolve) => {
        const ms = this.#parts.config.views.waitMsMax + VIEW_ANSWER_MS_MAX;
        timer = setTimeout(() => resolve(refusal("VIEW_BEHIND", `The read models did not answer within ${ms} ms. Read again later.`)), ms);
      });
      return await Promise.race([query(), late]);
    } catch (cause) {
      return refusal("VIEW_BEHIND", `The read models do not answer: ${cause instanceof Error ? cause.message : String(cause)}`);
    } finally {
      if (timer !== null) clearTimeout(timer);
      this.#viewReads--;
    }
  }
}

/** A conversation is not opened when its key is not made within this. */
const KEY_MS_MAX = 5_000;
/** Between two tries at a key whose file, or the thread that has it, is not at hand. */
const DESTROY_REST_MS = 50;
/** Reads of views under way at once. */
const VIEW_READS_MAX = 1_000;
/** Time for a query itself, after the wait for the view. */
const VIEW_ANSWER_MS_MAX = 4_000;
/** Threads count in their turn; one that works off a full mailbox still answers within this. */
const TALLY_MS_MAX = 1_000;
const LATE_TALLY_MS = 100;
/** A thread that does not answer a look within this is named by `/readyz`. */
const READINESS_MS_MAX = 1_000;
/** A thread that does not give its figures within this is named by `/metrics`; the others are served. */
const MEASURES_MS_MAX = 1_000;

/** For the last connections and all files; each thread has a limit of its own. */
const TREE_STOP_MS_MAX = 30_000;
/** What is finished after a part ended too often: answers that are on their way, no more. */
const FAILED_CLOSE_MS = 2_000;

/** Null when the file system cannot be asked. */
function freeDiskOf({ dataDir, config }: NodeParts): { readonly freeBytes: number; readonly bytesMin: number } | null {
  try {
    return { freeBytes: freeBytesOf(dataDir.path), bytesMin: config.journal.diskFreeBytesMin };
  } catch {
    return null;
  }
}

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });

/** By what a part is, not by which one it is of several. */
function restartsIn(tree: TreeNode): readonly Measure[] {
  const counts = new Map<string, number>();
  const add = ({ type, restarts, children }: TreeNode): void => {
    const part = type.replace(/-thread$/, "");
    if (type !== "supervisor") counts.set(part, (counts.get(part) ?? 0) + restarts);
    for (const child of children) add(child);
  };
  add(tree);
  return Array.from(counts, ([part, restarts]) => measure("actor_restarts_total", restarts, { part }));
}

function hasRefusedStart(cause: unknown): boolean {
  let at = cause;
  while (at instanceof Error && !(at instanceof StartRefused)) at = at.cause;
  return at instanceof StartRefused;
}

const textOf = (cause: unknown): string => (cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
