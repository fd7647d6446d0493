/** Starts a server in a process of its own and talks to it by messages: the load must not run on the server's event loop. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ServerLook } from "../harness/server-look.ts";

export interface BenchServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** CPU microseconds of the whole server process so far, and what it says of its journal. */
  look(): Promise<ServerLook>;
  /** Checks the books. @throws when they are wrong. */
  audit(transfers: number): Promise<void>;
}
export type ServerQuestion = { readonly kind: "look" } | { readonly kind: "audit"; readonly transfers: number } | { readonly kind: "stop" };
export type ServerAnswer =
  | { readonly kind: "ready"; readonly url: string }
  | { readonly kind: "look"; readonly look: ServerLook }
  | { readonly kind: "audited" }
  | { readonly kind: "failed"; readonly why: string };

/** `options` are the arguments of the module; `onLog` gets what it writes to standard error. Rejects when the server ends before it is ready. */
export async function startServer(module: URL, options: readonly string[], onLog?: (text: string) => void): Promise<BenchServer> {
  // A profile of the load asks for one of the server too: fork passes the flags of this process on.
  const child = fork(fileURLToPath(module), options, { stdio: ["ignore", "ignore", onLog === undefined ? "inherit" : "pipe", "ipc"] });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => onLog?.(text));
  const exited = once(child, "exit");
  const next = async (): Promise<ServerAnswer> => {
    const [answer] = (await Promise.race([once(child, "message"), exited.then(() => [gone])])) as [ServerAnswer];
    if (answer.kind === "failed") throw new Error(answer.why);
    return answer;
  };
  const ask = (question: ServerQuestion): Promise<ServerAnswer> => {
    child.send(question);
    return next();
  };
  const ready = await next();
  if (ready.kind !== "ready") throw new Error(`the server answered ${ready.kind} before it was ready`);
  const { hostname, port } = new URL(ready.url);
  return {
    host: hostname,
    port: Number(port),
    async look() {
      const answer = await ask({ kind: "look" });
      if (answer.kind !== "look") throw new Error(`the server answered ${answer.kind}`);
      return answer.look;
    },
    async audit(transfers) {
      await ask({ kind: "audit", transfers });
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.send({ kind: "stop" } satisfies ServerQuestion);
      await exited;
    },
  };
}

const gone: ServerAnswer = { kind: "failed", why: "the server ended by itself" };

/** The server's side: says that it is ready and answers questions until it is told to stop. */
export function serveQuestions(server: {
  readonly url: string;
  readonly look: () => Promise<ServerLook["durable"]>;
  readonly audit: (transfers: number) => Promise<void>;
  readonly threads: () => ReadonlyMap<string, number>;
  readonly stop: () => Promise<void>;
}): void {
  const say = (answer: ServerAnswer): void => void process.send?.(answer);
  const answer = async (question: ServerQuestion): Promise<void> => {
    if (question.kind === "stop") {
      await server.stop();
      process.disconnect();
    } else if (question.kind === "audit") {
      await server.audit(question.transfers);
      say({ kind: "audited" });
    } else {
      const { user, system } = process.cpuUsage();
      const threads = Object.fromEntries(server.threads());
      say({ kind: "look", look: { cpuMicros: user + system, threads, durable: await server.look() } });
    }
  };
  process.on("message", (question: ServerQuestion) => {
    answer(question).catch((cause: unknown) => say({ kind: "failed", why: String(cause) }));
  });
  say({ kind: "ready", url: server.url });
}
