/** A node with its HTTP door in this process, on a folder of the test's, that can be stopped and started again at the same port. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { type HttpServer, startHttp } from "../../src/system/http/index.ts";
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";

const CLOSE_MS = 5_000;
/** A machine that does other things must starve no thread. */
const HEARTBEAT_MS = 30_000;
type Flags = Readonly<Record<string, string | number>>;

export class ConversationServer implements AsyncDisposable {
  /** Defects and errors that were logged; a test ends with none. */
  readonly defects: unknown[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), "troupe-talk-"));
  readonly #flags: Flags;
  #port = 0;
  #running: { readonly node: Node; readonly http: HttpServer } | null = null;

  private constructor(flags: Flags) {
    this.#flags = flags;
  }

  static async start(flags: Flags = {}): Promise<ConversationServer> {
    const server = new ConversationServer(flags);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }
  get node(): Node {
    return this.#up.node;
  }
  get http(): HttpServer {
    return this.#up.http;
  }

  async start(): Promise<void> {
    const given = {
      "--data.dir": this.#dir,
      "--shard.count": 8,
      "--journal.disk-free-bytes-min": 0,
      "--threads.heartbeat-ms": HEARTBEAT_MS,
      "--http.port": this.#port,
      ...this.#flags,
    };
    const argv = Object.entries(given).flatMap(([flag, value]) => [flag, String(value)]);
    const config = loadConfig({ argv, env: {}, cwd: this.#dir });
    const error = (fields: object, text: string): void => void this.defects.push({ text, fields });
    const nothing = (): void => undefined;
    const node = await startSystem(config, { log: { debug: nothing, info: nothing, warn: nothing, error } });
    const http = await startHttp({ system: node, config, log: { info: nothing, error } });
    this.#port = Number(new URL(http.url).port);
    this.#running = { node, http };
  }

  async stop(): Promise<void> {
    const { node, http } = this.#up;
    this.#running = null;
    await http.close(CLOSE_MS);
    await node.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running !== null) await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #up() {
    if (this.#running === null) throw new Error("the server does not run");
    return this.#running;
  }
}
