/**
 * Commands of the stream TROUPE_COMMANDS, which clients publish to. Its invariants:
 *
 * D1. A command is acknowledged only when its outcome is durable, or it is stored as a dead letter; until then the stream gives it again.
 * D2. A command that is given again has one effect: its key is known by what it changed (L3), never by the stream. So one without a key is refused.
 * D3. Its answer is published before the acknowledgement. It may be lost all the same: `command.status` tells what became of a key.
 * D4. Never more than `durableMax` are in memory: only what can begin is pulled, and nothing is while the node refuses.
 * D5. What clears by itself is tried `durableAttemptsMax` times; what concerns the whole node counts no attempt, it waits.
 */
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { type Msg, type MsgHdrs, type NatsConnection, headers as newHeaders } from "nats";
import { type Backoff, nextDelayMs, type Refusal } from "../../runtime/index.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { refusedAnswer, type ServiceAnswer, type ServiceCommand } from "../ingress/service-commands.ts";
import type { Log } from "../observe/log.ts";
import { type Measure, measure } from "../observe/measure.ts";
import type { Check } from "../system.ts";
import { answerMessage, type CommandLimits, readCommand, replyToOf } from "./command-message.ts";
import { COMMANDS, CommandStreams, DEAD, type StreamFigures } from "./command-streams.ts";
import type { NatsConfig } from "./connection-options.ts";
import { deadMessageOf } from "./dead-message.ts";
import { type Verdict, verdictOf, whyGivenTooOften, whyNotDurable } from "./durable-verdict.ts";
import { PullGate } from "./pull-gate.ts";
import { commandOfDurable } from "./subjects.ts";

export interface DurableCommandsOptions {
  readonly commands: readonly ServiceCommand[];
  readonly limits: CommandLimits;
  readonly config: NatsConfig;
  readonly log: Pick<Log, "info" | "warn" | "error">;
}

/** A command in work. */
interface Work {
  readonly message: JsMsg;
  /** Null when they cannot be read. */
  readonly headers: MsgHdrs | null;
  readonly connection: NatsConnection;
  readonly streams: CommandStreams;
  /** When the stream was told last that it is in work, by the monotonic clock. */
  toldMs: number;
}
type Ending =
  | Extract<Verdict, { readonly kind: "done" | "again" }>
  /** `id` of the entity, as far as it could be read. */
  | { readonly kind: "dead"; readonly refusal: Refusal; readonly id: string | null }
  | { readonly kind: "left" };
type Outcome = "answered" | "refused" | "dead" | "again" | "left";

export class DurableCommands {
  readonly #options: DurableCommandsOptions;
  readonly #commands: ReadonlyMap<string, ServiceCommand>;
  readonly #backoff: Backoff;
  readonly #gate: PullGate;
  readonly #inWork = new Set<Work>();
  readonly #counts: Record<Outcome, number> = { answered: 0, refused: 0, dead: 0, again: 0, left: 0 };
  #redelivered = 0;
  #streams: CommandStreams | null = null;
  #pulling: ConsumerMessages | null = null;
  #figures: StreamFigures | null = null;
  #whyNot: string | null = null;
  /** Why the latest dead letter could not be stored; null when it was. */
  #whyNotDead: string | null = null;
  #isDraining = false;
  /** Those who wait for a command to end. */
  #ended: Array<() => void> = [];
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(options: DurableCommandsOptions) {
    const { durableBackoffMsMin, durableBackoffMsMax, durableAckMs } = options.config;
    this.#options = options;
    this.#commands = new Map(options.commands.map((command) => [`${command.type}.${command.command}`, command]));
    this.#backoff = { backoffMsMin: durableBackoffMsMin, backoffMsMax: durableBackoffMsMax, jitterRatio: JITTER_RATIO };
    this.#gate = new PullGate(this.#backoff);
    this.#timers = [
      setInterval(() => this.#tellInWork(durableAckMs / 2), durableAckMs / 4),
      setInterval(() => void this.#look(), LOOK_EVERY_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /** Takes commands on this connection until it is gone. Never rejects. */
  async serve(connection: NatsConnection): Promise<void> {
    const { config } = this.#options;
    const wanted = { replicas: config.replicas, ackMs: config.durableAckMs, worksMax: config.durableMax };
    while (!connection.isClosed() && !this.#isDraining) {
      try {
        const streams = await CommandStreams.open(connection, wanted);
        this.#areThere(streams);
        await this.#pull(streams, connection);
      } catch (cause) {
        this.#areNotThere(connection, cause);
      }
      this.#streams = null;
      await rest(RETRY_MS);
    }
  }

  /** Whether commands are taken. Without a connection that is not told here. */
  get check(): Check {
    const name = "nats-durable";
    const full = this.#figures?.full ?? [];
    if (this.#whyNot !== null)
      return { name, isOk: false, detail: `Durable commands of NATS are not taken: ${this.#whyNot}. Other commands go on.` };
    if (this.#whyNotDead !== null) return { name, isOk: false, detail: `${DEAD} takes no dead letter: ${this.#whyNotDead}.` };
    if (full.length > 0) return { name, isOk: false, detail: `${full.join(" and ")} has no room: publishers are refused.` };
    return { name, isOk: true, detail: `${this.#inWork.size} in work, ${this.#figures?.waiting ?? 0} wait in ${COMMANDS}` };
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
    this.#pulling?.stop();
    const until = performance.now() + deadlineMs;
    while (this.#inWork.size > 0 && performance.now() < until)
      await Promise.race([this.#oneEnded(), rest(Math.max(until - performance.now(), 0))]);
    for (const timer of this.#timers) clearInterval(timer);
    return this.#inWork.size;
  }

  async #pull(streams: CommandStreams, connection: NatsConnection): Promise<void> {
    const { durableMax } = this.#options.config;
    while (!connection.isClosed() && !this.#isDraining) {
      await this.#gate.opened();
      const free = durableMax - this.#inWork.size;
      if (free <= 0) await this.#oneEnded();
      if (free <= 0 || this.#gate.isClosed || this.#isDraining) continue;
      this.#pulling = await streams.commands.fetch({ max_messages: Math.min(free, PULL_MAX), expires: PULL_MS });
      if (this.#isDraining) this.#pulling.stop();
      for await (const message of this.#pulling)
        void this.#work({ message, headers: headersOf(message), connection, streams, toldMs: performance.now() });
    }
  }

  async #work(work: Work): Promise<void> {
    this.#inWork.add(work);
    if (work.message.redelivered) this.#redelivered++;
    const outcome = await this.#end(work).catch((cause: unknown) => {
      this.#options.log.error({ err: cause, subject: work.message.subject.slice(0, SHOWN_CHARS_MAX) }, "a durable command met a defect");
      return "left" as const;
    });
    this.#counts[outcome]++;
    this.#inWork.delete(work);
    for (const ended of this.#ended.splice(0)) ended();
  }

  async #end(work: Work): Promise<Outcome> {
    const { message } = work;
    const ending = await this.#endingOf(work);
    switch (ending.kind) {
      case "done":
        this.#reply(work, ending.answer);
        this.#tell(() => message.ack());
        return ending.answer.status < 400 ? "answered" : "refused";
      case "dead":
        return await this.#die(work, ending);
      case "again":
        this.#tell(() => message.nak(this.#restMs(work)));
        return "again";
      case "left":
        this.#tell(() => message.nak());
        return "left";
    }
  }

  async #endingOf(work: Work): Promise<Ending> {
    const { message, headers } = work;
    const { durableAttemptsMax: attemptsMax } = this.#options.config;
    const given = message.info.deliveryCount;
    const command = this.#commandOf(message.subject);
    if (command === null) return { kind: "dead", refusal: UNKNOWN_COMMAND, id: null };
    const why = whyNotDurable(command) ?? whyGivenTooOften(given, attemptsMax);
    if (headers === null || why !== null) return { kind: "dead", refusal: why ?? BAD_HEADERS, id: null };
    for (;;) {
      const read = readCommand({ headers, data: message.data }, this.#options.limits);
      if ("code" in read) return { kind: "dead", refusal: read, id: null };
      const result = await command.run(read.request).catch((cause: unknown) => this.#defect(cause, command));
      const verdict = verdictOf(result, { command, given, attemptsMax });
      if (verdict.kind === "done") this.#gate.passed();
      if (verdict.kind === "dead") return { ...verdict, id: read.request.id };
      if (verdict.kind !== "held") return verdict;
      this.#gate.close();
      // The rest is short, so a stop and the end of the connection are seen in time.
      await this.#gate.opened();
      if (this.#isDraining || work.connection.isClosed()) return { kind: "left" };
    }
  }

  /** D1: acknowledged when the dead letter is stored. */
  async #die(work: Work, { refusal, id }: Extract<Ending, { readonly kind: "dead" }>): Promise<Outcome> {
    const { message, headers, connection, streams } = work;
    const { subject, data } = message;
    const attempts = message.info.deliveryCount;
    const bytesMax = connection.info?.max_payload ?? MESSAGE_BYTES_MIN;
    const dead = deadMessageOf({ subject, headers, data }, refusal, { attempts, at: Date.now(), bytesMax });
    const { code, detail } = refusal;
    try {
      // Of a command that dies once more, because its acknowledgement was lost, one letter is enough.
      const msgID = `${message.timestampNanos}-${message.seq}`;
      await streams.client.publish(dead.subject, dead.body, { headers: dead.headers, msgID, timeout: STORE_MS_MAX });
    } catch (cause) {
      this.#whyNotDead = wordsOf(cause);
      this.#tell(() => message.nak(this.#restMs(work)));
      return "again";
    }
    this.#whyNotDead = null;
    const command = this.#commandOf(message.subject);
    this.#options.log.warn({ command: dead.subject, attempts, code, detail }, "a durable command is a dead letter");
    this.#reply(work, refusedAnswer(refusal, command?.path(id ?? "", message.data) ?? "/"));
    this.#tell(() => message.ack());
    return "dead";
  }

  /** To whoever waits for it; nobody need. */
  #reply({ headers, connection }: Work, answer: ServiceAnswer): void {
    const replyTo = headers === null ? null : replyToOf(headers);
    if (replyTo === null) return;
    const told = answerMessage(answer);
    this.#tell(() => connection.publish(replyTo, told.body, { headers: told.headers }));
  }

  /** Says something to the server. What it does not hear, because the connection is gone, it takes for not said: the stream gives the command again. */
  #tell(say: () => void): void {
    try {
      say();
    } catch {
      // Also an answer that is larger than a message may be: its status tells.
    }
  }

  #tellInWork(everyMs: number): void {
    const nowMs = performance.now();
    for (const work of this.#inWork) {
      if (nowMs - work.toldMs < everyMs) continue;
      work.toldMs = nowMs;
      this.#tell(() => work.message.working());
    }
  }

  async #look(): Promise<void> {
    const streams = this.#streams;
    // What is not known is not shown as it was: the connection, or JetStream, is told to be away.
    this.#figures = streams === null ? null : await streams.figures().catch(() => null);
  }

  #areThere(streams: CommandStreams): void {
    this.#streams = streams;
    this.#whyNot = null;
    void this.#look();
  }

  #areNotThere(connection: NatsConnection, cause: unknown): void {
    if (connection.isClosed()) return; // That is told as what it is.
    const why = wordsOf(cause);
    if (why !== this.#whyNot) this.#options.log.warn({ why }, "durable commands of NATS are not taken; it is tried again");
    this.#whyNot = why;
  }

  #defect(cause: unknown, { type, command }: ServiceCommand): Refusal {
    this.#options.log.error({ err: cause, command: `${type}.${command}` }, "a command met a defect");
    return DEFECT;
  }

  #commandOf(subject: string): ServiceCommand | null {
    const named = commandOfDurable(subject);
    return named === null ? null : (this.#commands.get(`${named.type}.${named.command}`) ?? null);
  }

  #restMs({ message }: Work): number {
    return Math.ceil(nextDelayMs(this.#backoff, message.info.deliveryCount, Math.random()));
  }

  #oneEnded(): Promise<void> {
    return new Promise((resolve) => this.#ended.push(resolve));
  }
}

/** Read at this first look. Null for malformed ones, and for more than the library reads in a moment: it looks through all names for each further one. */
function headersOf(message: JsMsg): MsgHdrs | null {
  const { msg } = message as JsMsg & { readonly msg: Msg & { size(): number } };
  const bytes = msg.size() - msg.data.byteLength - msg.subject.length - (msg.reply?.length ?? 0);
  if (bytes > HEADER_BYTES_MAX) return null;
  try {
    return message.headers ?? newHeaders();
  } catch {
    return null;
  }
}
const HEADER_BYTES_MAX = 8 * 1024;

const BAD_HEADERS = refuse("validation_failed", `the headers are malformed, or larger than ${HEADER_BYTES_MAX} bytes together`);
const UNKNOWN_COMMAND = refuse("not_found", "there is no command of this subject; the service is asked for them by $SRV.INFO.troupe");
const DEFECT = refuse("INTERNAL_ERROR", "the service met a defect and logged it; a repeat with the same key is safe");

const JITTER_RATIO = 0.5;
/** Of one pull; what ends meanwhile makes room for the next one. */
const PULL_MAX = 256;
/** A pull that finds nothing ends after this and is repeated: it notices that its consumer is gone. */
const PULL_MS = 10_000;
/** Rest before the streams are looked for again. */
const RETRY_MS = 1_000;
const LOOK_EVERY_MS = 3_000;
const STORE_MS_MAX = 5_000;
/** Of a message, when the server has not said what it takes. */
const MESSAGE_BYTES_MIN = 64 * 1024;
const SHOWN_CHARS_MAX = 200;

const wordsOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
