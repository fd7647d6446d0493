import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Json } from "../../src/runtime/index.ts";
import { tell } from "./check-run.ts";
import { figuresOf, runCli } from "./cli.ts";
import { readEffects } from "./effects-journal.ts";
import type { CourierState } from "./effects-module.ts";
import { type EffectsServer, startEffectsServer } from "./effects-server-process.ts";
import type { UpstreamCall } from "./fake-upstream.ts";
import { JournalHolder } from "./journal-holder.ts";
import { until } from "./test-node.ts";
import { startUpstream, type Upstream } from "./upstream-process.ts";

export interface EffectsRounds {
  /** Lives of the server that end by kill -9. */
  readonly rounds: number;
  readonly dataDir: string;
  readonly random: () => number;
  /** A bug of the server, planted on purpose; empty = none. */
  readonly weaken: string;
}

/**
 * When a life ends: as the upstream gets a call, as a client gets its answer (the effect has just been committed), some time after, or while another
 * program keeps the journal from committing.
 */
const STYLES = ["called", "answered", "any", "held"] as const;
type Style = (typeof STYLES)[number];

export interface RoundsFigures {
  readonly rounds: Readonly<Record<Style, number>>;
  readonly commands: number;
  /** Commands that the server said yes to. */
  readonly acknowledged: number;
  readonly effects: number;
  readonly attemptsFailed: number;
  readonly calls: number;
  /** Calls of a key beyond its first. */
  readonly repeats: number;
  readonly deadLetters: number;
  readonly replayed: number;
  /** Acknowledged commands whose effect is not in the journal, and effects that were never carried out or never heard of. */
  readonly lost: number;
  /** Effects that were heard of more than once, or carried out under two keys. */
  readonly doubled: number;
  /** Calls with a key that the journal does not know, or did not know when it was called. */
  readonly keysUnknown: number;
  readonly defects: readonly string[];
}

interface Command {
  readonly id: string;
  readonly to: string;
  readonly command: string;
  readonly name: string;
  readonly mode: string;
  isAcknowledged: boolean;
}

const COMMANDS_A_ROUND = 12;
const ANY_MS_MAX = 600;
/** A server that performs too early has called by then, on a busy machine too. */
const HELD_MS = 2_000;
const LIFE_MS_MAX = 20_000;
const END_MS_MAX = 120_000;
const LETTERS_A_COMMAND = 100;
const MODES = ["ok", "ok", "ok", "500", "429", "reset", "slow"] as const;

/** Lives on one data folder and with one upstream; the last one ends everything, by way of the command line where a person would. */
export async function effectsRounds(run: EffectsRounds): Promise<RoundsFigures> {
  await using upstream = await startUpstream();
  const rounds = new Rounds(run, upstream);
  for (let round = 0; round < run.rounds; round++) {
    await rounds.play(round);
    if ((round + 1) % 10 === 0) tell(`${round + 1} rounds`);
  }
  return await rounds.end();
}

class Rounds {
  readonly #run: EffectsRounds;
  readonly #upstream: Upstream;
  readonly #commands: Command[] = [];
  readonly #counts: Record<Style, number> = { called: 0, answered: 0, any: 0, held: 0 };
  readonly #defects: string[] = [];
  /** Keys of calls for what cannot have been committed. */
  readonly #early = new Set<string>();

  constructor(run: EffectsRounds, upstream: Upstream) {
    this.#run = run;
    this.#upstream = upstream;
  }

  async play(round: number): Promise<void> {
    const style = STYLES[round % STYLES.length] ?? "any";
    const server = await this.#start();
    const holder = style === "held" ? new JournalHolder(join(this.#run.dataDir, "journal.db")) : null;
    await holder?.hold();
    const first = this.#commands.length;
    for (let i = 0; i < COMMANDS_A_ROUND; i++) this.#commands.push(this.#newCommand());
    const asked = this.#commands.filter(({ isAcknowledged }) => !isAcknowledged).map((command) => this.#ask(server, command));
    await Promise.race([this.#moment(style, asked), delay(LIFE_MS_MAX, null, { ref: false })]);
    await server.kill();
    if (style === "held") await this.#noteEarly(this.#commands.slice(first));
    await holder?.kill();
    await Promise.all(asked);
    this.#counts[style]++;
  }

  /** The journal was held before they were sent. Looked for now: a later life may give the same key to the same command, and then the journal knows it. */
  async #noteEarly(commands: readonly Command[]): Promise<void> {
    const names = new Set(commands.map(({ name }) => name));
    for (const { key, name } of await this.#upstream.calls()) if (names.has(name)) this.#early.add(key);
  }

  async end(): Promise<RoundsFigures> {
    const server = await this.#start();
    for (const command of this.#commands) await this.#askUntilAcknowledged(server, command);
    await this.#until("only dead letters are open", server, (states) => states.every((state) => state === "dead"));
    await this.#upstream.heal();
    const letters = await this.#replayAll();
    await this.#until("nothing is open", server, (states) => states.length === 0);
    const again = await until("the list of dead letters is whole", async () => {
      const page = await this.#deadLetters();
      return page.isWhole && page;
    });
    if (again.ids.length > 0) this.#defects.push("dead letters are left after all were replayed");
    const states = await this.#states(server);
    const calls = await this.#upstream.calls();
    await server.stop();
    return this.#judged({ letters, states, calls });
  }

  #start(): Promise<EffectsServer> {
    return startEffectsServer(this.#run.dataDir, this.#upstream.url, this.#run.weaken);
  }

  #newCommand(): Command {
    const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(this.#run.random() * items.length)] as Item;
    const id = `command-${this.#commands.length + 1}`;
    const to = `courier/${Math.floor(this.#run.random() * 10)}`;
    const command = pick(["send", "send", "send", "notice", "compute"]);
    const mode = command === "compute" ? pick(["ok", "throw", "exit"]) : command === "notice" ? pick([...MODES, "poison"]) : pick(MODES);
    return { id, to, command, name: `parcel-${this.#commands.length + 1}`, mode, isAcknowledged: false };
  }

  async #ask(server: EffectsServer, command: Command): Promise<void> {
    const { id, to, name, mode } = command;
    const answer = await server.ask(to, command.command, { name, mode } satisfies Json, id);
    if (answer?.ok === true) command.isAcknowledged = true;
    else if (answer !== null && !MAY_BE_REPEATED.has(answer.code)) this.#defects.push(`${id} was told ${answer.code}: ${answer.detail}`);
  }

  async #moment(style: Style, asked: readonly Promise<void>[]): Promise<void> {
    switch (style) {
      case "called":
        return await this.#upstream.nextCall();
      case "answered":
        return await Promise.any(asked);
      case "any":
        return await delay(this.#run.random() * ANY_MS_MAX);
      case "held":
        return await delay(HELD_MS);
    }
  }

  async #askUntilAcknowledged(server: EffectsServer, command: Command): Promise<void> {
    const end = performance.now() + END_MS_MAX;
    const defects = this.#defects.length;
    while (!command.isAcknowledged && this.#defects.length === defects && performance.now() < end) {
      await this.#ask(server, command);
      if (!command.isAcknowledged) await delay(50);
    }
    if (!command.isAcknowledged) this.#defects.push(`${command.id} was never acknowledged`);
  }

  async #until(what: string, server: EffectsServer, isIt: (states: readonly string[]) => boolean): Promise<void> {
    const end = performance.now() + END_MS_MAX;
    for (;;) {
      const answer = await fetch(`${server.adminUrl}/effects?limit=1000`);
      const text = await answer.text();
      if (answer.status === 200) {
        const { items, partial } = JSON.parse(text) as LookedAt;
        // A thread that is just being replaced says nothing of its effects.
        if (partial.length === 0 && isIt(items.map(({ state }) => state))) return;
      } else if (answer.status !== 503) throw new Error(`/effects answered ${answer.status}: ${text}`);
      if (performance.now() > end) throw new Error(`${what}: not within ${END_MS_MAX} ms; last seen: ${text.slice(0, 2_000)}`);
      await delay(50);
    }
  }

  /** As a person would: what a thread that is being replaced did not take, or did not name, is there when one looks again. */
  async #replayAll(): Promise<readonly string[]> {
    const end = performance.now() + END_MS_MAX;
    const letters = new Set<string>();
    const replayed = new Set<string>();
    for (;;) {
      const { ids, isWhole } = await this.#deadLetters();
      if (ids.length === 0 && isWhole) return [...letters];
      if (performance.now() > end) throw new Error(`dead letters are left after ${END_MS_MAX} ms of replays: ${ids.join(", ")}`);
      for (const id of ids) {
        letters.add(id);
        if (replayed.delete(id)) this.#defects.push(`${id} was replayed, to an upstream that takes it, and is dead again`);
      }
      for (let from = 0; from < ids.length; from += LETTERS_A_COMMAND) {
        const some = ids.slice(from, from + LETTERS_A_COMMAND);
        const { ok } = await this.#cli("deadletters", "replay", ...some);
        if (ok === true) for (const id of some) replayed.add(id);
      }
    }
  }

  /** Page by page. */
  async #deadLetters(): Promise<{ readonly ids: readonly string[]; readonly isWhole: boolean }> {
    const ids: string[] = [];
    let isWhole = true;
    for (let after: string | null = ""; after !== null; ) {
      const { items, next, partial } = await this.#cli("deadletters", "list", "--limit", "50", ...(after === "" ? [] : ["--after", after]));
      if (items === undefined) return { ids, isWhole: false };
      ids.push(...(items as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id));
      if ((partial as readonly string[]).length > 0) isWhole = false;
      after = next as string | null;
    }
    return { ids, isWhole };
  }

  /** @throws Error when it was refused for a reason that does not pass. */
  async #cli(...words: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
    const figures = figuresOf(await runCli(...words, "--data-dir", this.#run.dataDir, "--json"));
    if (figures.ok !== true && !MAY_BE_REPEATED.has(String(figures.code)))
      throw new Error(`troupe ${words.slice(0, 2).join(" ")}: ${JSON.stringify(figures)}`);
    return figures;
  }

  /** Of all couriers, by effect. */
  async #states(server: EffectsServer): Promise<ReadonlyMap<string, number>> {
    const answers = new Map<string, number>();
    for (const to of new Set(this.#commands.map((command) => command.to))) {
      const answer = await until(`${to} says what it heard`, async () => {
        const told = await server.ask(to, "get", {});
        return told === null || told.ok || !MAY_BE_REPEATED.has(told.code) ? { told } : null;
      }).then(({ told }) => told);
      if (answer?.ok !== true) throw new Error(`${to} does not say what it heard: ${JSON.stringify(answer)}`);
      for (const [id, heard] of Object.entries((answer.value as unknown as CourierState).effects)) answers.set(id, heard.answers);
    }
    return answers;
  }

  #judged({ letters, states, calls }: Ended): RoundsFigures {
    const { storeId, effects, attemptsFailed, findings } = readEffects(join(this.#run.dataDir, "journal.db"));
    const defects = [...this.#defects, ...findings];
    const [lost, doubled, keysUnknown] = [new Set<string>(), new Set<string>(), new Set(this.#early)];
    const done = new Set(calls.filter(({ isFirst }) => isFirst).map(({ key }) => key));
    const named = new Map<string, string[]>();
    for (const { id, name } of effects.values()) named.set(name, [...(named.get(name) ?? []), id]);
    for (const { id, name, isAcknowledged } of this.#commands) {
      const of = named.get(name) ?? [];
      if (isAcknowledged && of.length === 0) lost.add(`${id} was acknowledged and ${name} is not in the journal`);
      if (of.length > 1) doubled.add(`${name} was opened as ${of.join(" and ")}`);
    }
    for (const { id, kind, name, isAnswered, closes, heard, deaths, replays } of effects.values()) {
      const what = `${id} (${name})`;
      if (closes !== 1) lost.add(`${what} is closed ${closes} times`);
      if (kind === "call" && !done.has(`${storeId}.${id}`)) lost.add(`${what} was never carried out`);
      if (isAnswered && heard === 0) lost.add(`${what} was never heard of`);
      if (heard > 1 || (!isAnswered && heard > 0)) doubled.add(`${what} was heard of ${heard} times`);
      if (isAnswered && states.get(id) !== heard)
        defects.push(`${what} was heard of ${heard} times and the entity counts ${states.get(id)}`);
      if (deaths !== replays) defects.push(`${what} was dead ${deaths} times and replayed ${replays} times`);
    }
    const keysOf = new Map<string, Set<string>>();
    for (const { key, name } of calls) {
      if (!effects.has(key.slice(storeId.length + 1)) || !key.startsWith(`${storeId}.`)) keysUnknown.add(key);
      keysOf.set(name, (keysOf.get(name) ?? new Set()).add(key));
    }
    for (const [name, keys] of keysOf) if (keys.size > 1) doubled.add(`${name} was called under ${[...keys].join(" and ")}`);
    return {
      rounds: this.#counts,
      commands: this.#commands.length,
      acknowledged: this.#commands.filter(({ isAcknowledged }) => isAcknowledged).length,
      effects: effects.size,
      attemptsFailed,
      calls: calls.length,
      repeats: calls.length - new Set(calls.map(({ key }) => key)).size,
      deadLetters: letters.length,
      replayed: [...effects.values()].reduce((sum, { replays }) => sum + replays, 0),
      lost: lost.size,
      doubled: doubled.size,
      keysUnknown: keysUnknown.size,
      defects: [
        ...defects,
        ...lost,
        ...doubled,
        ...[...keysUnknown].map((key) => `the journal does not know the key ${key}, or did not when it was called`),
      ],
    };
  }
}

/** What the admin port shows of open effects. */
interface LookedAt {
  readonly items: ReadonlyArray<{ readonly state: string }>;
  readonly partial: readonly string[];
}

interface Ended {
  readonly letters: readonly string[];
  /** How often the entities say that they heard of an effect. */
  readonly states: ReadonlyMap<string, number>;
  readonly calls: readonly UpstreamCall[];
}

/** Refusals after which the same command with the same id is sent again. */
const MAY_BE_REPEATED: ReadonlySet<string> = new Set([
  "NOT_OWNER",
  "OUTCOME_UNKNOWN",
  "JOURNAL_UNAVAILABLE",
  "MAILBOX_FULL",
  "OVERLOADED",
  "SHUTTING_DOWN",
  "DEADLINE_EXCEEDED",
]);
