/** Runs what it is given one after another, in order. An operation that rejects does not stop those after it. */
export class Lane {
  #tail: Promise<unknown> = Promise.resolve();

  run<Value>(operation: () => Promise<Value>): Promise<Value> {
    const result = this.#tail.then(operation);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
