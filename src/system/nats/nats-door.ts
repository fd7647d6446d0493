import { randomUUID } from "node:crypto";
import { errors, type NatsConnection } from "nats";
import type { Component, RunningComponent } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { commandStatus } from "../ingress/command-status.ts";
import { ConversationCalls } from "../ingress/conversation-call.ts";
import { ConversationDoor } from "../ingress/conversation-door.ts";
import { serviceCommandsOf } from "../ingress/service-commands.ts";
import type { Log } from "../observe/log.ts";
import { type Measure, measure } from "../observe/measure.ts";
import type { Door } from "../ordered-stop.ts";
import type { Check, TroupeSystem } from "../system.ts";
import { CommandClaim } from "./command-claim.ts";
import { CommandService } from "./command-service.ts";
import { connectionOptionsOf } from "./connection-options.ts";
import { DeadCommands } from "./dead-commands.ts";
import { beDiscovered, type Discovered } from "./discovery.ts";
import { DurableCommands } from "./durable-commands.ts";
import { NatsLink } from "./nats-link.ts";

export interface NatsDoorOptions {
  readonly system: TroupeSystem & { readonly storeId: string };
  readonly config: Pick<Config, "nats" | "http" | "conversation">;
  readonly log: Pick<Log, "info" | "warn" | "error">;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** For checks only: breaks D1 of durable commands. */
  readonly acksEarly?: boolean;
}

/**
 * Commands over NATS, as a part of the node's tree. It starts without a server and goes on without one; readiness tells that there is none. Loaded only
 * when `nats.servers` is set.
 */
export class NatsDoor implements Component, Door {
  readonly type = "nats-door";
  readonly #options: NatsDoorOptions;
  readonly #commands: CommandService;
  readonly #service: Discovered;
  readonly #claim: CommandClaim;
  /** Null when `nats.durable` is false. */
  readonly durable: DurableCommands | null;
  /** Dead letters of durable commands; the same. */
  readonly dead: DeadCommands | null;
  #link: NatsLink | null = null;
  #downSinceMs = Date.now();
  /** Subjects that the server does not let us subscribe to, on this connection. */
  readonly #refused = new Set<string>();

  constructor(options: NatsDoorOptions) {
    const { system, config, log, version } = options;
    const door = new ConversationDoor(system);
    const behind = {
      system,
      door,
      calls: new ConversationCalls({ system, door, isInline: config.conversation.summaries === "inline" }),
      json: { depthMax: config.http.jsonDepthMax, keysMax: config.http.jsonKeysMax },
    };
    const commands = serviceCommandsOf(behind);
    const isDurable = config.nats.durable;
    this.#options = options;
    this.durable = isDurable
      ? new DurableCommands({
          commands,
          storeId: system.storeId,
          limits: config.http,
          config: config.nats,
          log,
          acksEarly: options.acksEarly === true,
        })
      : null;
    this.dead = isDurable ? new DeadCommands(() => this.#link?.connection ?? null) : null;
    this.#commands = new CommandService({
      commands: [...commands, commandStatus(behind)],
      limits: config.http,
      queue: QUEUE,
      inboxPrefix: config.nats.inboxPrefix,
      commandsMax: config.nats.commandsMax,
      onDefect: (cause, command) => log.error({ err: cause, command }, "a command met a defect"),
      onRefused: (subject, cause) => this.#isRefused(subject, cause),
    });
    const instance = randomUUID();
    const { inboxPrefix } = config.nats;
    this.#claim = new CommandClaim({
      name: SERVICE,
      instance,
      storeId: system.storeId,
      inboxPrefix,
      log,
      onTake: (connection, left) => {
        this.#commands.serve(connection, left);
        void this.durable?.serve(connection, left);
      },
    });
    this.#service = {
      name: SERVICE,
      id: instance,
      version,
      description: "Troupe: accounts, transfers and conversations",
      started: new Date().toISOString(),
      endpoints: () => this.#commands.endpoints,
      metadata: () => ({ ...this.#claim.presence }),
      inboxPrefix,
      onRefused: (subject, cause) => this.#isRefused(subject, cause),
    };
  }

  /** Whether commands are taken, as readiness shows it: without NATS the node serves HTTP, so it stays ready. */
  get check(): Check {
    const why = this.#link?.whyDown ?? null;
    const { servers } = this.#options.config.nats;
    if (why === null && this.#refused.size > 0)
      return {
        name: "nats",
        isOk: false,
        detail: `NATS (${servers}) does not let this user subscribe to ${[...this.#refused].join(", ")}; give it the permissions of config/nats/node-role.conf.`,
      };
    const whyNot = this.#claim.whyNot;
    if (why === null && whyNot !== null) return { name: "nats", isOk: false, detail: whyNot };
    if (why === null) return { name: "nats", isOk: true, detail: `connected to ${this.#link?.connection?.getServer() ?? servers}` };
    const forS = ((Date.now() - this.#downSinceMs) / 1000).toFixed(1);
    return {
      name: "nats",
      isOk: false,
      detail: `There is no connection to NATS (${servers}) for ${forS} s: ${why}. Commands by HTTP go on.`,
    };
  }

  /** For `/metrics`. */
  measures(): readonly Measure[] {
    const { endpoints, inFlight } = this.#commands;
    return [
      measure("nats_connected", this.#link?.connection == null ? 0 : 1),
      measure("nats_commands_active", inFlight),
      measure(
        "nats_replies_refused_total",
        endpoints.reduce((sum, { stats }) => sum + stats.repliesRefused, 0),
      ),
      ...endpoints.flatMap(({ command, stats }) =>
        [...stats.outcomes].map(([outcome, count]) => measure("nats_commands_total", count, { command: command.name, outcome })),
      ),
      ...(this.durable?.measures() ?? []),
    ];
  }

  async start(): Promise<RunningComponent> {
    const { config, log, env } = this.#options;
    const link = new NatsLink({
      connection: connectionOptionsOf(config.nats, env),
      backoffMsMin: config.nats.reconnectMsMin,
      backoffMsMax: config.nats.reconnectMsMax,
      onUp: (connection) => this.#isUp(connection),
      onDown: (why) => {
        if (link.connection === null) this.#downSinceMs = Date.now();
        log.warn({ servers: config.nats.servers, why }, "there is no connection to NATS; it is tried again");
      },
    });
    this.#link = link;
    return { ended: new Promise(() => undefined), stop: () => link.close() };
  }

  leave(): void {
    // Queue groups need no warning: what is refused is repeated, and reaches another node.
  }

  async drain(deadlineMs: number): Promise<number> {
    const unanswered = await Promise.all([this.#commands.drain(deadlineMs), this.durable?.drain(deadlineMs) ?? 0]);
    return unanswered.reduce((sum, count) => sum + count);
  }

  #isUp(connection: NatsConnection): void {
    this.#options.log.info({ server: connection.getServer(), version: connection.info?.version }, "connected to NATS");
    this.#refused.clear();
    beDiscovered(connection, this.#service);
    void this.#claim.keep(connection);
    void this.#hearDenials(connection);
  }

  #isRefused(subject: string, cause: Error): void {
    this.#refused.add(subject);
    this.#options.log.warn({ subject, why: cause.message }, "the user of NATS may not take what comes there");
  }

  /** An answer that may not be sent is nobody's error: its client waits in vain, and only the server says why. Told once for each kind of subject and connection. */
  async #hearDenials(connection: NatsConnection): Promise<void> {
    const told = new Set<string>();
    for await (const status of connection.status()) {
      if (status.type !== "error" || !(status.error instanceof errors.PermissionViolationError)) continue;
      const { operation, subject } = status.error;
      const kind = subject.startsWith("_INBOX") ? "_INBOX" : subject;
      if (operation !== "publish" || told.has(kind) || told.size >= DENIALS_TOLD_MAX) continue;
      told.add(kind);
      this.#options.log.warn({ subject }, "the user of NATS may not publish there: what was sent is lost");
    }
  }
}

const SERVICE = "troupe";
/** Of one connection. */
const DENIALS_TOLD_MAX = 20;
/** Nodes share the commands. */
const QUEUE = "troupe";
