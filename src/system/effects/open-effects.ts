import { type Answer, type EffectAction, type EffectLook, type EffectPage, Fault, type Json } from "../../runtime/index.ts";
import type { ShardThreads } from "../threads/shard-threads.ts";

export interface EffectsAsked {
  /** Continue after this effect: the last one of the page before. */
  readonly after: string | null;
  readonly limit: number;
  readonly state: EffectPage["state"];
}
/** Effects by shard thread, and in a thread by id. `partial` names the shard threads that were being recovered and are missing. */
export interface EffectsPage {
  readonly items: readonly EffectLook[];
  /** What the next page continues after; null when this is the last. */
  readonly next: string | null;
  readonly partial: readonly string[];
}

/** The effects of a node that are not over, dead letters among them. A look wakes no entity. */
export class OpenEffects {
  readonly #shards: ShardThreads;
  readonly #threadCount: number;
  readonly #shardCount: number;

  constructor(options: { readonly shards: ShardThreads; readonly threadCount: number; readonly shardCount: number }) {
    this.#shards = options.shards;
    this.#threadCount = options.threadCount;
    this.#shardCount = options.shardCount;
  }

  /** @throws Fault `validation_failed` when `after` is no id. */
  async page({ after, limit, state }: EffectsAsked): Promise<EffectsPage> {
    const items: EffectLook[] = [];
    const partial: string[] = [];
    const first = after === null ? 0 : this.#threadOf(after);
    // One more than wanted tells whether there is a next page.
    for (let thread = first; thread < this.#threadCount && items.length <= limit; thread++) {
      const from = thread === first ? after : null;
      const worker = this.#shards.running(thread);
      const found = await worker?.call.effectLooks({ after: from, limit: limit + 1 - items.length, state }).catch(() => null);
      if (found === undefined || found === null) partial.push(`shard-${thread}`);
      else items.push(...found);
    }
    const shown = items.slice(0, limit);
    return { items: shown, next: items.length > limit ? (shown.at(-1)?.id ?? null) : null, partial };
  }

  /** @throws Fault `not_found` when it is over, or never was; `NOT_OWNER` while its shard is being recovered. */
  async look(id: string): Promise<EffectLook> {
    const found = await this.#worker(id).call.effectLook(id);
    if (found === null) throw new Fault("not_found", `there is no open effect ${id}: it is done, was dropped or cancelled, or never was`);
    return found;
  }

  /** Answers when the decision is in the journal, or why it was not taken: `EFFECT_CLOSED`, `illegal_transition` ... @throws Fault as `look`. */
  async resolve(id: string, action: EffectAction): Promise<Answer<Json>> {
    return await this.#worker(id).call.resolveEffect(id, action);
  }

  #worker(id: string) {
    const thread = this.#threadOf(id);
    const worker = this.#shards.running(thread);
    if (worker !== null) return worker;
    throw new Fault("NOT_OWNER", `shard thread ${thread}, which has effect ${id}, is being recovered; try again`, { isRetryable: true });
  }

  #threadOf(id: string): number {
    const shard = /^\d+\.\d+\.\d+\.\d+$/.test(id) ? Number(id.slice(0, id.indexOf("."))) : Number.NaN;
    if (shard < this.#shardCount) return shard % this.#threadCount;
    throw new Fault("validation_failed", `${JSON.stringify(id)} is no id of an effect of this store; \`troupe effects list\` shows them`);
  }
}
