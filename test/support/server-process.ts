/** A server in a process of its own, as `npm start` runs it: for checks that must see a real one. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { NPM_START_ENV } from "./npm-start.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;

export interface ServerProcess {
  readonly url: string;
  readonly dataDir: string;
  /** Stops it in order and removes its folder. */
  stop(): Promise<void>;
}

/** Starts `troupe start` on a free port with a new data folder and waits until it is ready. @throws with the server's own words when it is not. */
export async function startServer(): Promise<ServerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), "troupe-check-"));
  const env = { ...process.env, ...NPM_START_ENV, TROUPE_HTTP_PORT: "0", TROUPE_HTTP_HOST: "127.0.0.1", TROUPE_DATA_DIR: dataDir };
  const child = spawn(process.execPath, ["src/system/cli/troupe.ts", "start"], { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const exited = once(child, "exit");
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-10_000);
    });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await exited;
      clearTimeout(kill);
    }
    rmSync(dataDir, { recursive: true, force: true });
  };
  const until = performance.now() + READY_MS_MAX;
  while (performance.now() < until && child.exitCode === null) {
    const url = urlIn(join(dataDir, "run.json"));
    if (url !== null && (await isReady(url))) return { url, dataDir, stop };
    await delay(50);
  }
  await stop();
  throw new Error(`the server did not become ready:\n${said}`);
}

/** The HTTP address in run.json, wherever it stands in it; null while there is none. */
function urlIn(file: string): string | null {
  if (!existsSync(file)) return null;
  return /"(http:\/\/[^"/]+)\/?"/.exec(readFileSync(file, "utf8"))?.[1] ?? null;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok;
  } catch {
    return false; // It does not listen yet.
  }
}
