import type { Expirable } from "../supervision/deadlines.ts";
import type { ActorCore } from "./actor-core.ts";
import type { Turn, Waiter } from "./caller-chain.ts";
import type { Envelope } from "./envelope.ts";
import { refusal } from "./pending-ask.ts";

export interface ActorTurn extends Turn {
  /** Null for hooks and signals. */
  readonly envelope: Envelope | null;
  isStashed: boolean;
}
export type Outcome = { readonly value: unknown } | { readonly cause: unknown };

/** One call of a handler or hook. Of `over` and `late` exactly one is called, once. */
export interface Call {
  readonly kind: string;
  readonly envelope: Envelope | null;
  /** From its begin, if it awaits. */
  readonly msMax: number;
  readonly run: () => unknown;
  readonly over: (outcome: Outcome, turn: ActorTurn) => void;
  /** It had not ended in time, and has been given up. */
  readonly late: () => void;
}

/** The turns of one actor: at most one at a time, each with a deadline, and each can be given up. */
export class Turns {
  readonly #owner: Waiter;
  readonly #core: ActorCore;
  #current: ActorTurn | null = null;
  #whenOver: (() => void) | null = null;

  constructor(owner: Waiter, core: ActorCore) {
    this.#owner = owner;
    this.#core = core;
  }

  get current(): ActorTurn | null {
    return this.#current;
  }

  /** Begins a turn; when the call awaits, the turn lasts until that is over. Only while there is none. */
  run({ kind, envelope, msMax, run, over, late }: Call): void {
    const { nowMs } = this.#core.ports;
    const expired = (): void => {
      this.giveUp();
      late();
    };
    const turn: ActorTurn = {
      owner: this.#owner,
      kind,
      envelope,
      beganMs: nowMs(),
      isOver: false,
      isGivenUp: false,
      isStashed: false,
      waits: null,
      bucket: null,
      expired,
    };
    const end = (outcome: Outcome): void => {
      if (turn.isOver) return; // Given up: whatever it brings is too late.
      this.#close(turn);
      over(outcome, turn);
      this.#whenOver?.();
    };
    this.#current = turn;
    let result: unknown;
    try {
      result = this.#core.within(turn, run);
    } catch (cause) {
      return end({ cause });
    }
    if (!isThenable(result)) return end({ value: result });
    if (!this.#core.planted("wait-without-deadline")) this.#core.deadlines.add(turn, turn.beganMs + msMax);
    result.then(
      (value) => end({ value }),
      (cause) => end({ cause }),
    );
  }

  /** Leaves the turn behind, wherever its handler is: what it still does goes nowhere (TRAPS 18). Its caller is answered, and it is named. */
  giveUp(): void {
    const turn = this.#current;
    if (turn === null) return;
    const { address } = this.#owner;
    turn.isGivenUp = true;
    this.#close(turn);
    turn.envelope?.ask?.answer(refusal("OUTCOME_UNKNOWN", `${address} ended while it handled this; it may have been done.`));
    this.#core.ports.gaveUp({ address, doing: turn.kind, waitedMs: this.#core.ports.nowMs() - turn.beganMs });
    this.#whenOver?.();
  }

  /** Gives the turn at hand an earlier deadline. */
  hasten(byMs: number): void {
    if (this.#current !== null) this.#core.deadlines.add(this.#current, byMs);
  }

  /** Resolves when the turn at hand is over; at `byMs` it is given up. */
  async ended(byMs: number): Promise<void> {
    if (this.#current === null) return;
    await new Promise<void>((resolve) => {
      const limit: Expirable = { bucket: null, expired: () => this.giveUp() };
      this.#whenOver = () => {
        this.#whenOver = null;
        this.#core.deadlines.remove(limit);
        resolve();
      };
      if (!this.#core.planted("wait-without-deadline")) this.#core.deadlines.add(limit, byMs);
    });
  }

  #close(turn: ActorTurn): void {
    turn.isOver = true;
    turn.waits = null;
    this.#core.deadlines.remove(turn);
    if (this.#current === turn) this.#current = null;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
