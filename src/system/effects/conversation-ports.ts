import type { PortDefinition, PortPolicy } from "../../runtime/index.ts";
import { localSummaryPolicy, replyPolicy, summaryPolicy } from "../ai/ai-policy.ts";
import type { Model } from "../ai/model.ts";
import type { BeginReading } from "../ai/turn-texts.ts";
import type { Config } from "../config/config.ts";
import { KeyRing } from "../keys/key-ring.ts";
import type { Measure } from "../observe/measure.ts";
import type { SummaryPool } from "../pools/summary-pool.ts";
import { ConversationReader } from "../sqlite/conversation-reader.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import type { StoreMeta } from "../sqlite/store-meta.ts";

export interface ConversationPortsOptions {
  readonly dir: string;
  readonly meta: StoreMeta;
  readonly busyTimeoutMs: number;
  /** Page cache of the connection to the read model. */
  readonly cacheKiB: number;
  /** Heap of a thread of the summarizer. */
  readonly heapMiBMax: number;
  /** Shared: the sequence of the last committed record. */
  readonly committed: SharedArrayBuffer;
  /** Shared: the sequence up to which the read model is wanted; under load it follows late when nobody says so. */
  readonly wantedOfViews: SharedArrayBuffer;
  readonly ai: Config["ai"];
  readonly conversation: Config["conversation"];
}

/** Longest wait of a summary for the read model; then its attempt has failed. Nobody waits for it, and a read model that is behind is no reason for a dead letter. */
const VIEW_WAIT_MS_MAX = 30_000;

/**
 * The ports that conversations need, in the effects thread: `reply`, `summary` and `conversation-keys`. What they are made of is loaded and opened by the
 * first effect, so that a program without conversations pays for none of it.
 */
export class ConversationPorts {
  readonly #options: ConversationPortsOptions;
  #ring: KeyRing | null = null;
  #reader: ConversationReader | null = null;
  #opening: Promise<Model> | null = null;
  #pool: SummaryPool | null = null;
  #keysAsked: string[] = [];
  #making: Promise<void> | null = null;

  constructor(options: ConversationPortsOptions) {
    this.#options = options;
  }

  /** Of names that no module may take. */
  definitions(): readonly PortDefinition[] {
    const { ai, conversation } = this.#options;
    const { repliesMax } = conversation;
    return [
      loadedLater({ name: "reply", kind: "call", policy: replyPolicy(ai, repliesMax) }, () => this.#replyPort()),
      loadedLater({ name: "summary", kind: "call", policy: this.#summaryPolicy() }, () => this.#summaryPort()),
      this.#keysPort(),
    ];
  }

  /** Of the summarizer's threads, once there are any. */
  measures(): readonly Measure[] {
    return this.#pool?.measures() ?? [];
  }

  async close(): Promise<void> {
    const model = await this.#opening?.catch(() => null);
    await model?.[Symbol.asyncDispose]();
    await this.#pool?.[Symbol.asyncDispose]();
    this.#reader?.close();
    this.#ring?.close();
  }

  async #replyPort(): Promise<PortDefinition> {
    const { ai, conversation } = this.#options;
    const { replyPort } = await import("../ai/reply-port.ts");
    const { replier } = await this.#model();
    return replyPort({ ai, concurrencyMax: conversation.repliesMax, keyRing: this.#keyRing(), replier });
  }

  async #summaryPort(): Promise<PortDefinition> {
    const { ai } = this.#options;
    const common = {
      ai,
      concurrencyMax: this.#summariesMax,
      keyRing: this.#keyRing(),
      beginReading: this.#beginReading,
      viewWaitMsMax: VIEW_WAIT_MS_MAX,
    };
    const { client } = await this.#model();
    if (client !== null) return (await import("../ai/remote-summary-port.ts")).remoteSummaryPort({ ...common, client });
    const { localSummaryPort } = await import("../ai/local-summary-port.ts");
    return localSummaryPort({ ...common, pool: await this.#summaryPool(), poolMsMax: this.#poolMsMax });
  }

  /** Of the built-in summarizer no more are begun than its threads and their queue take. */
  get #summariesMax(): number {
    const { ai, conversation } = this.#options;
    const { summariesMax, summaryThreads, summaryQueueMax } = conversation;
    return ai.url === null ? Math.min(summariesMax, summaryThreads + summaryQueueMax) : summariesMax;
  }

  #summaryPolicy(): Partial<PortPolicy> {
    const { ai } = this.#options;
    if (ai.url !== null) return summaryPolicy(ai, this.#summariesMax);
    return localSummaryPolicy(ai, this.#summariesMax, VIEW_WAIT_MS_MAX + this.#poolMsMax);
  }

  /** The time of the summaries that go before, and its own. */
  get #poolMsMax(): number {
    const { summaryThreads, summaryMsMax } = this.#options.conversation;
    return summaryMsMax * Math.ceil(this.#summariesMax / summaryThreads);
  }

  /** An attempt costs a sync of the disk and nothing else: there is no upstream that a breaker would spare, and no time after which a key may stay. */
  #keysPort(): PortDefinition {
    return {
      name: "conversation-keys",
      kind: "call",
      policy: { breaker: null, deadlineMs: null },
      perform: ({ body }) => {
        this.destroyKey((body as { readonly conversation: string }).conversation);
        return null;
      },
    };
  }

  /** As `KeyRing.make`, for all that are asked for in one turn together. */
  makeKey(conversation: string): Promise<void> {
    this.#keysAsked.push(conversation);
    this.#making ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#making = null;
        try {
          resolve(this.#keyRing().make(this.#keysAsked.splice(0)));
        } catch (cause) {
          reject(cause);
        }
      });
    });
    return this.#making;
  }

  /** As `KeyRing.destroy`. */
  destroyKey(conversation: string): void {
    this.#keyRing().destroy(conversation);
  }

  /** One for replies and summaries. What could not be opened, for a key's file that was away, is opened by the next who asks. */
  #model(): Promise<Model> {
    this.#opening ??= import("../ai/model.ts")
      .then(({ openModel }) => openModel(this.#options.ai, process.env))
      .catch((cause: unknown) => {
        this.#opening = null;
        throw cause;
      });
    return this.#opening;
  }

  async #summaryPool(): Promise<SummaryPool> {
    const { conversation, heapMiBMax } = this.#options;
    const { summaryThreads: threads, summaryQueueMax: queueMax, summaryMsMax: taskMsMax } = conversation;
    const { SummaryPool } = await import("../pools/summary-pool.ts");
    this.#pool ??= new SummaryPool({ threads, queueMax, taskMsMax, heapMiBMax });
    return this.#pool;
  }

  #keyRing(): KeyRing {
    const { dir, meta, busyTimeoutMs } = this.#options;
    this.#ring ??= new KeyRing({ path: storePaths(dir).keys, meta, busyTimeoutMs });
    return this.#ring;
  }

  /** What the effect's entry says is committed before the effect is handed out, so the sequence of now covers it. */
  readonly #beginReading: BeginReading = () => {
    const { dir, meta, busyTimeoutMs, cacheKiB, committed } = this.#options;
    const last = Atomics.load(new BigInt64Array(committed), 0);
    const wanted = new BigInt64Array(this.#options.wantedOfViews);
    Atomics.store(wanted, 0, last);
    Atomics.notify(wanted, 0);
    const seq = Number(last);
    return async (conversation, turns) => {
      this.#reader ??= new ConversationReader({ path: storePaths(dir).views, meta, busyTimeoutMs, cacheKiB });
      return this.#reader.turnTexts(seq, conversation, turns);
    };
  };
}

/** The port as it is treated, whose work is loaded by the first attempt; when that fails the attempt has failed, and the next one loads again. */
function loadedLater(head: Pick<PortDefinition, "name" | "kind" | "policy">, load: () => Promise<PortDefinition>): PortDefinition {
  let loading: Promise<PortDefinition> | null = null;
  const loaded = (): Promise<PortDefinition> => {
    loading ??= load().catch((cause: unknown) => {
      loading = null;
      throw cause;
    });
    return loading;
  };
  return { ...head, perform: async (request, context) => await (await loaded()).perform(request, context) };
}
