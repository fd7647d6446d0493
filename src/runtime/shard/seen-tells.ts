import type { HandledTell } from "../journal/snapshots.ts";
import type { Answer } from "../kernel/decision.ts";
import type { Json } from "../kernel/json.ts";
import type { TellMessage } from "./message.ts";

/** A tell of another domain that arrived here and whose sender has not closed it. */
export interface SeenTell {
  /** Of the receiver. */
  readonly shard: number;
  /** Shard of the sender. */
  readonly from: number;
  /** The message that waits; null once it was handled. */
  waiting: TellMessage | null;
  answer: Answer<Json> | null;
  /** The group that made the answer; it may be repeated when that is committed. */
  group: number;
}

/** The tells of other domains by their ids, from arrival until the sender closed them (S4). As many as the senders' credits allow. */
export class SeenTells {
  readonly #seen = new Map<string, SeenTell>();

  /** `handled`: by the incarnations before this one. */
  constructor(handled: Iterable<HandledTell>) {
    for (const { id, shard, answer } of handled) {
      this.#seen.set(id, { shard, from: Number(id.slice(0, id.indexOf("."))), waiting: null, answer, group: 0 });
    }
  }

  get count(): number {
    return this.#seen.size;
  }

  find(id: string): SeenTell | undefined {
    return this.#seen.get(id);
  }

  /** It waits for its entity, in this shard. */
  arrived(message: TellMessage, shard: number): void {
    const { id, shard: from } = message.effect;
    this.#seen.set(id, { shard, from, waiting: message, answer: null, group: 0 });
  }

  /** Its sender closed it. */
  forget(id: string): void {
    this.#seen.delete(id);
  }

  /** Of what the shards told shard `to`, all but these ids was closed: what of it was handled is forgotten. */
  forgetAllBut({ to, shards, ids }: { readonly to: number; readonly shards: readonly number[]; readonly ids: readonly string[] }): void {
    const open = new Set(ids);
    for (const [id, seen] of this.#seen) {
      const isMeant = seen.shard === to && shards.includes(seen.from);
      if (isMeant && seen.answer !== null && !open.has(id)) this.#seen.delete(id);
    }
  }

  /** What was sent from these shards and not handled is sent again by the successor of its sender. */
  forgetWaiting(isPeerShard: (shard: number) => boolean): void {
    for (const [id, seen] of this.#seen) if (isPeerShard(seen.from) && seen.waiting !== null) this.#seen.delete(id);
  }

  /** What a checkpoint keeps. */
  *handled(): Generator<HandledTell, void> {
    for (const [id, { shard, answer }] of this.#seen) if (answer !== null) yield { id, shard, answer };
  }
}
