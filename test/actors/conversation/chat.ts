/**
 * Drives one conversation and its summary by hand, without any runtime, as a strict runtime would. Every event goes through JSON and its schema, every effect
 * and reply through its schema, every state through its snapshot; an effect that is opened while one with its label is open fails the test, and so does
 * a settled answer to nobody's known command.
 */
import { expect } from "vitest";
import type { ConversationEvent, PostReply, ReplyRequest, SummaryRequest } from "../../../src/actors/index.ts";
import { registry, replyRequestSchema, type SummaryEvent, summaryRequestSchema } from "../../../src/actors/index.ts";
import {
  type Accept,
  type Answer,
  addressOf,
  type Effect,
  type EventBase,
  type Json,
  type OutsideEffect,
  partsOf,
  type Schema,
  type TellEffect,
} from "../../../src/runtime/index.ts";

type Decided = Accept<EventBase, Json> | { readonly kind: "reject" | "reply" | "ignore"; readonly [field: string]: unknown };
type Handler = (state: unknown, input: unknown, info: object) => Decided;
interface Call {
  readonly from: string;
  readonly effect: OutsideEffect;
  attempt: number;
}
/** A client that sent a command. `answers` has one answer in the end, never more. */
export interface Client {
  readonly id: string;
  readonly answers: Answer<Json>[];
}

export const ID = "c1";
const CONVERSATION = addressOf("conversation", ID);
const SUMMARY = addressOf("summary", ID);

/** A sealed text that tests can read. */
export const sealed = (text: string): string => `s1.${Buffer.from(text).toString("base64url")}`;
export const opened = (text: string): string => Buffer.from(text.slice(3), "base64url").toString();
export const joined = (parts: readonly string[] | null): string => (parts ?? []).map(opened).join("");

export class Chat {
  at = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  readonly events: ConversationEvent[] = [];
  readonly summaryEvents: SummaryEvent[] = [];
  /** Open effects that leave the runtime, oldest first. */
  calls: Call[] = [];
  /** Messages between the two, oldest first. */
  readonly tells: TellEffect[] = [];
  /** How often something was recorded. */
  entries = 0;
  readonly #states = new Map<string, unknown>();
  readonly #waiting: (Client & { readonly to: string })[] = [];
  #count = 0;

  /** An open conversation. */
  static opened(onBusy: "enqueue" | "reject" | "interrupt" = "enqueue"): Chat {
    const chat = new Chat();
    expect(chat.command("open", { onBusy, instructions: sealed("be brief"), user: "ann" }).answers).toEqual([
      { ok: true, value: { id: ID } },
    ]);
    return chat;
  }

  state(type: "conversation" | "summary" = "conversation"): unknown {
    const address = addressOf(type, ID);
    return this.#states.has(address) ? this.#states.get(address) : definitionOf(type).initial(ID);
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  command(command: string, body: Json = {}, id?: string): Client {
    return this.#send(CONVERSATION, command, body, id);
  }
  askSummary(command: string, body: Json = {}, id?: string): Client {
    return this.#send(SUMMARY, command, body, id);
  }

  /** Posts under the id a message of that text. */
  post(id: string, fields: { readonly [name: string]: Json } = {}): Client {
    const text = `text of ${id}`;
    const body = { messageId: `m-${id}`, speaker: sealed("ann"), text: sealed(text), chars: text.length, wantsReply: true, ...fields };
    return this.command("post", body, id);
  }

  call(label: "reply" | "summary"): Call | undefined {
    return this.calls.find(({ effect }) => effect.label === label);
  }
  get request(): ReplyRequest {
    return replyRequestSchema.parse(this.call("reply")?.effect.body);
  }
  get summaryRequest(): SummaryRequest {
    return summaryRequestSchema.parse(this.call("summary")?.effect.body);
  }

  /** The port tells a chunk. */
  chunk(index: number, text: string, attempt = 1): void {
    const call = this.#open("reply");
    call.attempt = attempt;
    expect(call.effect.progressTo).toBe("chunk");
    const { progress } = definitionOf("conversation");
    const value = { index, text: sealed(text), chars: text.length };
    this.#handle(CONVERSATION, progress?.[call.effect.progressTo ?? ""] as Handler, value, { id: "p", attempt });
  }

  /** The reply comes, or is refused. */
  reply(text: string, attempt?: number): void {
    this.end("reply", { ok: true, value: { text: sealed(text), chars: text.length } }, attempt);
  }
  refuse(label: "reply" | "summary", code: "UPSTREAM_TIMEOUT" | "UPSTREAM_BAD_RESPONSE" = "UPSTREAM_TIMEOUT"): void {
    this.end(label, { ok: false, code, detail: "no" });
  }
  /** The summary of what was asked for: `1-2` for the first two turns, `1-2 3-3` with the third. */
  summarize(): void {
    const { previous, fromTurn, toTurn } = this.summaryRequest;
    const text = `${previous === null ? "" : `${opened(previous)} `}${fromTurn}-${toTurn}`;
    this.end("summary", { ok: true, value: { text: sealed(text), memory: sealed(`memory ${toTurn}`) } });
  }
  end(label: "reply" | "summary", answer: Answer<Json>, attempt?: number): void {
    const call = this.#open(label);
    // The runtime closes it in the entry of the answer, before anybody could open another.
    this.calls = this.calls.filter((each) => each !== call);
    const handler = definitionOf(partsOf(call.from).type).answers?.[call.effect.answerTo ?? ""] as Handler;
    this.#handle(call.from, handler, JSON.parse(JSON.stringify(answer)), { id: "e", attempt: attempt ?? call.attempt });
  }

  /** Carries out the oldest message between the two; false when there is none. */
  tell(): boolean {
    const next = this.tells.shift();
    if (next === undefined) return false;
    const { answers } = this.#send(next.to, next.command, next.body, `t${++this.#count}`);
    expect(answers).toMatchObject([{ ok: true }]);
    return true;
  }
  tellAll(): void {
    while (this.tell());
  }
  /** Everything told, every reply there, every summary made. */
  finish(): void {
    this.tellAll();
    while (this.call("reply") !== undefined) this.reply("the end");
    this.tellAll();
    while (this.call("summary") !== undefined) {
      this.summarize();
      this.tellAll();
    }
  }

  kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  #open(label: "reply" | "summary"): Call {
    const call = this.call(label);
    if (call === undefined) throw new Error(`no ${label} is under way`);
    return call;
  }

  #send(address: string, command: string, body: Json, id = ""): Client {
    const definition = definitionOf(partsOf(address).type);
    const parsed = valid(definition.commands[command]?.body, body);
    const client: Client & { readonly to: string } = { id, to: address, answers: [] };
    this.#handle(address, definition.decide[command] as Handler, parsed, { id }, client);
    const answer = client.answers.at(0);
    if (answer?.ok === true) valid(definition.commands[command]?.reply, answer.value);
    return client;
  }

  #handle(
    address: string,
    handler: Handler,
    input: unknown,
    about: { readonly id: string; readonly attempt?: number },
    client?: Client & { readonly to: string },
  ): void {
    const info = { key: ID, shard: 0, shardCount: 1, at: this.at, ...about };
    const decision = handler(this.#states.get(address) ?? definitionOf(partsOf(address).type).initial(ID), input, info);
    const answer = answerOf(decision);
    if (decision.kind !== "accept") {
      client?.answers.push(answer);
      return;
    }
    const accepted = decision as Accept<EventBase, Json>;
    if (accepted.isAnsweredLater === true && client !== undefined) this.#waiting.push(client);
    else client?.answers.push(answer);
    this.#accept(address, accepted);
  }

  #accept(address: string, decision: Accept<EventBase, Json>): void {
    const definition = definitionOf(partsOf(address).type);
    const events = JSON.parse(JSON.stringify(decision.events)) as EventBase[];
    expect(events).toEqual(decision.events);
    let state = this.#states.get(address) ?? definition.initial(ID);
    for (const event of events) {
      const { kind, ...fields } = event;
      valid(definition.events[kind], Object.keys(fields).length === 0 ? event : fields);
      state = (definition.evolve[kind] as (state: unknown, event: unknown) => unknown)(state, event);
    }
    const body = JSON.parse(JSON.stringify(definition.snapshot.encode(state as never))) as Json;
    expect(definition.snapshot.decode(body)).toEqual(state);
    this.#states.set(address, state);
    if (events.length > 0) this.entries++;
    (address === CONVERSATION ? this.events : this.summaryEvents).push(...(events as never[]));
    for (const label of decision.cancels ?? []) {
      this.calls = this.calls.filter(({ from, effect }) => from !== address || effect.label !== label);
    }
    for (const effect of decision.effects ?? []) this.#openEffect(address, effect);
    for (const { id, value } of decision.settles ?? []) this.#settle(({ to, id: waits }) => to === address && waits === id, value);
    if (decision.settle !== undefined) this.#settle(({ to }) => to === address, decision.settle);
  }

  #openEffect(from: string, effect: Effect): void {
    if (effect.kind === "tell") {
      expect(effect.answerTo).toBeUndefined();
      this.tells.push(effect);
      return;
    }
    if (effect.kind !== "call") throw new Error(`there are no effects of the kind ${effect.kind}`);
    expect(effect.label === undefined ? [] : this.calls.filter(({ effect: { label } }) => label === effect.label)).toEqual([]);
    this.calls.push({ from, effect, attempt: 1 });
  }

  #settle(isMeant: (client: Client & { readonly to: string }) => boolean, value: Json): void {
    const kept = this.#waiting.filter((client) => !isMeant(client));
    for (const client of this.#waiting.filter(isMeant)) client.answers.push({ ok: true, value });
    this.#waiting.splice(0, this.#waiting.length, ...kept);
  }
}

/** The only answer of a client, which must be an outcome. */
export function outcomeOf({ answers }: Client): PostReply {
  expect(answers).toMatchObject([{ ok: true, value: { status: expect.any(String) } }]);
  return (answers[0] as unknown as { readonly value: PostReply }).value;
}

function answerOf(decision: Decided): Answer<Json> {
  if (decision.kind === "accept") return { ok: true, value: (decision as Accept<EventBase, Json>).reply ?? null };
  const { value = null, code, detail } = decision as { readonly value?: Json; readonly code?: never; readonly detail?: string };
  if (decision.kind !== "reject") return { ok: true, value };
  expect(detail).toMatch(/./);
  return { ok: false, code: code as never, detail: detail ?? "" };
}

function definitionOf(type: string) {
  const definition = registry.find((each) => each.type === type);
  if (definition === undefined) throw new Error(`no definition of ${type}`);
  return definition;
}

function valid(schema: Schema | undefined, value: unknown): unknown {
  const result = schema?.["~standard"].validate(value) as { readonly issues?: unknown; readonly value?: unknown };
  expect(result?.issues).toBeUndefined();
  return result?.value;
}
