import type { JsMsg } from "@nats-io/jetstream";
import { errors, type MsgHdrs, type NatsConnection, headers as newHeaders } from "nats";
import { type Backoff, nextDelayMs, type Refusal } from "../../runtime/index.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { refusedAnswer, type ServiceAnswer, type ServiceCommand } from "../ingress/service-commands.ts";
import type { Log } from "../observe/log.ts";
import {
  ANSWER_TOO_LARGE,
  answerMessage,
  type CommandLimits,
  headersIn,
  idOfMessage,
  isRefusal,
  type Received,
  readCommand,
  replyToOf,
} from "./command-message.ts";
import type { CommandStreams } from "./command-streams.ts";
import { deadMessageOf } from "./dead-message.ts";
import { asFarAsKnown, type Verdict, verdictOf, whyGivenTooOften, whyNotDurable } from "./durable-verdict.ts";
import type { PullGate } from "./pull-gate.ts";

/** What all commands of one connection share. */
export interface DurableSurroundings {
  readonly connection: NatsConnection;
  readonly streams: CommandStreams;
  /** By the subject to which it was published; null when there is none of it. */
  readonly commandOf: (subject: string) => ServiceCommand | null;
  readonly limits: CommandLimits;
  /** Of this node, to which no answer goes. */
  readonly inboxPrefix: string;
  readonly attemptsMax: number;
  readonly backoff: Backoff;
  readonly gate: PullGate;
  readonly isDraining: () => boolean;
  /** Why a dead letter could not be stored; null when one was. */
  readonly onDead: (whyNot: string | null) => void;
  readonly log: Pick<Log, "warn" | "error">;
  /** For checks only: breaks D1. */
  readonly acksEarly: boolean;
}

/** `refused`: by an entity, which has recorded it. `again`: the stream gives it once more. `left`: the same, because the node stops or the connection is gone. */
export type DurableOutcome = "answered" | "refused" | "dead" | "again" | "left";
type Ending =
  | Extract<Verdict, { readonly kind: "done" | "again" }>
  /** `id` of the entity, as far as it could be read. */
  | { readonly kind: "dead"; readonly refusal: Refusal; readonly id: string | null }
  | { readonly kind: "left" };

/** One command of the stream, from its arrival to what the stream is told of it. See `DurableCommands` for D1 to D5. */
export class DurableWork {
  readonly #message: JsMsg;
  /** Or why they cannot be read. */
  readonly #headers: MsgHdrs | Refusal;
  readonly #with: DurableSurroundings;
  /** When the stream was told last that it is in work, by the monotonic clock. */
  #toldMs = performance.now();

  constructor(message: JsMsg, surroundings: DurableSurroundings) {
    this.#message = message;
    this.#headers = headersIn((message as JsMsg & { readonly msg: Received }).msg) ?? newHeaders();
    this.#with = surroundings;
  }

  /** Does it, answers it, and tells the stream. Never rejects. */
  async end(): Promise<DurableOutcome> {
    try {
      if (this.#with.acksEarly) this.#tell(() => this.#message.ack());
      const ending = await this.#ending();
      switch (ending.kind) {
        case "done":
          this.#reply(ending.answer);
          this.#tell(() => this.#message.ack());
          return ending.answer.status < 400 ? "answered" : "refused";
        case "dead":
          return await this.#die(ending);
        case "again":
          return this.#again();
        case "left":
          this.#tell(() => this.#message.nak());
          return "left";
      }
    } catch (cause) {
      this.#with.log.error({ err: cause, subject: this.#message.subject.slice(0, SHOWN_CHARS_MAX) }, "a durable command met a defect");
      return this.#again();
    }
  }

  /** Keeps the stream from giving it once more, when it has heard nothing for so long. */
  tellInWork(afterMs: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < afterMs) return;
    this.#toldMs = nowMs;
    this.#tell(() => this.#message.working());
  }

  async #ending(): Promise<Ending> {
    const { attemptsMax, commandOf, limits, gate, isDraining, connection } = this.#with;
    const { subject, data, info } = this.#message;
    const given = info.deliveryCount;
    const headers = this.#headers;
    const command = commandOf(subject);
    if (command === null) return { kind: "dead", refusal: UNKNOWN_COMMAND, id: null };
    if (isRefusal(headers)) return { kind: "dead", refusal: headers, id: null };
    const why = whyNotDurable(command) ?? whyGivenTooOften(given, attemptsMax);
    if (why !== null) return { kind: "dead", refusal: why, id: null };
    for (;;) {
      const read = readCommand({ headers, data }, limits, command.template);
      if ("code" in read) return { kind: "dead", refusal: read, id: null };
      const result = await command.run(read.request).catch((cause: unknown) => this.#defect(cause, command));
      const verdict = verdictOf(result, { given, attemptsMax });
      if (verdict.kind === "done") gate.passed();
      if (verdict.kind === "dead") return { ...verdict, id: read.request.id };
      if (verdict.kind !== "held") return verdict;
      gate.close();
      await gate.opened();
      if (isDraining() || connection.isClosed()) return { kind: "left" };
    }
  }

  /** D1: acknowledged when the dead letter is stored. */
  async #die({ refusal: met, id }: Extract<Ending, { readonly kind: "dead" }>): Promise<DurableOutcome> {
    const { connection, streams, commandOf, onDead, log } = this.#with;
    const { subject, data, info, seq, timestampNanos } = this.#message;
    const refusal = asFarAsKnown(met, info.deliveryCount);
    const bytesMax = connection.info?.max_payload ?? MESSAGE_BYTES_MIN;
    const facts = { attempts: info.deliveryCount, at: Date.now(), bytesMax };
    const headers = isRefusal(this.#headers) ? null : this.#headers;
    const dead = deadMessageOf({ subject, headers, data }, refusal, facts);
    try {
      // Of a command that dies once more, because its acknowledgement was lost, one letter is enough.
      const msgID = `${timestampNanos}-${seq}`;
      await streams.client.publish(dead.subject, dead.body, { headers: dead.headers, msgID, timeout: STORE_MS_MAX });
    } catch (cause) {
      onDead(cause instanceof Error ? cause.message : String(cause));
      return this.#again();
    }
    onDead(null);
    const { code, detail } = refusal;
    log.warn({ command: dead.subject, attempts: info.deliveryCount, code, detail }, "a durable command is a dead letter");
    this.#reply(refusedAnswer(refusal, commandOf(subject)?.path(id ?? "", data) ?? "/"));
    this.#tell(() => this.#message.ack());
    return "dead";
  }

  #again(): DurableOutcome {
    const restMs = nextDelayMs(this.#with.backoff, this.#message.info.deliveryCount, Math.random());
    this.#tell(() => this.#message.nak(Math.ceil(restMs)));
    return "again";
  }

  /** To whoever waits for it; nobody need. */
  #reply(answer: ServiceAnswer): void {
    const headers = this.#headers;
    if (isRefusal(headers)) return;
    const replyTo = replyToOf(headers, this.#with.inboxPrefix);
    if (replyTo === null) return;
    const { subject, data } = this.#message;
    this.#tell(() => {
      try {
        this.#publish(replyTo, answer);
      } catch (cause) {
        if (!(cause instanceof errors.InvalidArgumentError)) throw cause;
        const path = this.#with.commandOf(subject)?.path(idOfMessage({ headers, data }) ?? "", data) ?? "/";
        this.#publish(replyTo, refusedAnswer(ANSWER_TOO_LARGE, path));
      }
    });
  }

  #publish(replyTo: string, answer: ServiceAnswer): void {
    const { headers, body } = answerMessage(answer);
    this.#with.connection.publish(replyTo, body, { headers });
  }

  /** Says something to the server. What it does not hear, because the connection is gone, was not said: the stream gives the command again. */
  #tell(say: () => void): void {
    try {
      say();
    } catch {
      // The connection is gone.
    }
  }

  #defect(cause: unknown, { type, command }: ServiceCommand): Refusal {
    this.#with.log.error({ err: cause, command: `${type}.${command}` }, "a command met a defect");
    return DEFECT;
  }
}

const UNKNOWN_COMMAND = refuse("not_found", "there is no command of this subject; $SRV.INFO.troupe lists those that there are");
const DEFECT = refuse("INTERNAL_ERROR", "the service met a defect and logged it; a repeat with the same key is safe");

const STORE_MS_MAX = 5_000;
/** Of a message, when the server has not said what it takes. */
const MESSAGE_BYTES_MIN = 64 * 1024;
const SHOWN_CHARS_MAX = 200;
