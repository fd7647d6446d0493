/** What every way of showing a `Secret` gives. */
const HIDDEN = "[secret]";

/**
 * A text that must not be seen: in logs, errors, JSON, messages between threads and inspections it is `[secret]` (TRAPS 46). Only `reveal`
 * gives it, and only where it is sent.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return HIDDEN;
  }
  toJSON(): string {
    return HIDDEN;
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return HIDDEN;
  }
}
