/** Feeds of conversations in memory, for tests of those who follow them. It can refuse, be slow and be deleted from; what it says is never a proof of the system. */
import type { Answer, Code, Json } from "../../src/runtime/index.ts";
import type { ConversationReads, FeedEvent, FeedPage, FeedPlace } from "../../src/system/conversation-reads.ts";

export class FakeFeed implements Pick<ConversationReads, "feedAfter" | "feedEnd" | "watch"> {
  readonly events: FeedEvent[] = [];
  isDeleted = false;
  /** Pulls that were begun. */
  pulls = 0;
  readonly #listeners = new Set<() => void>();
  #refusals: Code[] = [];
  #seq = 0;

  get watcherCount(): number {
    return this.#listeners.size;
  }

  /** Adds one record's events and tells those who watch. */
  add(...events: ReadonlyArray<readonly [kind: string, data: Json]>): void {
    this.#seq++;
    for (const [idx, [kind, data]] of events.entries()) this.events.push({ seq: this.#seq, idx, kind, data, at: this.#seq });
    this.wake();
  }

  wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** The next pulls are refused with these. */
  refuseNext(...codes: readonly Code[]): void {
    this.#refusals.push(...codes);
  }

  async feedAfter(_id: string, { seq, idx }: FeedPlace, limit: number): Promise<Answer<FeedPage>> {
    this.pulls++;
    const seen = this.events.filter((event) => event.seq > seq || (event.seq === seq && event.idx > idx));
    const { isDeleted } = this;
    await Promise.resolve();
    const code = this.#refusals.shift();
    if (code !== undefined) return { ok: false, code, detail: "the fake was told to refuse" };
    if (isDeleted) return { ok: true, value: { events: [], hasMore: false, isDeleted } };
    return { ok: true, value: { events: seen.slice(0, limit), hasMore: seen.length > limit, isDeleted } };
  }

  feedEnd(): FeedPlace {
    return { seq: this.#seq, idx: 999_999_999 };
  }

  watch(_id: string, listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
