/**
 * Values by numbers that it gives: every value in the place of one that left, under another number. A number comes again when its place was used
 * 2^53 times divided by `sizeMax`, and no sooner.
 *
 * A `Map` that things enter and leave all the time gets a new table every few of them. An old table refers to the next one, and once a collection has
 * made it old, all those after it become old with what they hold: a million lines of bulk left 60 MiB of dead requests between two full collections.
 */
export class NumberedTable<Value> {
  /** More values than this at once are refused. */
  readonly #sizeMax: number;
  readonly #values: Array<Value | undefined> = [];
  /** The last number of each place: its index and a multiple of `sizeMax`. */
  readonly #numbers: number[] = [];
  readonly #free: number[] = [];

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  /** The number of the value, above 0. @throws Error when it is full. */
  add(value: Value): number {
    const place = this.#free.pop() ?? this.#values.length;
    if (place >= this.#sizeMax) throw new Error(`${this.#sizeMax} values are as many as may be`);
    const next = (this.#numbers[place] ?? place) + this.#sizeMax;
    const number = Number.isSafeInteger(next) ? next : place + this.#sizeMax;
    this.#values[place] = value;
    this.#numbers[place] = number;
    return number;
  }

  /** Undefined when it left, or never was. */
  get(number: number): Value | undefined {
    const place = number % this.#sizeMax;
    return this.#numbers[place] === number ? this.#values[place] : undefined;
  }

  /** The value, which is there no more. Undefined when it was not. */
  take(number: number): Value | undefined {
    const value = this.get(number);
    if (value === undefined) return undefined;
    const place = number % this.#sizeMax;
    this.#values[place] = undefined;
    this.#free.push(place);
    if (this.size === 0) this.#forgetPlaces();
    return value;
  }

  /** Of the most that ever were there: who goes through all values would go through these for ever. Their numbers go on. */
  #forgetPlaces(): void {
    this.#values.length = 0;
    this.#free.length = 0;
  }

  /** With their numbers, in no order. Values may leave meanwhile. */
  *entries(): Generator<readonly [number: number, value: Value], void> {
    for (const [place, value] of this.#values.entries()) if (value !== undefined) yield [this.#numbers[place] as number, value];
  }
}
