/**
 * Cuts requests whose body comes too slowly (TRAPS 45). Node's own `requestTimeout` would cut bulk streams too, and a timer for each request
 * costs more than the request; so requests in reception are counted by whole seconds and looked at once a second.
 */
import type { IncomingMessage } from "node:http";
import { OpenTable } from "./open-table.ts";

const SWEEP_MS = 1000;

/** One for each server. A request is added when its headers are there and removed when its body is. */
export class SlowBodies {
  readonly #sweepsMax: number;
  readonly #onSlow: (request: IncomingMessage) => void;
  /** With the sweep since which it has been received. */
  readonly #receiving = new OpenTable<IncomingMessage, number>();
  readonly #timer: NodeJS.Timeout;
  #sweep = 0;

  constructor(options: { readonly msMax: number; readonly onSlow: (request: IncomingMessage) => void }) {
    this.#sweepsMax = Math.ceil(options.msMax / SWEEP_MS);
    this.#onSlow = options.onSlow;
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  add(request: IncomingMessage): void {
    this.#receiving.add(request, this.#sweep);
  }

  remove(request: IncomingMessage): void {
    this.#receiving.delete(request);
  }

  /** Called each second by the timer; a test may call it as often as it likes. */
  sweep(): void {
    this.#sweep++;
    for (const [request, since] of this.#receiving.entries()) {
      const isOver = request.complete || request.destroyed;
      if (!isOver && this.#sweep - since <= this.#sweepsMax) continue;
      this.#receiving.delete(request);
      if (!isOver) this.#onSlow(request);
    }
  }

  /** Ends all that are still in reception: the server stops and would refuse them anyway. */
  endAll(end: (request: IncomingMessage) => void): void {
    for (const [request] of this.#receiving.entries()) if (!request.complete && !request.destroyed) end(request);
    this.#receiving.clear();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#receiving.clear();
  }
}
