import type { BreakerState, PortTold } from "../../runtime/index.ts";
import type { Check, PortLook } from "../system.ts";

interface PortState {
  readonly breaker: BreakerState;
  /** On the monotonic clock; null when it refuses nothing, or nobody knows until when. */
  readonly refusesUntilMs: number | null;
  readonly refusesMs: number | null;
  readonly isFailing: boolean;
}

/** How the ports get on, as the effects thread tells; the main thread holds one. Of a port that was never told of, all is well. */
export class PortStates implements PortLook {
  readonly #nowMs: () => number;
  readonly #states = new Map<string, PortState>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  tell(port: string, { breaker, refusesMs, isFailing }: PortTold): void {
    const isTimed = breaker === "open" && refusesMs !== null;
    this.#states.set(port, { breaker, refusesMs, isFailing, refusesUntilMs: isTimed ? this.#nowMs() + refusesMs : null });
    if (breaker === "open") for (const listener of [...(this.#listeners.get(port) ?? [])]) listener();
  }

  /** The effects thread ended: its successor begins with closed breakers. */
  forget(): void {
    this.#states.clear();
  }

  refusesMs(port: string): number | null {
    const state = this.#states.get(port);
    if (state === undefined || state.refusesUntilMs === null) return state?.refusesMs ?? null;
    const leftMs = state.refusesUntilMs - this.#nowMs();
    return leftMs > 0 ? leftMs : null;
  }

  isFailing(port: string): boolean {
    return this.#states.get(port)?.isFailing === true;
  }

  onOpen(port: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(port) ?? new Set();
    this.#listeners.set(port, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(port) === listeners) this.#listeners.delete(port);
    };
  }

  /** Of readiness. Without a code: the node does its work, and what waits for the port is kept. */
  get check(): Check {
    const open = [...this.#states].filter(([, { breaker }]) => breaker !== "closed");
    if (open.length === 0) return { name: "ports", isOk: true, detail: "no breaker is open" };
    const told = open.map(([port, { breaker }]) => `the breaker of the port ${port} is ${breaker}`);
    return { name: "ports", isOk: false, detail: `What is outside does not answer: ${told.join(", ")}; effects wait, durably.` };
  }
}
