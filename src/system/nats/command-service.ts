import type { Msg, NatsConnection } from "nats";
import type { Refusal } from "../../runtime/index.ts";
import { refuse } from "../ingress/ledger-door.ts";
import { refusedAnswer, type ServiceAnswer, type ServiceCommand } from "../ingress/service-commands.ts";
import { answerMessage, type CommandLimits, readCommand } from "./command-message.ts";
import { EndpointStats } from "./endpoint-stats.ts";
import { commandSubject, isReplySubject } from "./subjects.ts";

export interface CommandServiceOptions {
  readonly commands: readonly ServiceCommand[];
  readonly limits: CommandLimits;
  /** Nodes of one group share the commands. */
  readonly queue: string;
  /** Commands that were taken and are not answered; beyond, they are refused at once. */
  readonly commandsMax: number;
  readonly onDefect: (cause: unknown, command: string) => void;
}

/** One command and what came of it so far, since the start of this process. */
export interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly queue: string;
  readonly about: string;
  readonly stats: EndpointStats;
}

/** Commands by request and reply, `troupe.v1.<type>.<command>`. Nothing waits here: what cannot begin now is refused, and says when to come again. */
export class CommandService {
  readonly #options: CommandServiceOptions;
  readonly #endpoints: ReadonlyArray<Endpoint & { readonly command: ServiceCommand }>;
  #inFlight = 0;
  #isDraining = false;
  #whenIdle: Array<() => void> = [];

  constructor(options: CommandServiceOptions) {
    this.#options = options;
    this.#endpoints = options.commands.map((command) => ({
      command,
      name: `${command.type}-${command.command}`,
      subject: commandSubject(command.type, command.command),
      queue: options.queue,
      about: command.about,
      stats: new EndpointStats(),
    }));
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes commands on this connection. */
  serve(connection: NatsConnection): void {
    for (const endpoint of this.#endpoints) {
      const { command, stats } = endpoint;
      connection.subscribe(endpoint.subject, {
        queue: endpoint.queue,
        callback: (error, message) => {
          // A subscription that may not be: the server has said so, and the link tells why.
          if (error === null) this.#take(command, stats, message);
        },
      });
    }
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

  #take(command: ServiceCommand, stats: EndpointStats, message: Msg): void {
    const begunMs = performance.now();
    if (this.#isDraining) return this.#answer(command, stats, message, begunMs, SHUTTING_DOWN, null);
    if (this.#inFlight >= this.#options.commandsMax) return this.#answer(command, stats, message, begunMs, BUSY, null);
    const read = readCommand(message, this.#options.limits);
    if ("code" in read) return this.#answer(command, stats, message, begunMs, read, null);
    this.#inFlight++;
    const { request } = read;
    command.run(request).then(
      (result) => this.#done(command, stats, message, begunMs, result, request.id),
      (cause: unknown) => {
        this.#options.onDefect(cause, `${command.type}.${command.command}`);
        this.#done(command, stats, message, begunMs, DEFECT, request.id);
      },
    );
  }

  #done(
    command: ServiceCommand,
    stats: EndpointStats,
    message: Msg,
    begunMs: number,
    result: ServiceAnswer | Refusal,
    id: string | null,
  ): void {
    this.#answer(command, stats, message, begunMs, result, id);
    if (--this.#inFlight === 0) for (const idle of this.#whenIdle.splice(0)) idle();
  }

  #answer(
    command: ServiceCommand,
    stats: EndpointStats,
    message: Msg,
    begunMs: number,
    result: ServiceAnswer | Refusal,
    id: string | null,
  ): void {
    const answer = "status" in result ? result : refusedAnswer(result, command.path(id ?? ""));
    stats.count(performance.now() - begunMs, answer);
    const { reply } = message;
    if (reply === undefined || reply === "") return; // Nobody waits: the command was published, and its key tells later what came of it.
    if (!isReplySubject(reply)) return stats.refusedReply();
    const { headers, body } = answerMessage(answer);
    try {
      message.respond(body, { headers });
    } catch {
      // The connection is gone, and with it who waits. The outcome is durable, and a repeat with the same key is answered with it.
    }
  }
}

const SHUTTING_DOWN = refuse(
  "SHUTTING_DOWN",
  "the node stops and takes no new work; repeat with the same key when it is back, or at another node",
);
const BUSY = refuse("OVERLOADED", "the node works on as many commands as it may; nothing was done, repeat after Retry-After");
const DEFECT = refuse("INTERNAL_ERROR", "the service met a defect and logged it; a repeat with the same key is safe");
