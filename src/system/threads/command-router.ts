import type { MessagePort } from "node:worker_threads";
import {
  type Answer,
  type AskSignal,
  type Code,
  commandWork,
  type FromIngress,
  type Json,
  type PackedCommand,
  packCommands,
  type Refusal,
  unpackAnswers,
} from "../../runtime/index.ts";
import { NumberedTable } from "./numbered-table.ts";

interface Pending {
  readonly thread: number;
  readonly to: string;
  readonly id: string | null;
  /** Null once it was answered at its deadline: it still counts until the thread has answered, so that a thread that hangs stays bounded. */
  resolve: ((answer: Answer<Json>) => void) | null;
  readonly askedAt: number;
  readonly waitsOutside: boolean;
  readonly deadlineAt: number;
  /** Stops listening whether the caller went away; null when it cannot say so. */
  unlisten: (() => void) | null;
}

/**
 * The doors' side of the data plane: numbers commands, sends them in batches to the thread that owns the shard, and gives each its answer.
 *
 * D1. At most `commandsMax` commands a thread are accepted and unanswered; beyond that one is refused at once (L6).
 * D2. Deadlines cost no timer a command: one timer looks at all of them, so an answer may come late by the time between two looks.
 * D3. A command that was handed over and not answered in time, or whose thread died, is answered `OUTCOME_UNKNOWN`: it may have run.
 * D4. A caller that goes away (`signal`) cancels what has not begun: what waits here is dropped here, the rest by the thread, which answers in any
 *     case. Cancellations travel in batches, after the commands of the same turn.
 */
export class CommandRouter {
  readonly #commandsMax: number;
  /** By caller. */
  readonly #pending: NumberedTable<Pending>;
  readonly #inFlight: number[];
  readonly #ports: Array<MessagePort | null>;
  readonly #outgoing: PackedCommand[][];
  /** Addresses by caller: who went away since the last flush, by thread. At most as many as commands are under way. */
  readonly #cancelled: Array<Map<number, string>>;
  readonly #sweeper: NodeJS.Timeout;
  #isScheduled = false;
  #queued = 0;
  #unanswered = 0;
  #answered = 0;
  #isClosing = false;

  constructor(options: { readonly threadCount: number; readonly commandsMax: number }) {
    this.#commandsMax = options.commandsMax;
    this.#pending = new NumberedTable(options.threadCount * options.commandsMax);
    this.#inFlight = new Array(options.threadCount).fill(0);
    this.#ports = new Array(options.threadCount).fill(null);
    this.#outgoing = Array.from({ length: options.threadCount }, () => []);
    this.#cancelled = Array.from({ length: options.threadCount }, () => new Map());
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

  /** How long the oldest of them has waited, without those that wait for something outside the node. */
  get oldestMs(): number {
    const nowMs = performance.now();
    let oldestAt = nowMs;
    for (const [, { resolve, askedAt, waitsOutside }] of this.#pending.entries())
      if (resolve !== null && !waitsOutside && askedAt < oldestAt) oldestAt = askedAt;
    return nowMs - oldestAt;
  }

  ask(
    thread: number,
    command: {
      readonly to: string;
      readonly name: string;
      readonly body: Json;
      readonly id: string | null;
      readonly timeoutMs: number;
      readonly trace: string | null;
      readonly signal?: AskSignal | undefined;
      readonly waitsOutside?: boolean | undefined;
    },
  ): Promise<Answer<Json>> {
    if (this.#isClosing)
      return Promise.resolve(
        refusal("SHUTTING_DOWN", "The service is stopping; nothing was done. Send the command again to the one that replaces it."),
      );
    const { signal, to } = command;
    if (signal?.aborted === true) return Promise.resolve(CANCELLED);
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
    const { name, body, id, trace, waitsOutside = false } = command;
    const deadlineAt = Date.now() + command.timeoutMs;
    return new Promise((resolve) => {
      const pending: Pending = { thread, to, id, resolve, askedAt: performance.now(), waitsOutside, deadlineAt, unlisten: null };
      const caller = this.#pending.add(pending);
      if (signal !== undefined) pending.unlisten = this.#listen(signal, caller);
      this.#unanswered++;
      this.#outgoing[thread]?.push([caller, to, name, body, id, deadlineAt, trace]);
      // What one turn of the event loop brings travels together, but not more than a thread can begin with meanwhile.
      if (++this.#queued >= FLUSH_COMMANDS) this.#flush();
      else this.#flushSoon();
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
    for (const [caller, pending] of this.#pending.entries()) {
      if (pending.thread === thread && !waiting.has(caller)) this.#settle(caller, LOST);
    }
  }

  /** How the command of this caller is known again when it is repeated; null when it has no id, or was answered. */
  workOf(caller: number): string | null {
    const pending = this.#pending.get(caller);
    return pending === undefined || pending.id === null ? null : commandWork(pending.to, pending.id);
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
    for (const [caller] of this.#pending.entries()) this.#settle(caller, LOST);
    for (const port of this.#ports) port?.close();
  }

  #listen(signal: AskSignal, caller: number): () => void {
    const gone = (): void => {
      const pending = this.#pending.get(caller);
      if (pending === undefined) return;
      this.#cancelled[pending.thread]?.set(caller, pending.to);
      this.#flushSoon();
    };
    signal.addEventListener("abort", gone);
    return () => signal.removeEventListener("abort", gone);
  }

  #flushSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.#queued = 0;
    for (const [thread, port] of this.#ports.entries()) {
      const cancelled = this.#cancelled[thread];
      if (cancelled !== undefined && cancelled.size > 0) this.#dropCancelled(thread, cancelled);
      const commands = this.#outgoing[thread] ?? [];
      if (port !== null && commands.length > 0) {
        port.postMessage(packCommands(commands));
        this.#outgoing[thread] = [];
      }
      if (cancelled === undefined || cancelled.size === 0) continue;
      port?.postMessage([...cancelled] satisfies FromIngress);
      cancelled.clear();
    }
  };

  /** What was not handed over yet is dropped here; the rest of `cancelled` is the thread's matter. */
  #dropCancelled(thread: number, cancelled: Map<number, string>): void {
    const waiting = this.#outgoing[thread] ?? [];
    if (waiting.length === 0) return;
    this.#outgoing[thread] = waiting.filter(([caller]) => {
      if (!cancelled.delete(caller)) return true;
      this.#settle(caller, CANCELLED);
      return false;
    });
  }

  #settle(caller: number, answer: Answer<Json>): void {
    const pending = this.#pending.take(caller);
    if (pending === undefined) return;
    pending.unlisten?.();
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
    for (const [, pending] of this.#pending.entries()) {
      if (pending.deadlineAt < now) this.#tell(pending, LATE);
    }
  }
}

const SWEEP_EVERY_MS = 100;
const DRAIN_LOOK_MS = 5;
const FLUSH_COMMANDS = 16;

const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
const CANCELLED = refusal("DEADLINE_EXCEEDED", "The client went away before the command began; it was not run.");
const LATE = refusal("OUTCOME_UNKNOWN", "No answer came in time; it may or may not have run. Send it again with the same key.");
const LOST = refusal("OUTCOME_UNKNOWN", "The thread that worked on it ended; it may or may not have run. Send it again with the same key.");
