import type { Cancel, SupervisionPorts } from "../supervision/supervision-ports.ts";

/**
 * Fires when nothing was heard for a time, and again after each such time. One timer that looks when it is due how long it really was quiet:
 * a message costs a note of the time, not a timer.
 */
export class ReceiveTimeout {
  readonly #ports: Pick<SupervisionPorts, "nowMs" | "after">;
  readonly #fire: () => void;
  #ms: number | null = null;
  #heardMs = 0;
  #cancel: Cancel | null = null;

  constructor(ports: Pick<SupervisionPorts, "nowMs" | "after">, fire: () => void) {
    this.#ports = ports;
    this.#fire = fire;
  }

  /** @throws RangeError for what is no delay of a timer. */
  set(ms: number | null): void {
    if (ms !== null && !(ms > 0 && ms <= MS_MAX)) throw new RangeError(`A receive timeout is above 0 and at most ${MS_MAX} ms, not ${ms}.`);
    this.#cancel?.();
    this.#cancel = null;
    this.#ms = ms;
    this.heard();
    if (ms !== null) this.#arm(ms);
  }

  heard(): void {
    this.#heardMs = this.#ports.nowMs();
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#ports.after(delayMs, () => {
      if (this.#ms === null) return;
      const leftMs = this.#heardMs + this.#ms - this.#ports.nowMs();
      if (leftMs <= 0) {
        this.heard();
        this.#fire();
      }
      if (this.#ms !== null) this.#arm(leftMs > 0 ? leftMs : this.#ms);
    });
  }
}

const MS_MAX = 2 ** 31 - 1;
