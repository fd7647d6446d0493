import type { Decision, EventBase } from "../kernel/decision.ts";
import type { Info } from "../kernel/definition.ts";
import type { Json } from "../kernel/json.ts";
import { OUTCOME } from "./domain-meter.ts";
import type { DomainPorts } from "./domain-options.ts";
import type { Slot } from "./slot.ts";
import type { Turn } from "./turn.ts";

const OUTCOME_OF = { accept: OUTCOME.accepted, reject: OUTCOME.rejected, reply: OUTCOME.replied, ignore: OUTCOME.ignored } as const;

/** Calls the handlers of entities. One that throws is logged, and nothing comes of its message: the state is as it was (L5). */
export class Handlers {
  readonly #turn: Turn;
  readonly #ports: DomainPorts;
  readonly #shardCount: number;

  constructor(options: { readonly turn: Turn; readonly ports: DomainPorts; readonly shardCount: number }) {
    this.#turn = options.turn;
    this.#ports = options.ports;
    this.#shardCount = options.shardCount;
  }

  /** The decision about a command; null when the handler threw. */
  decide(slot: Slot, command: string, body: Json, id: string): Decision<EventBase, Json> | null {
    const turn = this.#turn;
    const handler = slot.definition.decide[command];
    if (handler === undefined)
      return { kind: "reject", code: "validation_failed", detail: `${slot.definition.type} has no command "${command}".` };
    try {
      const info = { id, key: slot.key, shard: slot.shard, shardCount: this.#shardCount, at: turn.at };
      const decision = handler(slot.state as never, body as never, info);
      turn.outcome = OUTCOME_OF[decision.kind];
      return decision;
    } catch (cause) {
      turn.outcome = OUTCOME.crashed;
      this.#ports.crashed(slot.address, command, cause);
      return null;
    }
  }

  /** What a handler makes of news of an effect; null when it threw, or is not there. */
  react<News>(
    slot: Slot,
    doing: string,
    handler: ((state: never, news: News, info: Info) => Decision<EventBase, never>) | undefined,
    news: News,
    info: Info,
  ): Decision<EventBase, never> | null {
    try {
      if (handler === undefined) throw new Error(`${slot.definition.type} has no handler ${doing}`);
      const decision = handler(slot.state as never, news, info);
      this.#turn.outcome = OUTCOME_OF[decision.kind];
      return decision;
    } catch (cause) {
      this.#turn.outcome = OUTCOME.crashed;
      this.#ports.crashed(slot.address, doing, cause);
      return null;
    }
  }

  /** What a handler is told besides state and message (L4). `attempt`: of an outside effect. */
  info(slot: Slot, id: string, attempt?: number): Info {
    const info = { id, key: slot.key, shard: slot.shard, shardCount: this.#shardCount, at: this.#turn.at };
    return attempt === undefined ? info : { ...info, attempt };
  }
}
