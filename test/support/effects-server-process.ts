/** Starts `effects-server.ts` in a process of its own, which a check may kill, and asks it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Answer, Json } from "../../src/runtime/index.ts";

export interface EffectsServer extends AsyncDisposable {
  readonly adminUrl: string;
  /** The answer; null when none came: the server is gone. */
  ask(to: string, command: string, body: Json, id?: string): Promise<Answer<Json> | null>;
  /** Ends the process at once: nothing in it gets to run any more. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Stops it in order. @throws Error when it ends with another exit code than 0. */
  stop(): Promise<void>;
}

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;
const WORDS_MAX = 5_000;

/** @throws Error with the server's own words when it does not become ready. */
export async function startEffectsServer(dir: string, upstreamUrl: string, plantedBug = ""): Promise<EffectsServer> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./effects-server.ts", import.meta.url)), dir, plantedBug], {
    env: { ...process.env, UPSTREAM_URL: upstreamUrl, MALLOC_ARENA_MAX: "2" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exited = once(child, "exit") as Promise<[code: number | null]>;
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-WORDS_MAX);
  });
  const late = setTimeout(() => child.kill("SIGKILL"), READY_MS_MAX);
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, "line") as Promise<[string]>, exited.then(() => null)]);
  clearTimeout(late);
  if (first === null) throw new Error(`the server did not become ready:\n${said}`);
  const { url, adminUrl } = JSON.parse(first[0]) as { readonly url: string; readonly adminUrl: string };
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return {
    adminUrl,
    async ask(to, command, body, id) {
      try {
        const response = await fetch(`${url}/ask`, { method: "POST", body: JSON.stringify({ to, command, body, id: id ?? null }) });
        return (await response.json()) as Answer<Json>;
      } catch {
        return null;
      }
    },
    kill,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      const [code] = await exited;
      clearTimeout(timer);
      if (code !== 0) throw new Error(`the server ended with ${code}:\n${said}`);
    },
    [Symbol.asyncDispose]: kill,
  };
}
