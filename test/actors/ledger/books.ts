/**
 * Drives the ledger's deciders by hand, without any runtime: one map of states, effects carried out one at a time, in order. Every event
 * goes through JSON and its schema before it is applied, every reply through its schema, and every state through its snapshot.
 */
import { expect } from "vitest";
import { legsOf, registry, statementRows, transferIdOf } from "../../../src/actors/index.ts";
import {
  type Accept,
  type Answer,
  addressOf,
  type Effect,
  type Entry,
  type EventBase,
  type Json,
  partsOf,
  type Refusal,
  type Schema,
  shardOf,
} from "../../../src/runtime/index.ts";

/** What a command was answered; "later" when the answer comes by `settled`. */
export type Told = Answer<Json> | "later";
type Handler = (state: unknown, input: unknown, info: object) => { readonly kind: string };

export class Books {
  readonly shardCount = 64;
  readonly entries: Entry[] = [];
  /** The last answer for those who waited, by address. */
  readonly settled = new Map<string, Json>();
  /** Effects not yet carried out, with the address of who opened them. */
  readonly effects: { readonly from: string; readonly effect: Effect }[] = [];
  at = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  readonly #states = new Map<string, unknown>();

  state(address: string): unknown {
    const { type, id } = partsOf(address);
    return this.#states.has(address) ? this.#states.get(address) : definitionOf(type).initial(id);
  }

  account(id: string, command: string, body: Json = {}): Told {
    return this.send(addressOf("account", id), command, body);
  }

  /** Opens an account and fails the test when it is refused. */
  open(id: string, fields: { readonly [name: string]: Json } = {}): void {
    const body = { currency: "CZK", kind: "customer", overdraftLimit: "0", owner: null, caller: "local", key: `open-${id}`, ...fields };
    expect(this.account(id, "open", body)).toMatchObject({ ok: true });
  }

  /** Asks for a transfer under the caller "local". */
  request(key: string, fields: { readonly [name: string]: Json }): Told {
    const body = { kind: "transfer", from: null, to: null, amount: "100", currency: "CZK", caller: "local", key, ...fields };
    return this.send(addressOf("transfer", transferIdOf("local", key)), "request", body);
  }

  /** Puts money into an account by a deposit that runs to its end. */
  deposit(to: string, amount: string, currency = "CZK"): Json {
    const key = `deposit-${this.entries.length}`;
    expect(this.request(key, { kind: "deposit", to, amount, currency })).toBe("later");
    this.run();
    return this.settledOf(key);
  }

  settledOf(key: string): Json {
    return this.settled.get(addressOf("transfer", transferIdOf("local", key))) ?? null;
  }

  /** The JSON body of `get` of a transfer. */
  transferView(key: string): unknown {
    return JSON.parse(bodyOf(this.send(addressOf("transfer", transferIdOf("local", key)), "get", {})));
  }

  send(address: string, command: string, body: Json): Told {
    const { type } = partsOf(address);
    const definition = definitionOf(type);
    const spec = definition.commands[command];
    if (spec === undefined) throw new Error(`${type} has no command ${command}`);
    const told = this.#handle(address, definition.decide[command] as Handler, body);
    if (told !== "later" && told.ok) expectValid(spec.reply, told.value);
    return told;
  }

  /** Carries out the oldest effect, its answer included; a false means that there was none. `refused` answers in its receiver's place. */
  step(refused?: Refusal): boolean {
    const next = this.effects.shift();
    if (next === undefined) return false;
    const { from, effect } = next;
    if (effect.kind !== "tell" && effect.kind !== "ask") throw new Error(`the ledger has no effects of the kind ${effect.kind}`);
    expectValid(definitionOf(partsOf(effect.to).type).commands[effect.command]?.body, effect.body);
    const recorded = this.entries.length;
    const told = refused ?? this.send(effect.to, effect.command, effect.body);
    if (effect.kind === "ask") expect(this.entries.length).toBe(recorded);
    if (effect.answerTo === undefined) return true;
    this.answer(from, effect.answerTo, told === "later" ? { ok: true, value: null } : told);
    return true;
  }

  answer(address: string, answerTo: string, answer: Answer<Json>): Told {
    const handler = definitionOf(partsOf(address).type).answers?.[answerTo];
    if (handler === undefined) throw new Error(`${address} has no handler ${answerTo}`);
    return this.#handle(address, handler as Handler, answer);
  }

  run(): void {
    while (this.step());
  }

  /** Sums of all accounts by currency, in-transit accounts included, from the journal's entries alone. */
  totals(): ReadonlyMap<string, bigint> {
    const totals = new Map<string, bigint>();
    for (const entry of this.entries) {
      for (const row of statementRows(entry).money) {
        for (const leg of legsOf(row, entry.shard)) totals.set(row.currency, (totals.get(row.currency) ?? 0n) + BigInt(leg.amount));
      }
    }
    return totals;
  }

  /** Money between debit and credit, over all shards. */
  inTransit(): bigint {
    const rows = this.entries.flatMap((entry) => statementRows(entry).money.map((row) => legsOf(row, entry.shard)[1]));
    return rows.reduce((sum, leg) => sum + BigInt(leg.amount), 0n);
  }

  balance(id: string): string {
    const told = this.account(id, "get");
    return told !== "later" && told.ok ? (told.value as { readonly balance: string }).balance : "none";
  }

  #handle(address: string, handler: Handler, input: unknown): Told {
    const { type, id } = partsOf(address);
    const info = {
      id: `c${this.entries.length}`,
      key: id,
      shard: shardOf(address, this.shardCount),
      shardCount: this.shardCount,
      at: this.at,
    };
    const decision = handler(this.state(address), input, info);
    switch (decision.kind) {
      case "accept":
        return this.#accept(address, decision as Accept<EventBase, Json>);
      case "reject": {
        const { code, detail } = decision as unknown as Refusal;
        expect(detail).toMatch(/./);
        return { ok: false, code, detail };
      }
      case "reply":
        return { ok: true, value: (decision as unknown as { readonly value: Json }).value };
      default:
        expect(decision.kind).toBe("ignore");
        return { ok: true, value: `ignored by ${type}` };
    }
  }

  #accept(address: string, decision: Accept<EventBase, Json>): Told {
    const definition = definitionOf(partsOf(address).type);
    const events = JSON.parse(JSON.stringify(decision.events)) as EventBase[];
    expect(events).toEqual(decision.events);
    let state = this.state(address);
    for (const event of events) {
      const { kind, ...fields } = event;
      expectValid(definition.events[kind], Object.keys(fields).length === 0 ? event : fields);
      state = (definition.evolve[kind] as (state: unknown, event: unknown) => unknown)(state, event);
      const body = JSON.parse(JSON.stringify(definition.snapshot.encode(state as never))) as Json;
      expect(definition.snapshot.decode(body)).toEqual(state);
    }
    this.#states.set(address, state);
    const shard = shardOf(address, this.shardCount);
    this.entries.push({
      shard,
      seq: this.entries.length + 1,
      entity: address,
      version: 0,
      at: this.at,
      events: events as unknown as Json[],
    });
    for (const effect of decision.effects ?? []) this.effects.push({ from: address, effect });
    if (decision.settle !== undefined) this.settled.set(address, decision.settle);
    return decision.isAnsweredLater === true ? "later" : { ok: true, value: decision.reply ?? null };
  }
}

/** The body of an answer that is an outcome; fails the test when it is none. */
export function bodyOf(told: Told): string {
  expect(told).toMatchObject({ ok: true, value: { body: expect.any(String) } });
  return (told as unknown as { readonly value: { readonly body: string } }).value.body;
}

function definitionOf(type: string) {
  const definition = registry.find((each) => each.type === type);
  if (definition === undefined) throw new Error(`no definition of ${type}`);
  return definition;
}

function expectValid(schema: Schema | undefined, value: unknown): void {
  const result = schema?.["~standard"].validate(value);
  expect(result).toBeDefined();
  expect((result as { readonly issues?: unknown }).issues).toBeUndefined();
}
