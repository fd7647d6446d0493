import type { Cancel, SupervisionPorts } from "./supervision-ports.ts";

/** Something that waits, and hears when it waited too long. */
export interface Expirable {
  /** Set by `Deadlines`; null while it waits for nothing. */
  bucket: number | null;
  expired(): void;
}

/**
 * The deadlines of everything that waits: asks, turns, starts, stops (TRAPS 22). Coarse buckets and one timer, because a timer for each
 * ask makes it 3 to 7 times slower (LIMITS). A deadline is never early and late by less than a bucket.
 */
export class Deadlines {
  readonly #ports: Pick<SupervisionPorts, "nowMs" | "after">;
  readonly #buckets = new Map<number, Set<Expirable>>();
  #armedFor = Number.POSITIVE_INFINITY;
  #cancel: Cancel | null = null;

  constructor(ports: Pick<SupervisionPorts, "nowMs" | "after">) {
    this.#ports = ports;
  }

  /** @param atMs On the clock of the ports; Infinity is no deadline. */
  add(item: Expirable, atMs: number): void {
    this.remove(item);
    if (atMs === Number.POSITIVE_INFINITY) return;
    const bucket = Math.ceil(atMs / BUCKET_MS);
    const items = this.#buckets.get(bucket);
    if (items === undefined) this.#buckets.set(bucket, new Set([item]));
    else items.add(item);
    item.bucket = bucket;
    if (bucket < this.#armedFor) this.#arm(bucket);
  }

  remove(item: Expirable): void {
    if (item.bucket === null) return;
    const items = this.#buckets.get(item.bucket);
    items?.delete(item);
    if (items?.size === 0) this.#buckets.delete(item.bucket);
    item.bucket = null;
    // A timer for nothing would keep the process alive after the system has stopped.
    if (this.#buckets.size === 0) this.#disarm();
  }

  #arm(bucket: number): void {
    this.#cancel?.();
    this.#armedFor = bucket;
    // Beyond what a timer knows it would fire at once; a sweep that finds nothing due arms the next one.
    const delayMs = Math.min(Math.max(0, bucket * BUCKET_MS - this.#ports.nowMs()), TIMER_MS_MAX);
    this.#cancel = this.#ports.after(delayMs, () => this.#sweep());
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #sweep(): void {
    this.#disarm();
    const nowMs = this.#ports.nowMs();
    const due = [...this.#buckets.keys()].filter((bucket) => bucket * BUCKET_MS <= nowMs).sort((a, b) => a - b);
    for (const bucket of due) {
      for (const item of this.#buckets.get(bucket) ?? []) {
        this.remove(item);
        item.expired();
      }
    }
    let next = Number.POSITIVE_INFINITY;
    for (const bucket of this.#buckets.keys()) next = Math.min(next, bucket);
    if (next < this.#armedFor) this.#arm(next);
  }
}

const BUCKET_MS = 20;
/** The longest delay that Node's timers know. */
const TIMER_MS_MAX = 2 ** 31 - 1;
