import type { EntityLook, HotLook, OutcomeCounts, TreeNode } from "../../runtime/index.ts";
import type { PeekQuery } from "../threads/entity-peek.ts";

/** What a person may look at while the system works. A look never wakes an entity, is bounded, and waits for no thread longer than a few seconds. */
export interface Inspected {
  /** Every part with its state, its restarts and what waits for it. */
  tree(): TreeNode;
  /** The first `limit` entities in memory by address, of all shard threads together. */
  peek(query: PeekQuery): Promise<EntityPage>;
  /** What each shard thread handled, and who was busy since the last call; `limit` entities of each thread. */
  top(limit: number): Promise<readonly ThreadTop[]>;
}

export interface EntityPage {
  readonly entities: ReadonlyArray<EntityLook & { readonly thread: string }>;
  /** There are more above the last one. */
  readonly hasMore: boolean;
  /** Threads that did not answer, or hold more than one look goes through: entities may be missing. */
  readonly partial: readonly string[];
}

/** `null`: the thread did not answer. Counts are since its start. */
export interface ThreadTop {
  readonly thread: string;
  readonly seen: {
    readonly life: number;
    readonly messages: ReadonlyArray<readonly [type: string, counts: Readonly<OutcomeCounts>]>;
    readonly hot: HotLook;
    readonly fullest: readonly EntityLook[];
  } | null;
}
