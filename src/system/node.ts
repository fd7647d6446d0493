import {
  type Answer,
  type AnyDefinition,
  type AskOf,
  type AskOptions,
  addressOf,
  type Code,
  type Json,
  partsOf,
  type Refusal,
  shardOf,
  type TreeNode,
  whyNotId,
} from "../runtime/index.ts";
import type { EntityPage, Inspected, ThreadTop } from "./admin/inspected.ts";
import type { CheckpointControl } from "./checkpoint-worker.ts";
import type { Config } from "./config/config.ts";
import type { DataDir } from "./data-dir.ts";
import type { EffectsThread } from "./effects/effects-thread.ts";
import { OpenEffects } from "./effects/open-effects.ts";
import type { JournalControl } from "./journal-worker.ts";
import type { Log } from "./observe/log.ts";
import { LoopLag } from "./observe/loop-lag.ts";
import { measure, type PartMeasures, type TakenMeasures } from "./observe/measure.ts";
import { readinessOf, STUCK_MS } from "./readiness.ts";
import { freeBytesOf } from "./sqlite/disk-space.ts";
import type { Readiness, StatementPage, SystemFigures, TrialBalance, TroupeSystem } from "./system.ts";
import type { CommandRouter } from "./threads/command-router.ts";
import type { PeekQuery } from "./threads/entity-peek.ts";
import type { ShardThreads } from "./threads/shard-threads.ts";
import type { WorkerThread } from "./threads/worker-thread.ts";
import type { ViewsControl } from "./views-worker.ts";

export interface NodeParts {
  readonly config: Config;
  readonly log: Log;
  readonly dataDir: DataDir;
  readonly threadCount: number;
  readonly committed: SharedArrayBuffer;
  readonly router: CommandRouter;
  readonly journal: WorkerThread<JournalControl>;
  readonly checkpoint: WorkerThread<CheckpointControl>;
  readonly views: WorkerThread<ViewsControl>;
  readonly shards: ShardThreads;
  /** Null when no module was given. */
  readonly effects: EffectsThread | null;
  readonly synchronous: string;
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

/** A node that runs. Made by `startSystem`. */
export class Node implements TroupeSystem, Inspected {
  readonly #parts: NodeParts;
  /** Effects that are not over, for a look and for a person's decisions. */
  readonly effects: OpenEffects;
  readonly #committed: BigInt64Array;
  #journalDown: string | null = null;
  #fatal: string | null = null;
  readonly #failed = Promise.withResolvers<string>();
  #closing: Promise<void> | null = null;
  #isStopping = false;
  #isDrained = false;
  #viewReads = 0;
  readonly #lag = new LoopLag();
  /** Since when the views have been behind the journal, and what they still lacked then. */
  #viewsBehind: { readonly since: number; readonly target: number } | null = null;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    const { shards, threadCount, config } = parts;
    this.effects = new OpenEffects({ shards, threadCount, shardCount: config.shard.count });
    this.#committed = new BigInt64Array(parts.committed);
  }

  get dataDir(): DataDir {
    return this.#parts.dataDir;
  }
  get threadCount(): number {
    return this.#parts.threadCount;
  }
  get synchronous(): string {
    return this.#parts.synchronous;
  }
  get inFlight(): number {
    return this.#parts.router.inFlight;
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
    });
  }

  async statement(accountId: string, page: { readonly after: number; readonly limit: number }): Promise<Answer<StatementPage>> {
    return await this.#view(() => this.#parts.views.call.statement(this.#position(), accountId, page.after, page.limit));
  }

  async trialBalance(): Promise<Answer<TrialBalance>> {
    return await this.#view(() => this.#parts.views.call.trialBalance(this.#position()));
  }

  /** Looks at progress, not only at what is alive: each reason names what is wrong. */
  async readiness(): Promise<Readiness> {
    const { shards, router, views, checkpoint, journal, synchronous } = this.#parts;
    const living = shards.living;
    const [seenViews, seenJournal, seenCheckpoint, ...seenShards] = await Promise.all([
      this.#withTime(views.call.figures()),
      this.#withTime(journal.call.figures()),
      this.#withTime(checkpoint.call.figures()),
      ...living.map((worker) => this.#withTime(worker.call.figures())),
    ]);
    return readinessOf({
      isStopping: this.#isStopping,
      fatal: this.#fatal,
      journalDown: this.#journalDown,
      journal: seenJournal,
      recovering: shards.recovering,
      checkpointFailures: shards.checkpointFailures,
      oldestCommandMs: router.oldestMs,
      views: seenViews === null ? null : { ...seenViews, isStuck: this.#isViewsStuck(seenViews.position) },
      loopLagMs: [
        ["main", this.#lag.recentMsMax],
        ["journal", seenJournal?.loopLagMs ?? null],
        ["checkpoint", seenCheckpoint?.loopLagMs ?? null],
        ["views", seenViews?.loopLagMs ?? null],
        // One that ended meanwhile is being recovered, which has a check of its own.
        ...living.flatMap((worker, i) => (worker.isGone ? [] : [[worker.name, seenShards[i]?.loopLagMs ?? null] as const])),
      ],
      disk: freeDiskOf(this.#parts),
      position: this.#position(),
      synchronous,
    });
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

  /** The threads of the node, each as a part of it. */
  tree(): TreeNode {
    const { shards, journal, checkpoint, views, router } = this.#parts;
    const thread = (address: string, isGone: boolean): TreeNode => ({
      ...QUIET,
      address,
      type: "thread",
      state: isGone ? "crashed" : "running",
    });
    const shardNodes = shards.living.map(({ name, isGone }) => thread(`/shards/${name.slice("shard-".length)}`, isGone));
    const recovering = shards.recovering.map(
      (number): TreeNode => ({ ...QUIET, address: `/shards/${number}`, type: "thread", state: "starting" }),
    );
    const children = [
      ...[journal, checkpoint, views].map(({ name, isGone }) => thread(`/${name}`, isGone)),
      {
        ...QUIET,
        address: "/shards",
        type: "supervisor",
        state: "running",
        restarts: shards.restarts,
        children: [...shardNodes, ...recovering],
      },
    ] satisfies readonly TreeNode[];
    const state = this.#isStopping ? "stopping" : "running";
    return {
      ...QUIET,
      address: "/",
      type: "node",
      state,
      mailbox: router.inFlight,
      oldestMessageMs: Math.round(router.oldestMs),
      children,
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
    const { shards, journal, checkpoint, views, router } = this.#parts;
    const parts: ReadonlyArray<readonly [name: string, asked: Promise<TakenMeasures>]> = [
      ...[journal, checkpoint, views].map((worker) => [worker.name, worker.call.measures()] as const),
      ...shards.living.map((worker) => [worker.name, worker.call.measures()] as const),
    ];
    const taken = await Promise.all(parts.map(async ([part, asked]) => ({ part, taken: await this.#withTime(asked, MEASURES_MS_MAX) })));
    const own = [
      measure("actor_restarts_total", shards.restarts, { part: "shard" }),
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
    await this.#parts.effects?.kill();
  }

  /** Ends a shard thread as a crash would: for checks. */
  async killShardThread(thread: number): Promise<void> {
    await this.#parts.shards.kill(thread);
  }

  journalState(state: "up" | "down", reason: string): void {
    this.#journalDown = state === "down" ? reason : null;
    if (state === "down") this.#parts.log.error({ reason }, "the journal takes no writes; reads go on");
    else this.#parts.log.info({ reason }, "the journal takes writes again");
  }

  /** A part that has no successor yet ended: nothing can be promised any more, so the process ends and is started again from its journal. */
  partEnded(name: string, reason: string): void {
    if (this.#closing !== null) return;
    this.#fatal = `The ${name} thread ended: ${reason}`;
    this.#parts.log.error({ thread: name, reason }, "a thread ended; the process stops, a restart recovers");
    this.#failed.resolve(this.#fatal);
    void this.close(FAILED_CLOSE_MS);
  }

  /** Resolves, with the reason, when the node closes by itself because a part without a successor ended. The process should then end. */
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
    await Promise.race([this.#parts.effects?.leave(), rest(Math.max(until - performance.now(), 0))]);
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
    const { shards, effects, journal, checkpoint, views, dataDir, log } = this.#parts;
    if (!this.#isDrained) await this.drain(deadlineMs);
    await shards.close(CLOSE_MS_MAX);
    await effects?.close(CLOSE_MS_MAX);
    for (const part of [views, checkpoint, journal]) {
      await Promise.race([
        part.call.close().catch((cause) => log.warn({ thread: part.name, cause: String(cause) }, "did not close cleanly")),
        rest(CLOSE_MS_MAX),
      ]);
      await part.terminate();
    }
    this.#lag[Symbol.dispose]();
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

/** Reads of views under way at once. */
const VIEW_READS_MAX = 1_000;
/** Time for a query itself, after the wait for the view. */
const VIEW_ANSWER_MS_MAX = 4_000;
/** Threads count in their turn; one that works off a full mailbox still answers within this. */
const TALLY_MS_MAX = 1_000;
const LATE_TALLY_MS = 100;
/** A thread that does not give its figures within this is named by `/metrics`; the others are served. */
const MEASURES_MS_MAX = 1_000;

/** How long a thread may take to close its file; after that it is ended as it is, which its file survives. */
const CLOSE_MS_MAX = 5_000;
/** What is finished after a part ended that has no successor: answers that are on their way, no more. */
const FAILED_CLOSE_MS = 2_000;

const QUIET = { restarts: 0, mailbox: 0, refused: 0, oldestMessageMs: 0, doing: null, children: [] } as const;

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
