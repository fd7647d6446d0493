import { join } from "node:path";
import { tell } from "./check-run.ts";
import { freePort } from "./cli.ts";
import { JournalHolder } from "./journal-holder.ts";
import { doubledOf } from "./journal-reader.ts";
import { KeepAliveClient } from "./keep-alive-client.ts";
import { promisesSoFar } from "./kept-promises.ts";
import { KillableServer } from "./killable-server.ts";
import { httpDoor, idOfKey, type LedgerLoad, type Order, openAccounts } from "./ledger-load.ts";
import type { Door } from "./order-load.ts";
import { settle } from "./settle.ts";
import { StopProbe } from "./stop-probe.ts";

export interface StopRun {
  readonly rounds: number;
  readonly connections: number;
  readonly accounts: number;
  /** Acknowledgements before each end, at least. */
  readonly acks: number;
  readonly dataDir: string;
  readonly random: () => number;
  readonly load: LedgerLoad;
}

/**
 * How a round ends: `term` SIGTERM; `held` the same while another program keeps the journal from committing, so that the drain has to wait;
 * `duck` the same with a lame duck; `kill` kill -9; `supervised` kill -9 of a node that must come back by itself, then SIGTERM to its
 * supervisor; `orphan` kill -9 of a supervisor, whose node must stop in order.
 */
type Style = "term" | "held" | "duck" | "kill" | "supervised" | "orphan";
/** One half SIGTERM, one half kill -9; the first four show each of the two with and without a supervisor. */
const STYLES: readonly Style[] = ["held", "kill", "duck", "supervised", "term", "kill", "held", "orphan"];

export interface StopFigures {
  /** Rounds by how they ended. */
  readonly rounds: Readonly<Record<Style, number>>;
  readonly lost: number;
  readonly doubled: number;
  /** Commands answered and entries committed after SIGTERM, as the servers told. */
  readonly drained: { readonly answered: number; readonly entries: number };
  /** Deposits of strangers that came while a server stopped. */
  readonly strangers: { readonly refused: number; readonly done: number; readonly unanswered: number };
  readonly halfAnswers: number;
  /** From SIGTERM to the end of the process. */
  readonly stopMs: readonly number[];
  /** From the kill of a supervised node to the readiness of the next one. */
  readonly backMs: readonly number[];
  /** From the start of a process to its readiness. */
  readonly readyMs: readonly number[];
  readonly defects: readonly string[];
}

/** A life that takes no orders for so long is stuck. */
const LIFE_MS_MAX = 60_000;
const MORE_ACKS_MAX = 200;
const HELD_MS = 300;
/** On a busy machine a look at /readyz and the deposit after it took longer than 200 ms. */
const DUCK_MS = 1_000;
const COMPARED = { latest: 64, older: 36 };

/** Rounds on one data folder and one port. After each the journal is read; the next server, or in the end a last one, must replay it all. */
export async function stopRounds(run: StopRun): Promise<StopFigures> {
  const rounds = new Rounds(run, await freePort());
  for (let round = 0; round < run.rounds; round++) {
    await rounds.play(round);
    if ((round + 1) % 10 === 0) tell(`${round + 1} rounds, ${run.load.acknowledged.size} acknowledged`);
  }
  return await rounds.end();
}

class Rounds {
  readonly #run: StopRun;
  readonly #port: number;
  readonly #journal: string;
  readonly #counts: Record<Style, number> = { term: 0, held: 0, duck: 0, kill: 0, supervised: 0, orphan: 0 };
  readonly #defects: string[] = [];
  readonly #lost = new Set<string>();
  readonly #refused: string[] = [];
  readonly #stopMs: number[] = [];
  readonly #backMs: number[] = [];
  readonly #readyMs: number[] = [];
  #drained = { answered: 0, entries: 0 };
  #strangers = { done: 0, unanswered: 0 };
  #doubled = 0;
  #unknown = 0;
  #halfAnswers = 0;

  constructor(run: StopRun, port: number) {
    this.#run = run;
    this.#port = port;
    this.#journal = join(run.dataDir, "journal.db");
  }

  async play(round: number): Promise<void> {
    const { load, connections, accounts, random } = this.#run;
    const style = STYLES[round % STYLES.length] ?? "term";
    const server = await this.#start(round, style);
    this.#readyMs.push(server.readyMs);
    const client = new KeepAliveClient(server.url, connections);
    if (round === 0) await openAccounts(client, accounts);
    const before = this.#unknown;
    const running = load.run(this.#door(client));
    await this.#acknowledged();
    const isOrdered = await this.#finish(server, style, round);
    load.stop();
    await running;
    client.close();
    if (style !== "kill" && style !== "supervised") this.#halfAnswers += client.halfAnswers;
    this.#counts[style]++;
    // Nothing held this server up, so whatever it had accepted it had to answer.
    if ((style === "term" || style === "duck") && this.#unknown > before)
      this.#defects.push(`round ${round}, ${style}: ${this.#unknown - before} commands were answered 504 though nothing delayed them`);
    this.#look(round, style, isOrdered);
    load.compareLater(COMPARED.latest, COMPARED.older, random);
  }

  #door(client: KeepAliveClient): Door<Order> {
    const door = httpDoor(client);
    return async (order) => {
      const reply = await door(order);
      if (reply.kind === "unknown" && reply.why.includes('"status":504')) this.#unknown++;
      return reply;
    };
  }

  /** Ends the life of a server, under load. True when it stopped in order: then nothing may be left open in the journal. */
  async #finish(server: KillableServer, style: Style, round: number): Promise<boolean> {
    switch (style) {
      case "kill":
        server.kill();
        await server.gone();
        return false;
      case "supervised": {
        const startedAt = performance.now();
        await server.killNode();
        this.#backMs.push(performance.now() - startedAt);
        await this.#acknowledged();
        await this.#terminate(server, round, style);
        return true;
      }
      case "orphan":
        server.kill();
        await server.allGone();
        if (!server.said.includes("the supervisor is gone")) this.#defects.push(`round ${round}: the orphan did not stop in order`);
        return true;
      case "held": {
        const holder = new JournalHolder(this.#journal);
        await holder.hold();
        const release = (): Promise<void> => new Promise<void>((resolve) => setTimeout(resolve, HELD_MS)).then(() => holder.kill());
        await this.#terminate(server, round, style, release);
        return true;
      }
      case "duck":
      case "term":
        await this.#terminate(server, round, style);
        return true;
    }
  }

  /** SIGTERM, with strangers who come meanwhile. `whenRefused` is what lets the drain end. */
  async #terminate(server: KillableServer, round: number, style: Style, whenRefused?: () => Promise<void>): Promise<void> {
    const startedAt = performance.now();
    const stopping = server.stop();
    const probe = new StopProbe(server.url, `stranger-${round}`);
    if (whenRefused !== undefined) await probe.untilRefused().finally(whenRefused);
    const code = await stopping;
    this.#stopMs.push(performance.now() - startedAt);
    const { refused, done, doneWhileRed, unanswered, defects } = await probe.figures();
    const { acknowledged } = this.#run.load;
    for (const { order, status, body } of done) acknowledged.set(order.key, { order, status, body });
    this.#refused.push(...refused);
    this.#strangers = { done: this.#strangers.done + done.length, unanswered: this.#strangers.unanswered + unanswered };
    this.#defects.push(...defects.map((defect) => `round ${round}, ${style}: ${defect}`));
    if (code !== 0) this.#defects.push(`round ${round}, ${style}: exit code ${code} after SIGTERM: ${server.said.slice(-500)}`);
    if (style === "duck" && doneWhileRed === 0) this.#defects.push(`round ${round}: no deposit was taken while /readyz was red`);
    const { answered = 0, entriesCommitted = 0 } = server.figures;
    // A supervisor's figures are its own.
    if (style === "supervised") return;
    if (typeof answered !== "number" || typeof entriesCommitted !== "number")
      this.#defects.push(`round ${round}: the report of the stop lacks figures: ${JSON.stringify(server.figures)}`);
    else this.#drained = { answered: this.#drained.answered + answered, entries: this.#drained.entries + entriesCommitted };
  }

  /** Reads what a server left, before anybody opens it for writing. */
  #look(round: number, style: Style, isOrdered: boolean): void {
    const { lost, defects, books } = promisesSoFar(this.#journal, this.#run.load);
    for (const defect of defects) this.#lost.add(defect);
    if (lost > 0 || defects.length > 0) this.#defects.push(...defects.map((defect) => `round ${round}, ${style}: ${defect}`));
    this.#doubled = Math.max(this.#doubled, doubledOf(books));
    // What was accepted is finished: no transfer is under way and nothing in transit.
    if (isOrdered) this.#defects.push(...books.findings.map((finding) => `round ${round}, ${style}: ${finding}`));
    for (const key of this.#refused)
      if (books.transfers.has(idOfKey(key))) this.#defects.push(`round ${round}: ${key} was told SHUTTING_DOWN and was done`);
  }

  async end(): Promise<StopFigures> {
    const { rounds, load } = this.#run;
    const last = await this.#start(rounds, "term");
    this.#defects.push(...(await settle(last, this.#run)));
    this.#look(rounds, "term", true);
    if (load.unanswered > 0) this.#defects.push(`${load.unanswered} orders never got an answer`);
    return {
      rounds: this.#counts,
      lost: this.#lost.size,
      doubled: this.#doubled,
      drained: this.#drained,
      strangers: { ...this.#strangers, refused: this.#refused.length },
      halfAnswers: this.#halfAnswers,
      stopMs: this.#stopMs,
      backMs: this.#backMs,
      readyMs: this.#readyMs,
      defects: [...this.#defects, ...load.stuck],
    };
  }

  async #acknowledged(): Promise<void> {
    const { load, acks, random } = this.#run;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = setTimeout(() => reject(new Error(`a server took too few orders in ${LIFE_MS_MAX} ms`)), LIFE_MS_MAX);
    load.whenAcknowledged(acks + Math.floor(random() * MORE_ACKS_MAX), resolve);
    await promise.finally(() => clearTimeout(late));
  }

  #start(round: number, style: Style): Promise<KillableServer> {
    return KillableServer.start({
      dataDir: this.#run.dataDir,
      args: style === "supervised" || style === "orphan" ? ["--supervise"] : [],
      env: {
        TROUPE_HTTP_PORT: String(this.#port),
        TROUPE_SHARD_THREADS: String(1 + (Math.floor(round / 2) % 2)),
        TROUPE_CHECKPOINT_EVERY_ENTITIES: "200",
        TROUPE_CHECKPOINT_EVERY_MS: "100",
        TROUPE_SHUTDOWN_LAME_DUCK_MS: style === "duck" ? String(DUCK_MS) : "0",
        // A journal that is held makes some transfers wait for their second half longer than this: they are answered 202.
        ...(style === "held" ? { TROUPE_HTTP_ANSWER_MS_MAX: "100" } : {}),
      },
    });
  }
}
