import { errors, type Msg, type NatsConnection } from "nats";
import type { Refusal } from "../../runtime/index.ts";
import { SHUTTING_DOWN } from "../ingress/door-refusals.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { refusedAnswer, type ServiceAnswer, type ServiceCommand } from "../ingress/service-commands.ts";
import { ANSWER_TOO_LARGE, answerMessage, type CommandLimits, idOfMessage, readCommand } from "./command-message.ts";
import { EndpointStats } from "./endpoint-stats.ts";
import { commandSubject, isReplySubject } from "./subjects.ts";

export interface CommandServiceOptions {
  readonly commands: readonly ServiceCommand[];
  readonly limits: CommandLimits;
  /** Nodes of one group share the commands. */
  readonly queue: string;
  /** Of this node, to which no answer goes. */
  readonly inboxPrefix: string;
  /** Commands that were taken and are not answered; beyond, they are refused at once. */
  readonly commandsMax: number;
  readonly onDefect: (cause: unknown, command: string) => void;
  /** The server does not let us take a command. */
  readonly onRefused: (subject: string, cause: Error) => void;
}

/** One command and what came of it so far, since the start of this process. */
export interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly queue: string;
  readonly command: ServiceCommand;
  readonly stats: EndpointStats;
}

/** A message that has no answer yet. */
interface Taken {
  readonly endpoint: Endpoint;
  readonly message: Msg;
  /** On the monotonic clock. */
  readonly begunMs: number;
}

/** Commands by request and reply, `troupe.v1.<type>.<command>`. Nothing waits here: what cannot begin now is refused, and says when to come again. */
export class CommandService {
  readonly #options: CommandServiceOptions;
  readonly endpoints: readonly Endpoint[];
  #inFlight = 0;
  #isDraining = false;
  #whenIdle: Array<() => void> = [];

  constructor(options: CommandServiceOptions) {
    this.#options = options;
    this.endpoints = options.commands.map((command) => ({
      command,
      name: `${command.type}-${command.command}`,
      subject: commandSubject(command.type, command.command),
      queue: options.queue,
      stats: new EndpointStats(),
    }));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes commands on this connection until they are left to another store; what the server sent before is answered. */
  serve(connection: NatsConnection, left: AbortSignal): void {
    const subscriptions = this.endpoints.map((endpoint) =>
      connection.subscribe(endpoint.subject, {
        queue: endpoint.queue,
        callback: (error, message) => {
          if (error !== null) return this.#options.onRefused(endpoint.subject, error);
          try {
            this.#take({ endpoint, message, begunMs: performance.now() });
          } catch (cause) {
            // What is thrown into the library ends the connection: one message must not do that to all others.
            this.#options.onDefect(cause, endpoint.command.name);
          }
        },
      }),
    );
    const leave = (): void => {
      for (const subscription of subscriptions) void subscription.drain().catch(() => undefined);
    };
    left.addEventListener("abort", leave, { once: true });
  }

  /** Refuses what comes from now on, and waits for what came before, at most so long. @returns how many have no answer. */
  async drain(deadlineMs: number): Promise<number> {
    this.#isDraining = true;
    if (this.#inFlight === 0) return 0;
    let timer: NodeJS.Timeout | null = null;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, deadlineMs);
    });
    await Promise.race([new Promise<void>((resolve) => this.#whenIdle.push(resolve)), late]);
    if (timer !== null) clearTimeout(timer);
    return this.#inFlight;
  }

  #take(taken: Taken): void {
    const { command } = taken.endpoint;
    if (this.#isDraining) return this.#answer(taken, SHUTTING_DOWN);
    if (this.#inFlight >= this.#options.commandsMax) return this.#answer(taken, BUSY);
    const read = readCommand(taken.message, this.#options.limits, command.template);
    if ("code" in read) return this.#answer(taken, read);
    this.#inFlight++;
    command.run(read.request).then(
      (result) => this.#done(taken, result),
      (cause: unknown) => {
        this.#options.onDefect(cause, command.name);
        this.#done(taken, DEFECT);
      },
    );
  }

  #done(taken: Taken, result: ServiceAnswer | Refusal): void {
    this.#answer(taken, result);
    if (--this.#inFlight === 0) for (const idle of this.#whenIdle.splice(0)) idle();
  }

  #answer(taken: Taken, result: ServiceAnswer | Refusal): void {
    const { endpoint, message, begunMs } = taken;
    const answer = "status" in result ? result : this.#refused(taken, result);
    endpoint.stats.count(performance.now() - begunMs, answer);
    const { reply } = message;
    if (reply === undefined || reply === "") return; // Nobody waits: the command was published, and its key tells later what came of it.
    if (!isReplySubject(reply, this.#options.inboxPrefix)) return endpoint.stats.refusedReply();
    if (!respond(message, answer)) respond(message, this.#refused(taken, ANSWER_TOO_LARGE));
  }

  #refused({ endpoint, message }: Taken, refusal: Refusal): ServiceAnswer {
    return refusedAnswer(refusal, endpoint.command.path(idOfMessage(message) ?? "", message.data));
  }
}

/** @returns false when the answer is larger than the server carries. */
function respond(message: Msg, answer: ServiceAnswer): boolean {
  const { headers, body } = answerMessage(answer);
  try {
    message.respond(body, { headers });
    return true;
  } catch (cause) {
    // Otherwise the connection is gone, and with it who waits. The outcome is durable, and a repeat with the same key is answered with it.
    return !(cause instanceof errors.InvalidArgumentError);
  }
}

const BUSY = refuse("OVERLOADED", "the node works on as many commands as it may; nothing was done, repeat after Retry-After");
const DEFECT = refuse("INTERNAL_ERROR", "the service met a defect and logged it; a repeat with the same key is safe");
