/**
 * A client of NATS as anybody may write one: the packages `nats` and `@nats-io/jetstream` and no code of the service. It opens the accounts, then sends so
 * many commands by request and reply and as many through the stream, and tells its parent what it was told. What gets no answer is sent again with the same
 * key until it has one. Its argument is JSON of `PlainClientOptions`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstream } from "@nats-io/jetstream";
import { connect, createInbox, headers, type Msg, type MsgHdrs } from "nats";
import { ACCOUNTS_TO_OPEN, type NatsOrder, natsOrder, type Way } from "./nats-orders.ts";

export interface PlainClientOptions {
  readonly url: string;
  /** Each way. */
  readonly commands: number;
  /** Under way, each way. */
  readonly atOnce: number;
  /** An order that gets no answer for so long is a defect. */
  readonly orderMsMax: number;
  /** Breaks the one rule of a client: what is sent twice has two keys. */
  readonly hasOtherKeys: boolean;
}
export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
  readonly isReplayed: boolean;
  /** Of the header Nats-Service-Error-Code; empty when there is none. */
  readonly errorCode: string;
  readonly error: string;
}
/** What it tells; `answered` once for each command, `stored` when the stream said that it has it. */
export type PlainSaid =
  | { readonly kind: "opened"; readonly server: string }
  | { readonly kind: "stored" | "accepted"; readonly key: string }
  | { readonly kind: "answered"; readonly key: string; readonly answer: PlainAnswer }
  | { readonly kind: "compared"; readonly key: string; readonly isSame: boolean; readonly first: PlainAnswer; readonly second: PlainAnswer }
  | { readonly kind: "stuck"; readonly key: string; readonly why: string }
  | { readonly kind: "done"; readonly sentAgain: number; readonly askedFor: number };

const ANSWER_MS_MAX = 3_000;
/** A result that did not come so long after the command was stored is asked for. */
const RESULT_MS_MAX = 3_000;
const AGAIN_MS = 25;
/** Nothing is known of a key: another 404 than that of an account, which is an outcome. */
const UNKNOWN = /"code":"(transfer_)?not_found"/;
const TOLD_AT_ONCE_MS = 5;

const options = JSON.parse(process.argv[2] ?? "{}") as PlainClientOptions;
const connection = await connect({
  servers: options.url,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 50,
  waitOnFirstConnect: true,
  noAsyncTraces: true,
});
const stream = jetstream(connection);
const inbox = createInbox();
const results = new Map<string, (message: Msg) => void>();
connection.subscribe(`${inbox}.*`, {
  callback: (error, message) => (error === null ? results.get(message.subject)?.(message) : undefined),
});
let addresses = 0;
let sentAgain = 0;
let askedFor = 0;

/** What is to be told goes in batches: a message between processes for each answer would be the load's largest cost. */
let untold: PlainSaid[] = [];
function say(said: PlainSaid): void {
  untold.push(said);
  if (untold.length === 1) setTimeout(tell, TOLD_AT_ONCE_MS);
}
function tell(): void {
  process.send?.(untold);
  untold = [];
}
process.once("disconnect", () => process.exit(1));

for (const body of ACCOUNTS_TO_OPEN) await untilAnswered("troupe.v1.account.open", body, headers());
say({ kind: "opened", server: connection.info?.version ?? "" });
await Promise.all([clients("request"), clients("stream")]);
say({ kind: "done", sentAgain, askedFor });
tell();

async function clients(way: Way): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < options.commands) await place(natsOrder(way, next++));
  };
  await Promise.all(Array.from({ length: options.atOnce }, client));
}

/** Sends a command until it has its answer, and one of ten a second time meanwhile: both must be told the same. */
async function place(order: NatsOrder): Promise<void> {
  const once = (key: string): Promise<PlainAnswer> => (order.way === "request" ? byRequest(order, key) : byStream(order, key));
  try {
    const first = once(order.key);
    const again = order.isTwice ? once(options.hasOtherKeys ? `${order.key}-again` : order.key) : null;
    const [answer, second] = await Promise.all([first, again]);
    say({ kind: "answered", key: order.key, answer });
    if (second !== null) say({ kind: "compared", key: order.key, isSame: isSame(answer, second), first: answer, second });
  } catch (cause) {
    say({ kind: "stuck", key: order.key, why: String(cause) });
  }
}

function byRequest({ command, body }: NatsOrder, key: string): Promise<PlainAnswer> {
  return untilAnswered(`troupe.v1.transfer.${command}`, body, keyed(key), () => say({ kind: "accepted", key }));
}

/**
 * Into the stream until it says that it has the command; then the result comes by itself, or is asked for. It is not sent again, because what the stream
 * has must be done without that; but for a command that uses no key, whose refusal nobody can ask for when the message with it was lost.
 */
async function byStream({ command, body, wish }: NatsOrder, key: string): Promise<PlainAnswer> {
  const replyTo = `${inbox}.${addresses++}`;
  const { promise, resolve } = Promise.withResolvers<PlainAnswer>();
  results.set(replyTo, (message) => {
    const answer = answerOf(message);
    if (isFinal(answer)) resolve(answer);
  });
  try {
    const all = keyed(key);
    all.set("Troupe-Reply-To", replyTo);
    const store = async (): Promise<true | null> => {
      const { seq } = await stream.publish(`troupe.durable.v1.transfer.${command}`, body, { headers: all, timeout: ANSWER_MS_MAX });
      return seq > 0 ? true : null;
    };
    await bounded(store);
    say({ kind: "stored", key });
    return await bounded(async () => {
      const result = await Promise.race([promise, delay(RESULT_MS_MAX, null)]);
      if (result !== null) return result;
      if (wish === "bad-amount") await store();
      return await outcomeOf(key);
    });
  } finally {
    results.delete(replyTo);
  }
}

/** What came of a command, by its key; null when that is not known, or not yet. */
async function outcomeOf(key: string): Promise<PlainAnswer | null> {
  askedFor++;
  const answer = answerOf(await connection.request("troupe.v1.command.status", "", { timeout: ANSWER_MS_MAX, headers: keyed(key) }));
  return isFinal(answer) && !UNKNOWN.test(answer.body) ? answer : null;
}

async function untilAnswered(subject: string, body: string, all: MsgHdrs, onAccepted: () => void = () => undefined): Promise<PlainAnswer> {
  return await bounded(async () => {
    const answer = answerOf(await connection.request(subject, body, { timeout: ANSWER_MS_MAX, headers: all }));
    if (answer.status === 202) onAccepted();
    return isFinal(answer) ? answer : null;
  });
}

/** Tries until there is something. @throws Error with the last reason at the limit. */
async function bounded<Value>(attempt: () => Promise<Value | null>): Promise<Value> {
  const until = performance.now() + options.orderMsMax;
  for (let tries = 1; ; tries++) {
    let why = "no answer that is final";
    try {
      const value = await attempt();
      if (value !== null) {
        if (tries > 1) sentAgain++;
        return value;
      }
    } catch (cause) {
      why = String(cause);
    }
    if (performance.now() > until) throw new Error(`${why}, ${tries} tries`);
    await delay(AGAIN_MS);
  }
}

function keyed(key: string): MsgHdrs {
  const all = headers();
  all.set("Idempotency-Key", key);
  return all;
}

function answerOf(message: Msg): PlainAnswer {
  const found = (name: string): string => message.headers?.get(name) ?? "";
  return {
    status: Number(found("Troupe-Status")),
    body: message.string(),
    isReplayed: found("Idempotency-Replayed") === "true",
    errorCode: found("Nats-Service-Error-Code"),
    error: found("Nats-Service-Error"),
  };
}

/** Neither "come again" nor "nobody knows" nor "not finished". */
function isFinal({ status, body }: PlainAnswer): boolean {
  if (status === 202 || status === 429 || status >= 500 || status < 200) return false;
  return status !== 409 || !body.includes('"key_in_progress"');
}

/** A refusal at the door is not kept, so two of them are of two moments. */
function isSame(first: PlainAnswer, second: PlainAnswer): boolean {
  const timeless = (body: string): string => (first.status === 400 ? body.replace(/"timestamp":"[^"]*"/, "") : body);
  return first.status === second.status && timeless(first.body) === timeless(second.body);
}
