/** A node with its doors in this process, HTTP and NATS, composed as `troupe start` does it, on a folder of the test's. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { HttpListener } from "../../src/system/http/index.ts";
import { NatsDoor } from "../../src/system/nats/nats-door.ts";
import type { Node } from "../../src/system/node.ts";
import { Metrics } from "../../src/system/observe/metrics.ts";
import { startSystem } from "../../src/system/start.ts";
import { until } from "./test-node.ts";

/** A machine that does other things must starve no thread. */
const HEARTBEAT_MS = 60_000;

export interface NatsNodeOptions {
  readonly servers: string;
  readonly flags?: Readonly<Record<string, string | number>>;
  /** Variables that hold secrets: part of the process's environment while the node runs, because its threads read them for themselves. */
  readonly env?: Readonly<Record<string, string>>;
  /** A data folder that nobody has open: the node has a copy of it, and with it its store. */
  readonly copyOf?: string;
}

export class NatsNode implements AsyncDisposable {
  readonly node: Node;
  readonly nats: NatsDoor;
  /** Errors that were logged; a test ends with none. */
  readonly defects: readonly unknown[];
  /** Texts of the warnings that were logged. */
  readonly warnings: readonly string[];
  readonly #http: HttpListener;
  readonly #dir: string;
  readonly #forget: () => void;

  private constructor(parts: {
    readonly node: Node;
    readonly nats: NatsDoor;
    readonly http: HttpListener;
    readonly dir: string;
    readonly defects: unknown[];
    readonly warnings: string[];
    readonly forget: () => void;
  }) {
    this.node = parts.node;
    this.nats = parts.nats;
    this.defects = parts.defects;
    this.warnings = parts.warnings;
    this.#http = parts.http;
    this.#dir = parts.dir;
    this.#forget = parts.forget;
  }

  /** Resolves when the doors are open; the one to NATS may not have a connection yet. */
  static async start({ servers, flags = {}, env = {}, copyOf }: NatsNodeOptions): Promise<NatsNode> {
    const dir = mkdtempSync(join(tmpdir(), "troupe-nats-node-"));
    if (copyOf !== undefined) cpSync(copyOf, dir, { recursive: true });
    const given = {
      "--data.dir": dir,
      "--shard.count": 8,
      "--journal.disk-free-bytes-min": 0,
      "--threads.heartbeat-ms": HEARTBEAT_MS,
      "--http.port": 0,
      "--nats.servers": servers,
      "--nats.reconnect-ms-min": 10,
      "--nats.reconnect-ms-max": 100,
      "--nats.durable": "false",
      "--nats.events": "false",
      ...flags,
    };
    const argv = Object.entries(given).flatMap(([flag, value]) => [flag, String(value)]);
    const config = loadConfig({ argv, env: {}, cwd: dir });
    const defects: unknown[] = [];
    const warnings: string[] = [];
    const nothing = (): void => undefined;
    const log = {
      debug: nothing,
      info: nothing,
      warn: (_fields: object, text: string) => void warnings.push(text),
      error: (fields: object, text: string) => void defects.push({ text, fields }),
    };
    const forget = setEnvironment(env);
    let node: Node | null = null;
    try {
      node = await startSystem(config, { log });
      const metrics = new Metrics(node);
      const http = new HttpListener({ system: node, config, log, metrics });
      const nats = new NatsDoor({ system: node, config, log, env: process.env, version: "0.0.0" });
      node.alsoCheck(() => nats.check);
      metrics.alsoMeasure(() => nats.measures());
      await node.open(http, nats);
      return new NatsNode({ node, nats, http, dir, defects, warnings, forget });
    } catch (cause) {
      await node?.close();
      forget();
      rmSync(dir, { recursive: true, force: true });
      throw cause;
    }
  }

  /** Resolves when it takes commands over NATS. @throws Error at the limit. */
  async connected(): Promise<this> {
    await until("NATS is connected", () => this.nats.check.isOk);
    return this;
  }

  get url(): string {
    return this.#http.url;
  }
  get dir(): string {
    return this.#dir;
  }
  /** The door of HTTP, for a stop in order. */
  get http(): HttpListener {
    return this.#http;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node.close();
    this.#forget();
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** @returns what puts back what was there. */
function setEnvironment(env: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
