/**
 * Commands of the stream TROUPE_COMMANDS, which clients publish to. Its invariants:
 *
 * D1. A command is acknowledged only when its outcome is durable, or it is stored as a dead letter; until then the stream gives it again.
 * D2. A command that is given again has one effect: its key is known by what it changed (L3), never by the stream. So one without a key is refused.
 * D3. Its answer is published before the acknowledgement. It may be lost all the same: `command.status` tells what became of a key.
 * D4. Never more than `nats.durableMax` are in memory: only what can begin is pulled, and nothing is while the node refuses.
 * D5. What clears by itself is tried `nats.durableAttemptsMax` times; what concerns the whole node counts no attempt, it waits.
 */
import type { ConsumerMessages } from "@nats-io/jetstream";
import type { NatsConnection } from "nats";
import type { Backoff } from "../../runtime/index.ts";
import type { ServiceCommand } from "../ingress/service-commands.ts";
import type { Log } from "../observe/log.ts";
import { type Measure, measure } from "../observe/measure.ts";
import type { Check } from "../system.ts";
import type { CommandLimits } from "./command-message.ts";
import { COMMANDS, CommandStreams, DEAD, type StreamFigures } from "./command-streams.ts";
import { type DurableOutcome, type DurableSurroundings, DurableWork } from "./durable-work.ts";
import type { NatsConfig } from "./nats-secrets.ts";
import { PullGate } from "./pull-gate.ts";
import { commandOfDurable } from "./subjects.ts";

export interface DurableCommandsOptions {
  readonly commands: readonly ServiceCommand[];
  /** The stream belongs to one store: which knows the keys. */
  readonly storeId: string;
  readonly limits: CommandLimits;
  readonly config: NatsConfig;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  /** For checks only: breaks D1, so that they must notice. */
  readonly acksEarly?: boolean;
}

export class DurableCommands {
  readonly #options: DurableCommandsOptions;
  readonly #commands: ReadonlyMap<string, ServiceCommand>;
  readonly #backoff: Backoff;
  readonly #gate: PullGate;
  readonly #inWork = new Set<DurableWork>();
  readonly #counts: Record<DurableOutcome, number> = { answered: 0, refused: 0, dead: 0, again: 0, left: 0 };
  readonly #timers: readonly NodeJS.Timeout[];
  #redelivered = 0;
  #streams: CommandStreams | null = null;
  #stopPull: () => Promise<void> = async () => undefined;
  #figures: StreamFigures | null = null;
  #whyNot: string | null = null;
  /** Why the latest dead letter could not be stored; null when it was. */
  #whyNotDead: string | null = null;
  #isDraining = false;
  /** Those who wait for a command to end. */
  #ended: Array<() => void> = [];

  constructor(options: DurableCommandsOptions) {
    const { durableBackoffMsMin: backoffMsMin, durableBackoffMsMax: backoffMsMax, durableAckMs } = options.config;
    this.#options = options;
    this.#commands = new Map(options.commands.map((command) => [`${command.type}.${command.command}`, command]));
    this.#backoff = { backoffMsMin, backoffMsMax, jitterRatio: JITTER_RATIO };
    this.#gate = new PullGate({ ...this.#backoff, backoffMsMax: Math.min(backoffMsMax, CLOSED_MS_MAX) });
    this.#timers = [
      setInterval(() => {
        for (const work of this.#inWork) work.tellInWork(durableAckMs / 2);
      }, durableAckMs / 4),
      setInterval(() => void this.#look(), LOOK_EVERY_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /** Takes commands on this connection until it is gone or they are left to another store. Never rejects. */
  async serve(connection: NatsConnection, left: AbortSignal): Promise<void> {
    const { config, storeId } = this.#options;
    const wanted = { storeId, replicas: config.replicas, ackMs: config.durableAckMs, worksMax: config.durableMax };
    left.addEventListener("abort", () => void this.#leave(), { once: true });
    while (!this.#isOver(connection, left)) {
      try {
        const streams = await CommandStreams.open(connection, wanted);
        this.#areThere(streams);
        await this.#pullAll(this.#surroundingsOf(connection, streams), left);
      } catch (cause) {
        if (!this.#isOver(connection, left)) this.#areNotThere(cause);
      }
      await rest(RETRY_MS);
    }
  }

  /** Whether commands are taken. Without a connection, and where they are left to another store, that is told by `NatsDoor.check`. */
  get check(): Check {
    const why = this.#whyDegraded;
    if (why !== null) return { name: "nats-durable", isOk: false, detail: why };
    return { name: "nats-durable", isOk: true, detail: `${this.#inWork.size} in work, ${this.#figures?.waiting ?? 0} wait in ${COMMANDS}` };
  }

  measures(): readonly Measure[] {
    const figures = this.#figures;
    return [
      ...Object.entries(this.#counts).map(([outcome, count]) => measure("nats_durable_commands_total", count, { outcome })),
      measure("nats_durable_redelivered_total", this.#redelivered),
      measure("nats_durable_in_work", this.#inWork.size),
      measure("nats_durable_waiting", figures?.waiting ?? 0),
      measure("nats_durable_unacknowledged", figures?.unacknowledged ?? 0),
      measure("nats_dead_letters", figures?.dead ?? 0),
    ];
  }

  /** Pulls no more, and waits for what is in work and its acknowledgements. @returns how many are still in work; the stream gives them again. */
  async drain(deadlineMs: number): Promise<number> {
    this.#isDraining = true;
    this.#gate.release();
    const until = performance.now() + deadlineMs;
    await Promise.race([this.#stopPull().catch(() => undefined), rest(deadlineMs)]);
    while (this.#inWork.size > 0 && performance.now() < until)
      await Promise.race([this.#oneEnded(), rest(Math.max(until - performance.now(), 0))]);
    for (const timer of this.#timers) clearInterval(timer);
    return this.#inWork.size;
  }

  #isOver(connection: NatsConnection, left: AbortSignal): boolean {
    return connection.isClosed() || left.aborted || this.#isDraining;
  }

  /** What is in work comes to its end. */
  async #leave(): Promise<void> {
    this.#streams = null;
    this.#figures = null;
    this.#whyNot = null;
    await this.#stopPull().catch(() => undefined);
  }

  async #pullAll(surroundings: DurableSurroundings, left: AbortSignal): Promise<void> {
    const { connection, streams } = surroundings;
    while (!this.#isOver(connection, left)) {
      await this.#gate.opened();
      const free = this.#options.config.durableMax - this.#inWork.size;
      if (free <= 0) await this.#oneEnded();
      if (free <= 0 || this.#gate.isClosed || this.#isOver(connection, left)) continue;
      const fetched = streams.commands.fetch({ max_messages: Math.min(free, PULL_MAX), expires: PULL_MS });
      const over = fetched.then((pulling) => this.#take(pulling, surroundings));
      this.#stopPull = async () => {
        const pulling = await fetched;
        // What the server has sent already is waited for: nobody would do it before its time for an acknowledgement has passed.
        await connection.flush();
        pulling.stop();
        await over;
      };
      await over;
    }
  }

  async #take(pulling: ConsumerMessages, surroundings: DurableSurroundings): Promise<void> {
    for await (const message of pulling) {
      if (message.redelivered) this.#redelivered++;
      void this.#work(new DurableWork(message, surroundings));
    }
  }

  async #work(work: DurableWork): Promise<void> {
    this.#inWork.add(work);
    this.#counts[await work.end()]++;
    this.#inWork.delete(work);
    for (const ended of this.#ended.splice(0)) ended();
  }

  #oneEnded(): Promise<void> {
    return new Promise((resolve) => this.#ended.push(resolve));
  }

  #surroundingsOf(connection: NatsConnection, streams: CommandStreams): DurableSurroundings {
    const { limits, config, log, acksEarly = false } = this.#options;
    return {
      acksEarly,
      connection,
      streams,
      commandOf: (subject) => {
        const named = commandOfDurable(subject);
        return named === null ? null : (this.#commands.get(`${named.type}.${named.command}`) ?? null);
      },
      limits,
      inboxPrefix: config.inboxPrefix,
      attemptsMax: config.durableAttemptsMax,
      backoff: this.#backoff,
      gate: this.#gate,
      isDraining: () => this.#isDraining,
      onDead: (whyNot) => {
        this.#whyNotDead = whyNot;
      },
      log,
    };
  }

  get #whyDegraded(): string | null {
    const full = this.#figures?.full ?? [];
    if (this.#whyNot !== null) return `Durable commands of NATS are not taken: ${this.#whyNot}. Other commands go on.`;
    if (this.#whyNotDead !== null) return `${DEAD} takes no dead letter: ${this.#whyNotDead}. What cannot be done stays in ${COMMANDS}.`;
    return full.length === 0 ? null : `${full.join(" and ")} has no room: whoever publishes there is refused.`;
  }

  #areThere(streams: CommandStreams): void {
    this.#streams = streams;
    this.#whyNot = null;
    void this.#look();
  }

  #areNotThere(cause: unknown): void {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (why !== this.#whyNot) this.#options.log.warn({ why }, "durable commands of NATS are not taken; it is tried again");
    this.#streams = null;
    this.#whyNot = why;
  }

  /** What is not known is not shown as it was: that the connection is away is told elsewhere. */
  async #look(): Promise<void> {
    const streams = this.#streams;
    this.#figures = streams === null ? null : await streams.figures().catch(() => null);
  }
}

const JITTER_RATIO = 0.5;
/** Longest time without a look whether the node takes commands again. */
const CLOSED_MS_MAX = 5_000;
/** Of one pull; what ends meanwhile makes room for the next one. */
const PULL_MAX = 256;
/** A pull that finds nothing ends after this and is repeated: it notices that its consumer is gone. */
const PULL_MS = 10_000;
/** Rest before the streams are looked for again. */
const RETRY_MS = 1_000;
const LOOK_EVERY_MS = 3_000;

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
