/** Load from a closed loop of clients that write down what they were answered, whatever they order and whatever carries it. */
import { setTimeout as delay } from "node:timers/promises";

/** What a client wants. The key makes a repeat safe. */
export interface Keyed {
  readonly key: string;
}
/** `outcome`: stored and final. `again`: not done, or not finished; the same key is to be sent again. `unknown`: nobody knows. `isTurnedAway`: nobody looked at the key. */
export type Reply =
  | { readonly kind: "outcome"; readonly status: number; readonly body: string; readonly isReplayed: boolean }
  | { readonly kind: "again" | "unknown"; readonly why: string; readonly isAccepted?: boolean; readonly isTurnedAway?: boolean };
export type Door<Order> = (order: Order) => Promise<Reply>;

/** What a client holds in its hands: the service said that it is done. */
export interface Acknowledged<Order> {
  readonly order: Order;
  readonly status: number;
  readonly body: string;
}

/** Nobody is there, or nobody knows: a client that asks at once would take the machine from the one that recovers. */
const UNKNOWN_AGAIN_MS = 25;
const AGAIN_MS = 5;
/** An order that gets no outcome for so long is a defect of its own. */
const TRIES_MS_MAX = 60_000;

export interface OrderLoadOptions<Order> {
  /** Where new orders come from; null when there are no more. */
  readonly next: () => Order | null;
  /** Orders under way at once. */
  readonly connections: number;
}

/**
 * The clients and their books, across all lives of the server.
 * An order without an answer is not forgotten: it is the first that the next life of the server is sent.
 */
export class OrderLoad<Order extends Keyed> {
  readonly acknowledged = new Map<string, Acknowledged<Order>>();
  /** Keys that were answered 202: accepted, though not finished. */
  readonly accepted = new Set<string>();
  /** By key: what was answered the second time instead of the first answer, byte for byte and marked as replayed. */
  readonly changed = new Map<string, string>();
  /** Second answers that were compared with the first. */
  replays = 0;
  /** Orders that were repeated after they got no answer, and then got one. */
  repeated = 0;
  /** Answers "nobody knows", and connections that ended before an answer. */
  unknown = 0;
  /** Orders that no life of the server gave an outcome in time. */
  readonly stuck: string[] = [];
  /** Refusals and lost connections by their first words. */
  readonly refusals = new Map<string, number>();
  readonly #options: OrderLoadOptions<Order>;
  readonly #underWay = new Map<string, Order>();
  readonly #unanswered = new Map<string, Order>();
  readonly #order: string[] = []; // Acknowledged keys, oldest first.
  #toCompare: Acknowledged<Order>[] = [];
  #waiting: Array<{ readonly count: number; readonly then: () => void }> = [];
  #isRunning = false;

  constructor(options: OrderLoadOptions<Order>) {
    this.#options = options;
  }

  /** Orders that were sent and have no answer. */
  get inFlight(): number {
    return this.#underWay.size;
  }

  /** Sends until `stop`. First the orders without an answer, then repeats of acknowledged ones, then new ones. Ends when nothing is under way. */
  async run(door: Door<Order>): Promise<void> {
    this.#isRunning = true;
    await Promise.all(Array.from({ length: this.#options.connections }, () => this.#client(door)));
  }

  /** No further order is sent; `run` ends with the last answer. */
  stop(): void {
    this.#isRunning = false;
  }

  /** Sends every order without an answer until it has one, and repeats what was chosen to be compared. */
  async settle(door: Door<Order>): Promise<void> {
    const orders = [...this.#unanswered.values()];
    const compare = this.#toCompare.splice(0);
    this.#isRunning = true; // Who is told to ask again does.
    await Promise.all([...orders.map((order) => this.#place(door, order)), ...compare.map((first) => this.#compare(door, first))]);
    this.#isRunning = false;
  }

  /** The latest acknowledged orders and some older ones will be sent a second time: their answers must be the first ones. */
  compareLater(latest: number, older: number, random: () => number): void {
    const keys = new Set(this.#order.slice(-latest));
    for (let i = 0; i < older; i++) keys.add(this.#order[Math.floor(random() * this.#order.length)] ?? "");
    for (const key of keys) {
      const first = this.acknowledged.get(key);
      if (first !== undefined) this.#toCompare.push(first);
    }
  }

  /** Calls back in the very turn in which so many more orders have been acknowledged. */
  whenAcknowledged(more: number, then: () => void): void {
    this.#waiting.push({ count: this.acknowledged.size + more, then });
  }

  async #client(door: Door<Order>): Promise<void> {
    while (this.#isRunning) {
      const [open] = this.#unanswered.values();
      const first = open === undefined ? this.#toCompare.pop() : undefined;
      if (first !== undefined) await this.#compare(door, first);
      else {
        const order = open ?? this.#options.next();
        if (order === null) return;
        await this.#place(door, order);
      }
    }
  }

  /** Sends an order until it has an outcome, or nobody knows and the load has been stopped. */
  async #place(door: Door<Order>, order: Order): Promise<void> {
    const { key } = order;
    const isRepeat = this.#unanswered.delete(key);
    const until = performance.now() + TRIES_MS_MAX;
    for (;;) {
      this.#underWay.set(key, order);
      const reply = await door(order);
      this.#underWay.delete(key);
      if (reply.kind === "outcome") {
        if (isRepeat) this.repeated++;
        this.#acknowledge(order, reply);
        return;
      }
      this.#refused(reply.why);
      if (reply.isAccepted === true) this.accepted.add(key);
      if (reply.kind === "unknown") {
        this.unknown++;
        this.#unanswered.set(key, order);
        if (this.#isRunning) await delay(UNKNOWN_AGAIN_MS);
        return;
      }
      if (!this.#isRunning || performance.now() > until) {
        if (performance.now() > until) this.stuck.push(`${key}: ${reply.why}`);
        this.#unanswered.set(key, order);
        return;
      }
      await delay(AGAIN_MS);
    }
  }

  /** Who is turned away asks again, as with any order: what counts is what the key is answered. */
  async #compare(door: Door<Order>, { order, status, body }: Acknowledged<Order>): Promise<void> {
    const until = performance.now() + TRIES_MS_MAX;
    let reply = await door(order);
    while (reply.kind === "again" && reply.isTurnedAway === true && performance.now() < until) {
      this.#refused(reply.why);
      if (!this.#isRunning) return; // Its turn comes again at random.
      await delay(AGAIN_MS);
      reply = await door(order);
    }
    if (reply.kind === "unknown") return; // Without an answer nothing can be said.
    this.replays++;
    if (reply.kind !== "outcome") this.changed.set(order.key, reply.why);
    else if (!reply.isReplayed || reply.status !== status || reply.body !== body)
      this.changed.set(order.key, `${reply.status}${reply.isReplayed ? "" : ", not as a repeat,"} ${reply.body} after ${status} ${body}`);
  }

  #acknowledge(order: Order, { status, body }: { readonly status: number; readonly body: string }): void {
    this.acknowledged.set(order.key, { order, status, body });
    this.#order.push(order.key);
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter(({ count }) => count <= this.acknowledged.size);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ count }) => count > this.acknowledged.size);
    for (const { then } of due) then();
  }

  #refused(why: string): void {
    const words = why.slice(0, 60);
    this.refusals.set(words, (this.refusals.get(words) ?? 0) + 1);
  }

  /** Orders that have no answer yet. */
  get unanswered(): number {
    return this.#unanswered.size;
  }
}
