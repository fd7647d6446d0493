/**
 * The floor below every mailbox: a ring of messages and a function that handles them, with no limit, no envelope, no scheduler worth the name.
 * `batch` handles what waits in one go; `oneATurn` gives the entity one message a turn and queues it again, as a fair scheduler must.
 */
import { operationsPerSecond } from "../harness/micro.ts";
import { assertResult, type RunVariant } from "../harness/suite.ts";

const MESSAGES = 1_000;
const SLOTS = 1_024;

/** A ring that is never full here. */
class PlainRing<Item> {
  readonly #slots: Array<Item | undefined> = new Array(SLOTS);
  #head = 0;
  #tail = 0;
  push(item: Item): void {
    this.#slots[this.#tail++ & (SLOTS - 1)] = item;
  }
  shift(): Item | undefined {
    if (this.#head === this.#tail) return undefined;
    const at = this.#head++ & (SLOTS - 1);
    const item = this.#slots[at];
    this.#slots[at] = undefined;
    return item;
  }
}

interface Counter {
  readonly mailbox: PlainRing<{ readonly amount: number }>;
  sum: number;
}

export const batch: RunVariant = async (mode) => {
  const counter: Counter = { mailbox: new PlainRing(), sum: 0 };
  let sent = 0;
  const perSecond = await operationsPerSecond(mode, MESSAGES, () => {
    for (let i = 0; i < MESSAGES; i++) counter.mailbox.push({ amount: 1 });
    sent += MESSAGES;
    for (let message = counter.mailbox.shift(); message !== undefined; message = counter.mailbox.shift()) counter.sum += message.amount;
  });
  assertResult(counter.sum === sent && sent > 0, `${counter.sum} of ${sent} messages were handled`);
  return { figures: { perSecond } };
};

export const oneATurn: RunVariant = async (mode) => {
  const counters: readonly Counter[] = Array.from({ length: 4 }, () => ({ mailbox: new PlainRing(), sum: 0 }));
  const ready = new PlainRing<Counter>();
  let sent = 0;
  const perSecond = await operationsPerSecond(mode, MESSAGES, () => {
    for (const counter of counters) {
      for (let i = 0; i < MESSAGES / counters.length; i++) counter.mailbox.push({ amount: 1 });
      ready.push(counter);
    }
    sent += MESSAGES;
    for (let counter = ready.shift(); counter !== undefined; counter = ready.shift()) {
      const message = counter.mailbox.shift();
      if (message === undefined) continue;
      counter.sum += message.amount;
      ready.push(counter);
    }
  });
  const sum = counters.reduce((all, counter) => all + counter.sum, 0);
  assertResult(sum === sent && sent > 0, `${sum} of ${sent} messages were handled`);
  return { figures: { perSecond } };
};
