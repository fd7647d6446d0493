/** A real nats-server of a test's own: on the loopback, a port and a store of its own, ended by its process id. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findNatsServer, type NatsLine } from "../../tools/nats-server.mjs";

const READY_MS_MAX = 20_000;
const STOP_MS_MAX = 20_000;
const WORDS_MAX = 10_000;

export interface TestNatsOptions {
  /** Which line of versions; the newer one when none is named. */
  readonly version?: NatsLine;
  /** Whether it has streams, in a store that outlives `kill` and `restart`. */
  readonly jetstream?: boolean;
  /** Further text of its configuration file. */
  readonly config?: string;
}

/** A nats-server that runs. `stop` it, or let `await using` do so: that removes its folder. */
export class TestNats implements AsyncDisposable {
  /** Its own, removed by `stop`. */
  readonly dir: string;
  readonly #program: string;
  #config: string;
  #child: ChildProcess | null = null;
  #port = 0;
  #scheme = "nats";
  #said = "";

  private constructor(program: string, { jetstream = true, config = "" }: TestNatsOptions) {
    this.#program = program;
    this.dir = mkdtempSync(join(tmpdir(), "troupe-nats-"));
    mkdirSync(join(this.dir, "ports"));
    this.#config = `${jetstream ? `jetstream { store_dir: "${this.dir}/store" }\n` : ""}${config}\n`;
  }

  /** Resolves when it takes connections. @throws Error with its own words, or saying that there is none of this version. */
  static async start(options: TestNatsOptions = {}): Promise<TestNats> {
    const { version = "2.10" } = options;
    const program = findNatsServer(version);
    if (program === undefined) throw new Error(whyNoNats(version) ?? "");
    const server = new TestNats(program, options);
    try {
      await server.#start();
    } catch (cause) {
      await server.stop();
      throw cause;
    }
    return server;
  }

  /** `nats://127.0.0.1:<port>`, `tls://` when it speaks TLS; the same after a restart. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`;
  }
  get port(): number {
    return this.#port;
  }
  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  /** The last of what it wrote. */
  get said(): string {
    return this.#said;
  }

  /** Ends it at once, as a crash of the process does. What it had written is there at the next `restart`. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Comes back on the same port with the same store; stopped in order before when it still runs. `config` is another further text from now on. */
  async restart(config?: string): Promise<void> {
    await this.#end("SIGTERM");
    if (config !== undefined) this.#config = `${/^jetstream .*\n/.exec(this.#config)?.[0] ?? ""}${config}\n`;
    await this.#start();
  }

  /** Ends it in order and removes its folder. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    const file = join(this.dir, "nats-server.conf");
    // The port that it had: who was connected comes back.
    const listen = `listen: "127.0.0.1:${this.#port === 0 ? -1 : this.#port}"\nports_file_dir: "${join(this.dir, "ports")}"\n`;
    writeFileSync(file, `${listen}${this.#config}`);
    const child = spawn(this.#program, ["-c", file], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    living.add(child);
    child.once("exit", () => living.delete(child));
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-WORDS_MAX);
      });
    await once(child, "spawn");
    this.#port = await this.#portOf(child);
  }

  /** It writes its ports when it listens. */
  async #portOf(child: ChildProcess): Promise<number> {
    const until = performance.now() + READY_MS_MAX;
    const file = join(this.dir, "ports", `nats-server_${child.pid}.ports`);
    while (performance.now() < until && child.exitCode === null) {
      const [, scheme, port] = (existsSync(file) && /(nats|tls):\/\/[^:"]+:(\d+)/.exec(readFileSync(file, "utf8"))) || [];
      if (scheme !== undefined && /Server is ready/.test(this.#said.slice(this.#said.lastIndexOf("Starting nats-server")))) {
        this.#scheme = scheme;
        return Number(port);
      }
      await delay(5);
    }
    throw new Error(`nats-server did not become ready:\n${this.#said}`);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await ended;
    clearTimeout(timer);
  }
}

/** Why there is no nats-server of this line here, or null when there is one. */
export function whyNoNats(version: NatsLine = "2.10"): string | null {
  if (findNatsServer(version) !== undefined) return null;
  return `nats-server ${version} is not here; \`node tools/setup.mjs --test\` obtains it from Debian's packages`;
}

/** A test that ends early must not leave servers behind. */
const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
