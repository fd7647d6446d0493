import type { MessagePort } from "node:worker_threads";
import { type Answer, type Code, type Json, type PackedCommand, packCommands, type Refusal, unpackAnswers } from "../../runtime/index.ts";

interface Pending {
  readonly thread: number;
  /** Null once it was answered at its deadline: it still counts until the thread has answered, so that a thread that hangs stays bounded. */
  resolve: ((answer: Answer<Json>) => void) | null;
  readonly askedAt: number;
  readonly deadlineAt: number;
}

/**
 * The doors' side of the data plane: numbers commands, sends them in batches to the thread that owns the shard, and gives each its answer.
 *
 * D1. At most `commandsMax` commands a thread are accepted and unanswered; beyond that one is refused at once (L6).
 * D2. Deadlines cost no timer a command: one timer looks at all of them, so an answer may come late by the time between two looks.
 * D3. A command that was handed over and not answered in time, or whose thread died, is answered `OUTCOME_UNKNOWN`: it may have run.
 */
export class CommandRouter {
  readonly #commandsMax: number;
  readonly #pending = new Map<number, Pending>();
  readonly #inFlight: number[];
  readonly #ports: Array<MessagePort | null>;
  readonly #outgoing: PackedCommand[][];
  readonly #sweeper: NodeJS.Timeout;
  #caller = 0;
  #isScheduled = false;
  #queued = 0;
  #unanswered = 0;
  #answered = 0;
  #isClosing = false;

  constructor(options: { readonly threadCount: number; readonly commandsMax: number }) {
    this.#commandsMax = options.commandsMax;
    this.#inFlight = new Array(options.threadCount).fill(0);
    this.#ports = new Array(options.threadCount).fill(null);
    this.#outgoing = Array.from({ length: options.threadCount }, () => []);
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_EVERY_MS);
  }

  /** Commands that somebody waits for. */
  get inFlight(): number {
    return this.#unanswered;
  }

  /** Commands that were answered since the start, whatever the answer. */
  get answered(): number {
    return this.#answered;
  }

  /** How long the oldest of them has waited. */
  get oldestMs(): number {
    for (const { resolve, askedAt } of this.#pending.values()) if (resolve !== null) return performance.now() - askedAt;
    return 0;
  }

  ask(
    thread: number,
    command: { to: string; name: string; body: Json; id: string | null; timeoutMs: number; trace: string | null },
  ): Promise<Answer<Json>> {
    if (this.#isClosing)
      return Promise.resolve(
        refusal("SHUTTING_DOWN", "The service is stopping; nothing was done. Send the command again to the one that replaces it."),
      );
    const inFlight = this.#inFlight[thread] ?? 0;
    if (inFlight >= this.#commandsMax) {
      return Promise.resolve(
        refusal(
          "OVERLOADED",
          `${inFlight} commands are under way, which is as many as may be; nothing was done. Send the command again later.`,
        ),
      );
    }
    this.#inFlight[thread] = inFlight + 1;
    const caller = ++this.#caller;
    const deadlineAt = Date.now() + command.timeoutMs;
    this.#outgoing[thread]?.push([caller, command.to, command.name, command.body, command.id, deadlineAt, command.trace]);
    // What one turn of the event loop brings travels together, but not more than a thread can begin with meanwhile.
    if (++this.#queued >= FLUSH_COMMANDS) this.#flush();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(this.#flush);
    }
    return new Promise((resolve) => {
      this.#unanswered++;
      this.#pending.set(caller, { thread, resolve, askedAt: performance.now(), deadlineAt });
    });
  }

  /** The thread is there (again): commands that waited for it leave now. */
  attach(thread: number, port: MessagePort): void {
    this.#ports[thread] = port;
    port.on("message", (text: string) => {
      for (const [caller, answer] of unpackAnswers(text)) this.#settle(caller, answer);
    });
    this.#flush();
  }

  /** The thread is gone: what it had is answered; what comes from now on waits for its successor. */
  detach(thread: number): void {
    this.#ports[thread]?.close();
    this.#ports[thread] = null;
    const waiting = new Set(this.#outgoing[thread]?.map(([caller]) => caller));
    for (const [caller, pending] of this.#pending) {
      if (pending.thread === thread && !waiting.has(caller)) this.#settle(caller, LOST);
    }
  }

  /** New commands are refused from now on; resolves when all accepted ones are answered, or at the deadline. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.#isClosing = true;
    const until = Date.now() + deadlineMs;
    while (this.#unanswered > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS));
    return this.#unanswered === 0;
  }

  close(): void {
    this.#isClosing = true;
    clearInterval(this.#sweeper);
    for (const caller of [...this.#pending.keys()]) this.#settle(caller, LOST);
    for (const port of this.#ports) port?.close();
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.#queued = 0;
    for (const [thread, commands] of this.#outgoing.entries()) {
      const port = this.#ports[thread];
      if (commands.length === 0 || port === null || port === undefined) continue;
      port.postMessage(packCommands(commands));
      this.#outgoing[thread] = [];
    }
  };

  #settle(caller: number, answer: Answer<Json>): void {
    const pending = this.#pending.get(caller);
    if (pending === undefined) return;
    this.#pending.delete(caller);
    this.#inFlight[pending.thread] = (this.#inFlight[pending.thread] ?? 1) - 1;
    this.#tell(pending, answer);
  }

  #tell(pending: Pending, answer: Answer<Json>): void {
    if (pending.resolve === null) return; // It was answered at its deadline.
    pending.resolve(answer);
    pending.resolve = null;
    this.#unanswered--;
    this.#answered++;
  }

  /** A little after the deadline, so that the thread's own "surely not run" arrives first when it can be given. */
  #sweep(): void {
    const now = Date.now() - SWEEP_EVERY_MS;
    for (const [thread, commands] of this.#outgoing.entries()) {
      if (this.#ports[thread] !== null || commands.length === 0) continue;
      this.#outgoing[thread] = commands.filter(([caller, , , , , deadlineAt]) => {
        if (deadlineAt >= now) return true;
        this.#settle(caller, refusal("DEADLINE_EXCEEDED", "The command waited for its shard thread to recover; it was not run."));
        return false;
      });
    }
    for (const pending of this.#pending.values()) {
      if (pending.deadlineAt < now) this.#tell(pending, LATE);
    }
  }
}

const SWEEP_EVERY_MS = 100;
const DRAIN_LOOK_MS = 5;
const FLUSH_COMMANDS = 16;

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
const LATE = refusal("OUTCOME_UNKNOWN", "No answer came in time; it may or may not have run. Send it again with the same key.");
const LOST = refusal("OUTCOME_UNKNOWN", "The thread that worked on it ended; it may or may not have run. Send it again with the same key.");
