/** Starts `fake-upstream.ts`, and asks it what it saw. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { UpstreamCall } from "./fake-upstream.ts";

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  /** Every call so far, in order. */
  calls(): Promise<readonly UpstreamCall[]>;
  /** Resolves at the next call that arrives. */
  nextCall(): Promise<void>;
  /** Poison is none any more. */
  heal(): Promise<void>;
}

export async function startUpstream(): Promise<Upstream> {
  const child = fork(fileURLToPath(new URL("./fake-upstream.ts", import.meta.url)), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const [{ url }] = (await Promise.race([
    once(child, "message"),
    exited.then(() => Promise.reject(new Error("the fake upstream did not start"))),
  ])) as [{ readonly url: string }];
  return {
    url,
    calls: async () => (await (await fetch(`${url}/calls`)).json()) as readonly UpstreamCall[],
    nextCall: async () => void (await once(child, "message")),
    heal: async () => void (await fetch(`${url}/heal`, { method: "POST" })),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
