import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { tell } from "./check-run.ts";
import { FakeAi } from "./fake-ai.ts";
import { JournalHolder } from "./journal-holder.ts";
import { KeepAliveClient } from "./keep-alive-client.ts";
import { KillableServer } from "./killable-server.ts";
import type { OpenedConversations, TurnLoad, TurnOrders } from "./turn-orders.ts";
import { pathOf, turnAnswerOf, turnDoor } from "./turn-orders.ts";
import type { AgainReply } from "./turn-promises.ts";

export interface TurnKillRun {
  readonly turns: number;
  /** Ends of the server, half of them SIGTERM and half kill -9. */
  readonly kills: number;
  readonly weaken: string;
  readonly connections: number;
  readonly dataDir: string;
  readonly random: () => number;
  readonly load: TurnLoad;
  readonly orders: TurnOrders;
}

/** How a life ends: in order, in the very turn in which an answer came, some time after one, or while the journal cannot commit. */
type End = "term" | "answered" | "any" | "held";
const KILLS: readonly End[] = ["held", "answered", "any"];

export interface TurnKillFigures {
  readonly ends: Readonly<Record<End, number>>;
  /** Ends that met messages without an answer. */
  readonly inFlight: number;
  /** Conversations that were not summarized up to their last turn when a server ended. */
  readonly behind: number;
  readonly again: readonly AgainReply[];
  readonly stops: number;
  readonly readyMs: readonly number[];
  readonly stopMs: readonly number[];
  /** Longest wait for one conversation's last summary, after all had been said. */
  readonly summaryWaitMsMax: number;
  readonly aiCalls: number;
  readonly aiFaults: number;
  readonly defects: readonly string[];
}

const LIFE_MS_MAX = 120_000;
const MORE_MS_MAX = 40;
/** Long enough that every client has sent what the journal cannot take. */
const HELD_MS = 1_000;
const COMPARED = { latest: 32, older: 32 };
/** Of the answers, how many are followed by a regenerate or a stop. */
const AGAIN_RATIO = 0.05;
const STOP_RATIO = 0.02;
/** When a summary got no further for so long, what is missing is missing: longer than any rest of an attempt; with a planted bug it does not come. */
const IDLE_MS_MAX = 60_000;
const IDLE_MS_MAX_WEAKENED = 10_000;
const POLL_MS = 20;

/**
 * Lives of a server on one data folder under load, each ended by a signal; a last one says everything that is left to be said and waits for every
 * summary. In turns of two lives the model is built in or an endpoint with a fault in ten calls: what one life begins another finishes with the other one.
 */
export async function killBetweenTurns(run: TurnKillRun): Promise<TurnKillFigures> {
  await using ai = await FakeAi.start({ replyMs: 4, summaryMs: 20, faultRatio: 0.1, provesSummaries: true });
  const lives = new Lives(run, ai);
  for (const [life, end] of endsOf(run).entries()) {
    await lives.play(life, end);
    if ((life + 1) % 10 === 0) tell(`${life + 1} ends, ${run.load.acknowledged.size} acknowledged, ${run.load.changed.size} changed`);
  }
  return await lives.settle();
}

/** Half of them in order, in an order by chance. */
function endsOf({ kills, random }: TurnKillRun): readonly End[] {
  const ends = Array.from({ length: kills }, (_, i): End => (i % 2 === 1 ? "term" : (KILLS[(i >> 1) % KILLS.length] ?? "any")));
  return ends
    .map((end) => ({ end, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ end }) => end);
}

class Deadline {
  readonly #ms: number;
  #atMs = 0;

  constructor(ms: number) {
    this.#ms = ms;
    this.begin();
  }
  begin(): void {
    this.#atMs = performance.now() + this.#ms;
  }
  get isOver(): boolean {
    return performance.now() > this.#atMs;
  }
}

class Lives {
  readonly #run: TurnKillRun;
  readonly #ai: FakeAi;
  readonly #ends: Record<End, number> = { term: 0, answered: 0, any: 0, held: 0 };
  readonly #again: AgainReply[] = [];
  readonly #readyMs: number[] = [];
  readonly #stopMs: number[] = [];
  #summaryWaitMsMax = 0;
  readonly #defects: string[] = [];
  #inFlight = 0;
  #behind = 0;
  #stops = 0;

  constructor(run: TurnKillRun, ai: FakeAi) {
    this.#run = run;
    this.#ai = ai;
  }

  async play(life: number, end: End): Promise<void> {
    const { load, connections, random, dataDir, orders } = this.#run;
    const server = await this.#start(life);
    const client = new KeepAliveClient(server.url, connections);
    const opened: OpenedConversations = new Map();
    const holder = end === "held" ? new JournalHolder(join(dataDir, "journal.db")) : null;
    const isOver = { now: false };
    const running = load.run(turnDoor(client, orders, opened));
    const answered = this.#answered(server, life, running);
    const stranger = this.#strange(client, isOver);
    let pressing: Promise<void> | null = null;
    // In the very turn of the answer: nothing that the server did after it may be needed.
    if (end === "answered") await answered.then(() => server.kill());
    else {
      await answered;
      if (end === "held") load.stop(); // What is left to be said is for those who come when the lock is taken.
      await holder?.hold();
      if (end === "held") pressing = this.#press(server, opened);
      await delay(end === "held" ? HELD_MS : random() * MORE_MS_MAX);
      if (end !== "term") server.kill();
    }
    if (end === "term") await this.#terminate(server, life);
    load.stop();
    isOver.now = true;
    await server.gone();
    await running;
    await stranger;
    await pressing;
    await holder?.kill();
    client.close();
    this.#ends[end]++;
    if (load.unanswered > 0) this.#inFlight++;
    load.compareLater(COMPARED.latest, COMPARED.older, random);
  }

  /**
   * Clients who want no reply: those under way may all wait for one, which a server that acknowledges too early does not give before the commit either. Then
   * nothing that can be lost would be acknowledged.
   */
  async #press(server: KillableServer, opened: OpenedConversations): Promise<void> {
    const { load, connections, orders } = this.#run;
    const client = new KeepAliveClient(server.url, connections);
    orders.wantsReplies = false;
    try {
      await load.run(turnDoor(client, orders, opened));
    } finally {
      orders.wantsReplies = true;
      client.close();
    }
  }

  /** So many messages were answered in this life that the others are left for those to come; or all were said. */
  #answered(server: KillableServer, life: number, running: Promise<void>): Promise<void> {
    const { load, turns, kills, random } = this.#run;
    const left = turns - load.acknowledged.size;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    load.whenAcknowledged(Math.ceil((left / (kills + 1 - life)) * (0.4 + random() * 0.4)), resolve);
    running.then(resolve, reject);
    setTimeout(() => {
      const met = JSON.stringify({ inFlight: load.inFlight, unanswered: load.unanswered, ...Object.fromEntries(load.refusals) });
      reject(new Error(`a server took too few messages in ${LIFE_MS_MAX} ms: ${met}\n${server.said}`));
    }, LIFE_MS_MAX).unref();
    return promise;
  }

  async #terminate(server: KillableServer, life: number): Promise<void> {
    const startedAt = performance.now();
    const code = await server.stop();
    this.#stopMs.push(performance.now() - startedAt);
    if (code !== 0) this.#defects.push(`life ${life}: exit code ${code} after SIGTERM: ${server.said.slice(-500)}`);
    const { effectsOpen } = server.figures;
    if (typeof effectsOpen === "number" && effectsOpen > 0) this.#behind++;
  }

  /** Somebody who asks for other replies and stops some, beside those who post. Whatever is refused or lost is not held against the server. */
  async #strange(client: KeepAliveClient, isOver: { readonly now: boolean }): Promise<void> {
    const { load, random } = this.#run;
    let seen = load.acknowledged.size;
    while (!isOver.now) {
      await delay(POLL_MS);
      const latest = [...load.acknowledged.values()].slice(seen);
      seen += latest.length;
      for (const { order, status, body } of latest) {
        if (status >= 300 || !order.wantsReply || isOver.now) continue;
        if (random() < AGAIN_RATIO) await this.#regenerate(client, order.conversation, turnAnswerOf(body).replyId ?? "");
        if (random() < STOP_RATIO) await this.#stop(client, order.conversation);
      }
    }
  }

  async #regenerate(client: KeepAliveClient, conversation: string, replyId: string): Promise<void> {
    const path = `${pathOf(conversation)}/replies/${encodeURIComponent(replyId)}/regenerate`;
    const key = `again-${conversation}-${replyId}`;
    const answer = await client.send({ method: "POST", path, key, body: "{}" }).catch(() => null);
    if (answer !== null && answer.status < 300) this.#again.push({ conversation, body: answer.body });
    else if (answer !== null && ![409, 429, 503, 504].includes(answer.status))
      this.#defects.push(`regenerate was answered ${answer.status} ${answer.body}`);
  }

  async #stop(client: KeepAliveClient, conversation: string): Promise<void> {
    const answer = await client.send({ method: "POST", path: `${pathOf(conversation)}/stop`, body: "{}" }).catch(() => null);
    if (answer !== null && answer.status < 300) this.#stops++;
    else if (answer !== null && ![429, 503, 504].includes(answer.status))
      this.#defects.push(`stop was answered ${answer.status} ${answer.body}`);
  }

  /** The last life: what was not said yet is said, every summary is waited for, and the server is stopped in order. */
  async settle(): Promise<TurnKillFigures> {
    const { load, connections, kills, orders } = this.#run;
    const server = await this.#start(kills);
    const client = new KeepAliveClient(server.url, connections);
    const door = turnDoor(client, orders);
    await load.run(door);
    await load.settle(door);
    await this.#summarized(client);
    client.close();
    await this.#terminate(server, kills);
    return {
      ends: this.#ends,
      inFlight: this.#inFlight,
      behind: this.#behind,
      again: this.#again,
      stops: this.#stops,
      readyMs: this.#readyMs,
      stopMs: this.#stopMs,
      summaryWaitMsMax: Math.round(this.#summaryWaitMsMax),
      aiCalls: this.#ai.calls.length,
      aiFaults: this.#ai.calls.filter(({ fault }) => fault !== null).length,
      defects: this.#defects,
    };
  }

  async #summarized(client: KeepAliveClient): Promise<void> {
    const until = new Deadline(this.#run.weaken === "" ? IDLE_MS_MAX : IDLE_MS_MAX_WEAKENED);
    for (const [conversation, turn] of this.#run.orders.known) {
      let upTo: number | null = null;
      const fromMs = performance.now();
      for (;;) {
        const { status, body } = await client.send({ method: "GET", path: `${pathOf(conversation)}/summary` });
        const now = status === 200 ? (JSON.parse(body) as { readonly upToTurn: number }).upToTurn : -1;
        if (upTo !== null && now > upTo) until.begin(); // What was there at the first look is no progress.
        upTo = now;
        if (upTo >= turn || until.isOver) break;
        await delay(POLL_MS);
      }
      this.#summaryWaitMsMax = Math.max(this.#summaryWaitMsMax, performance.now() - fromMs);
      if (upTo < turn) this.#defects.push(`${conversation}: has a summary up to turn ${upTo} of ${turn}`);
    }
  }

  async #start(life: number): Promise<KillableServer> {
    const { dataDir, weaken, random } = this.#run;
    const server = await KillableServer.start({
      dataDir,
      args: weaken === "" ? [] : ["--planted-bug", weaken],
      // With so many attempts no call fails for good, and none waits long for its next one.
      env: {
        TROUPE_SHARD_THREADS: String(1 + (life % 2)),
        TROUPE_CHECKPOINT_EVERY_ENTITIES: String([50, 200, 2_000][Math.floor(random() * 3)] ?? 50),
        TROUPE_CHECKPOINT_EVERY_MS: "50",
        // Deaths of threads are not what this is about: on a machine that does other things a thread that got no core must not look like a dead one.
        TROUPE_THREADS_HEARTBEAT_MS: "10000",
        TROUPE_AI_ATTEMPTS_MAX: "10",
        TROUPE_AI_BACKOFF_MS_MIN: "5",
        TROUPE_AI_BACKOFF_MS_MAX: "50",
        // What is cut in a prompt nobody can compare.
        TROUPE_AI_PROMPT_CHARS_MAX: "4000000",
        ...(Math.floor(life / 2) % 2 === 0 ? {} : { TROUPE_AI_URL: this.#ai.url }),
      },
    });
    if (life > 0) this.#readyMs.push(server.readyMs);
    return server;
  }
}
