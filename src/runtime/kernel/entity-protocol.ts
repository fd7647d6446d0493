import { addressOf, isType } from "./address.ts";
import type { Answer, AskEffect, Decision, EventBase, TellEffect } from "./decision.ts";
import type { CommandSpec, Info } from "./definition.ts";
import type { Json } from "./json.ts";
import type { Infer } from "./schema.ts";

/**
 * What others need of an entity to speak to it: its type and its commands. It names no other entity, so two entities that tell each other
 * keep their types; taken from the definitions themselves these would be circular. A definition is made from it:
 * `defineEntity({ ...accounts, version: 1, events, ... })`.
 *
 * `tell` and `ask` make effects for a decision and do nothing by themselves; the compiler knows commands and bodies.
 */
export interface EntityProtocol<Commands extends Record<string, CommandSpec>> {
  readonly type: string;
  readonly commands: Commands;
  /** `accounts.tell(id).debit(body, { answerTo: "debited" })`; without `answerTo` nobody hears the answer. */
  tell(id: string): TellsOf<Commands>;
  /** Read-only: its handler may only reply. */
  ask(id: string): AsksOf<Commands>;
}
export type TellsOf<Commands extends Record<string, CommandSpec>> = {
  readonly [Name in keyof Commands]: (body: Infer<Commands[Name]["body"]>, options?: { readonly answerTo: string }) => TellEffect;
};
export type AsksOf<Commands extends Record<string, CommandSpec>> = {
  readonly [Name in keyof Commands]: (body: Infer<Commands[Name]["body"]>, options: { readonly answerTo: string }) => AskEffect;
};
/** The answer to a command of a protocol, as a handler in `answers` gets it. */
export type AnswerOf<Protocol extends { readonly commands: Record<string, CommandSpec> }, Name extends keyof Protocol["commands"]> = Answer<
  Infer<Protocol["commands"][Name]["reply"]>
>;

/** @throws Error for a type that is none (a-z, 0-9 and `-`, at most 64 characters). */
export function entityProtocol<const Commands extends Record<string, CommandSpec>>(
  type: string,
  commands: Commands,
): EntityProtocol<Commands> {
  if (!isType(type)) throw new Error(`"${type}" is no type of an entity: it has a-z, 0-9 and -, at most 64 characters.`);
  const names = Object.keys(commands);
  // One class for each protocol: an effect is made for each message, and a table of functions for each would cost more than it.
  const Tells = effectsOf(names, "tell");
  const Asks = effectsOf(names, "ask");
  return {
    type,
    commands,
    tell: (id) => new Tells(addressOf(type, id)) as unknown as TellsOf<Commands>,
    ask: (id) => new Asks(addressOf(type, id)) as unknown as AsksOf<Commands>,
  };
}

/**
 * A handler in `answers` whose answer has the type of the command's reply: `answers: { debited: answered(accounts, "debit", debited) }`. The reply was
 * made by the other entity's own handler, so it is not checked again at run time.
 */
export function answered<
  Commands extends Record<string, CommandSpec>,
  Name extends keyof Commands & string,
  State,
  Event extends EventBase,
>(
  _protocol: EntityProtocol<Commands>,
  _command: Name,
  handler: (state: State, answer: Answer<Infer<Commands[Name]["reply"]>>, info: Info) => Decision<Event, never>,
): (state: State, answer: Answer<Json>, info: Info) => Decision<Event, never> {
  return handler as (state: State, answer: Answer<Json>, info: Info) => Decision<Event, never>;
}

/** A symbol, because every name may be a command's. */
const TO = Symbol("address");

function effectsOf(names: readonly string[], kind: "tell" | "ask"): new (to: string) => object {
  class Effects {
    readonly [TO]: string;
    constructor(to: string) {
      this[TO] = to;
    }
  }
  for (const command of names) {
    const make = function (this: Effects, body: Json, options?: { readonly answerTo: string }): object {
      const to = this[TO];
      return options === undefined ? { kind, to, command, body } : { kind, to, command, body, answerTo: options.answerTo };
    };
    Object.defineProperty(Effects.prototype, command, { value: make });
  }
  return Effects;
}
