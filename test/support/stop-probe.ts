/**
 * Strangers who come to a server that stops: each looks at `/readyz` and asks for a deposit, on connections of their own. They hold the
 * server to what it says: 503 means that nothing was done, 201 that it is there, and no answer is a half one.
 */
import { type HttpAnswer, send } from "./http-client.ts";
import { accountId, CURRENCY, type Order } from "./ledger-load.ts";

export interface StopProbeFigures {
  /** Deposits that were answered 503 SHUTTING_DOWN. */
  readonly refused: readonly string[];
  /** Deposits that were done: the first ones, and all while the server is a lame duck. */
  readonly done: ReadonlyArray<{ readonly order: Order; readonly status: number; readonly body: string }>;
  /** Of those, the ones that were sent after `/readyz` had been red. */
  readonly doneWhileRed: number;
  /** Connections that got nothing: the server was gone, or going. */
  readonly unanswered: number;
  readonly defects: readonly string[];
}

const STRANGERS = 2;
const WAIT_MS_MAX = 20_000;

export class StopProbe {
  readonly #url: string;
  readonly #name: string;
  readonly #refused: string[] = [];
  readonly #done: Array<StopProbeFigures["done"][number]> = [];
  readonly #defects: string[] = [];
  readonly #strangers: ReadonlyArray<Promise<void>>;
  readonly #firstRefusal = Promise.withResolvers<void>();
  #isRed = false;
  #doneWhileRed = 0;
  #unanswered = 0;
  #count = 0;
  #isOver = false;

  /** Begins at once. `name` makes the keys its own. */
  constructor(url: string, name: string) {
    this.#url = url;
    this.#name = name;
    this.#strangers = Array.from({ length: STRANGERS }, () => this.#stranger());
  }

  /** Resolves when a deposit was refused because the server stops. @throws Error at the limit. */
  async untilRefused(): Promise<void> {
    const late = setTimeout(() => this.#firstRefusal.reject(new Error("nobody was told SHUTTING_DOWN")), WAIT_MS_MAX);
    await this.#firstRefusal.promise.finally(() => clearTimeout(late));
  }

  /** Ends when the server is gone; to be called after that. */
  async figures(): Promise<StopProbeFigures> {
    this.#isOver = true;
    await Promise.all(this.#strangers);
    this.#firstRefusal.promise.catch(() => undefined);
    return {
      refused: this.#refused,
      done: this.#done,
      doneWhileRed: this.#doneWhileRed,
      unanswered: this.#unanswered,
      defects: this.#defects,
    };
  }

  async #stranger(): Promise<void> {
    while (!this.#isOver) {
      const ready = await this.#whole(() => send(this.#url, "GET", "/readyz"));
      const isRed = this.#isRed || ready?.status === 503;
      this.#isRed = isRed;
      const wasRefused = this.#refused.length > 0;
      const key = `${this.#name}-${++this.#count}`;
      const order: Order = { key, kind: "deposit", from: null, to: accountId(0), amount: "1.00" };
      const body = JSON.stringify({ accountId: order.to, amount: order.amount, currency: CURRENCY });
      const headers = [
        ["idempotency-key", key],
        ["content-type", "application/json"],
      ] as const;
      const answer = await this.#whole(() => send(this.#url, "POST", "/v1/deposits", headers, body));
      if (answer !== null) this.#judge(order, answer, { isRed, wasRefused });
    }
  }

  #judge(order: Order, { status, text, headers }: HttpAnswer, seen: { readonly isRed: boolean; readonly wasRefused: boolean }): void {
    if (status === 201) {
      this.#done.push({ order, status, body: text });
      if (seen.isRed) this.#doneWhileRed++;
      if (seen.wasRefused) this.#defects.push(`${order.key}: was taken after another one had been told SHUTTING_DOWN`);
    } else if (status === 503 && text.includes('"SHUTTING_DOWN"') && headers["retry-after"] !== undefined) {
      this.#refused.push(order.key);
      this.#firstRefusal.resolve();
    } else if (status !== 504) this.#defects.push(`${order.key}: was answered ${status} ${text.slice(0, 200)}`);
  }

  /** The answer, null when there was none. An answer that is not as long as it says is a defect. */
  async #whole(ask: () => Promise<HttpAnswer>): Promise<HttpAnswer | null> {
    let answer: HttpAnswer;
    try {
      answer = await ask();
    } catch (error) {
      this.#unanswered++;
      const bytes = Number(/\((\d+) bytes\)$/.exec(error instanceof Error ? error.message : "")?.[1] ?? 0);
      if (bytes > 0) this.#defects.push(`half an answer: ${String(error)}`);
      await new Promise(setImmediate); // Nobody listens: the loop must still let other work run.
      return null;
    }
    if (Number(answer.headers["content-length"]) === answer.bytes.length) return answer;
    this.#defects.push(`half an answer: ${answer.bytes.length} bytes of ${answer.headers["content-length"]}`);
    return null;
  }
}
