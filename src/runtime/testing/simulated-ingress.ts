import type { Answer, Refusal } from "../kernel/decision.ts";
import type { Code } from "../kernel/fault.ts";
import type { Json } from "../kernel/json.ts";
import type { CommandMessage } from "../shard/message.ts";
import type { Channel } from "./channel.ts";

export interface SimulatedCommand {
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly id: string | null;
  readonly timeoutMs: number;
}
type Settle = (answer: Answer<Json>) => void;

/** A command, or the word that the client of an earlier one went away. */
export type FromSimulatedIngress = CommandMessage | { readonly kind: "cancelled"; readonly caller: number; readonly to: string };

interface Pending {
  readonly thread: number;
  readonly to: string;
  readonly settle: Settle;
}

export interface SimulatedIngressOptions {
  readonly threadCount: number;
  readonly after: (delayMs: number, run: () => void) => void;
  readonly wallMs: () => number;
  /** A caller got a second answer, or one that was never asked for. */
  readonly onStray: (caller: number) => void;
}

/** The doors' side in virtual time: numbers commands, and answers each once: what came in time, or what is known without an answer. */
export class SimulatedIngress {
  readonly #options: SimulatedIngressOptions;
  readonly #pending = new Map<number, Pending>();
  /** Answered here without the thread: its own answer may still come, once. */
  readonly #given = new Set<number>();
  readonly #ports: Array<Channel<FromSimulatedIngress> | null>;
  #outgoing: Array<{ readonly thread: number; readonly message: CommandMessage }> = [];
  #caller = 0;

  constructor(options: SimulatedIngressOptions) {
    this.#options = options;
    this.#ports = new Array(options.threadCount).fill(null);
  }

  ask(thread: number, { to, command, body, id, timeoutMs }: SimulatedCommand, settle: Settle): number {
    const caller = ++this.#caller;
    const deadlineAt = this.#options.wallMs() + Math.ceil(timeoutMs);
    const message: CommandMessage = { kind: "command", caller, to, command, body, id, deadlineAt, trace: null };
    this.#pending.set(caller, { thread, to, settle });
    const port = this.#ports[thread];
    if (port === null || port === undefined) this.#outgoing.push({ thread, message });
    else port.send(message);
    this.#options.after(timeoutMs + SWEEP_MS, () => this.#timeOut(caller));
    return caller;
  }

  attach(thread: number, port: Channel<FromSimulatedIngress>): void {
    this.#ports[thread] = port;
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    for (const waiting of outgoing) {
      if (waiting.thread === thread) port.send(waiting.message);
      else this.#outgoing.push(waiting);
    }
  }

  /** The thread is gone: what it had is answered; what comes from now on waits for its successor. */
  detach(thread: number): void {
    this.#ports[thread] = null;
    const waiting = new Set(this.#outgoing.map(({ message }) => message.caller));
    for (const [caller, pending] of this.#pending) if (pending.thread === thread && !waiting.has(caller)) this.#give(caller, LOST);
  }

  /** The process is gone: every connection breaks. */
  lose(): void {
    this.#outgoing = [];
    for (const caller of [...this.#pending.keys()]) this.#give(caller, LOST);
  }

  answered(caller: number, answer: Answer<Json>): void {
    const pending = this.#pending.get(caller);
    if (pending === undefined) {
      if (!this.#given.delete(caller)) this.#options.onStray(caller);
      return;
    }
    this.#pending.delete(caller);
    pending.settle(answer);
  }

  #timeOut(caller: number): void {
    const waiting = this.#outgoing.length;
    this.#outgoing = this.#outgoing.filter(({ message }) => message.caller !== caller);
    const pending = this.#pending.get(caller);
    // Every other client that waits no longer leaves altogether: what has not begun is then cancelled.
    if (pending !== undefined && caller % 2 === 0) this.#ports[pending.thread]?.send({ kind: "cancelled", caller, to: pending.to });
    this.#give(caller, this.#outgoing.length < waiting ? NOT_RUN : UNKNOWN);
  }

  #give(caller: number, answer: Refusal): void {
    const pending = this.#pending.get(caller);
    if (pending === undefined) return;
    this.#pending.delete(caller);
    this.#given.add(caller);
    pending.settle(answer);
  }
}

const SWEEP_MS = 20;
const refusal = (code: Code, detail: string): Refusal => ({ ok: false, code, detail });
const LOST = refusal("OUTCOME_UNKNOWN", "The thread that worked on it ended.");
const UNKNOWN = refusal("OUTCOME_UNKNOWN", "No answer came in time.");
const NOT_RUN = refusal("DEADLINE_EXCEEDED", "It waited for a thread and was not run.");
