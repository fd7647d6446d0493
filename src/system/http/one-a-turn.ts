/**
 * Lets pieces of work through in the order they came, one in each turn of the event loop: many that come together do not hold it for longer than one of them
 * takes. Who waits is bounded by the requests that are open.
 */
export class OneATurn {
  #last: Promise<unknown> = Promise.resolve();

  /** Rejects with what the work throws, which stops nobody else's. */
  run<Value>(work: () => Value): Promise<Value> {
    const done = this.#last.then(work);
    this.#last = done.then(nextTurn, nextTurn);
    return done;
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
