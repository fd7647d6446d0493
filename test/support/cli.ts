/** The command line in processes of its own, as a person runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { NPM_START_ENV } from "./npm-start.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS_MAX = 60_000;

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The settings of whoever runs the tests must not reach the programs under test. */
const env = (): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TROUPE_")));

function spawnCli(args: readonly string[], more: Readonly<Record<string, string>> = {}): ChildProcess {
  const options = { cwd: root, env: { ...env(), ...NPM_START_ENV, ...more } };
  return spawn(process.execPath, ["src/system/cli/troupe.ts", ...args], { ...options, stdio: ["ignore", "pipe", "pipe"] });
}

/** Runs a command to its end. */
export const runCli = (...args: readonly string[]): Promise<CliResult> => runCliWith({}, ...args);

/** The same with further variables of the environment. */
export async function runCliWith(more: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<CliResult> {
  const child = spawnCli(args, more);
  const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)];
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout: await stdout, stderr: await stderr };
}

/** The one JSON object of the last line. @throws when it is none, or when it and the exit code say different things. */
export function figuresOf({ code, stdout, stderr }: CliResult): Readonly<Record<string, unknown>> {
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  let figures: Readonly<Record<string, unknown>>;
  try {
    figures = JSON.parse(last) as Readonly<Record<string, unknown>>;
  } catch {
    throw new Error(`the last line of standard output is no JSON (exit code ${code}): ${JSON.stringify(last)}\n${stderr}`);
  }
  if ((figures.ok === true) !== (code === 0)) throw new Error(`the exit code is ${code}, but the figures say ${last}`);
  return figures;
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) text += chunk.toString();
  return text;
}

export interface CliServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** What was written to standard output so far. */
  readonly stdout: string;
  /** The same of standard error. */
  readonly stderr: string;
  /** Sends a signal (0: none) and waits for the end. Answers the exit code; null when a signal ended it. */
  end(signal: "SIGTERM" | "SIGINT" | "SIGKILL" | 0): Promise<number | null>;
}

/** `troupe start` with the flags; resolves when its banner is there. Port 0 unless a flag says otherwise. @throws with its own words. */
export const startCli = (dataDir: string, ...flags: readonly string[]): Promise<CliServer> => startCliWith({}, dataDir, ...flags);

/** The same with further variables of the environment. */
export async function startCliWith(
  more: Readonly<Record<string, string>>,
  dataDir: string,
  ...flags: readonly string[]
): Promise<CliServer> {
  const child = spawnCli(["start", "--http.port", "0", "--data.dir", dataDir, "--log.level", "warn", ...flags], more);
  const ended = once(child, "exit") as Promise<[number | null]>;
  const ready = Promise.withResolvers<string>();
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    const url = /^ {2}API +(http:\/\/\S+)\/v1$/m.exec(stdout)?.[1];
    if (url !== undefined && stdout.includes("Ctrl-C stops in order.")) ready.resolve(url);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const fail = (why: string): void => ready.reject(new Error(`the server ${why}:\n${stdout}${stderr}`));
  const late = setTimeout(() => fail("was not ready in time"), READY_MS_MAX);
  ended.then(([code]) => fail(`ended with exit code ${code}`));
  const end = async (signal: "SIGTERM" | "SIGINT" | "SIGKILL" | 0): Promise<number | null> => {
    if (signal !== 0 && child.exitCode === null && child.signalCode === null) child.kill(signal);
    return (await ended)[0];
  };
  try {
    const url = await ready.promise;
    return {
      url,
      pid: child.pid ?? 0,
      get stdout() {
        return stdout;
      },
      get stderr() {
        return stderr;
      },
      end,
      async [Symbol.asyncDispose]() {
        await end("SIGKILL");
      },
    };
  } catch (cause) {
    await end("SIGKILL");
    throw cause;
  } finally {
    clearTimeout(late);
  }
}

/** A folder that is gone afterwards. */
export function tempFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "troupe-cli-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** A port of the loopback that was free a moment ago: for a server that must come back on the same one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("the socket has no port");
  return address.port;
}
