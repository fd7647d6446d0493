import { setTimeout as delay } from "node:timers/promises";
import type { ThreadFault } from "./chaos-faults.ts";
import type { ChaosProcess } from "./chaos-process.ts";
import { tell } from "./check-run.ts";
import { Goodput, type Stretch } from "./goodput.ts";
import type { LedgerLoad } from "./ledger-load.ts";
import { ReadinessWatch } from "./readiness-watch.ts";

export interface ChaosRun {
  readonly server: ChaosProcess;
  readonly load: LedgerLoad;
  readonly random: () => number;
  /** For everything, with the stretches without faults; longer when not every kind came by then. */
  readonly seconds: number;
  /** Rest after each fault, between half of it and one and a half. */
  readonly gapMs: number;
  /** Names of `FAULTS`; they are drawn in turns, so that each comes. */
  readonly kinds: readonly string[];
}

interface ThreadKind {
  readonly part: "shards" | "journal" | "checkpoint" | "views";
  readonly fault: ThreadFault;
}
/** Every fault by its name; null: the disk is full for a while. */
export const FAULTS: ReadonlyMap<string, ThreadKind | null> = new Map<string, ThreadKind | null>([
  ["shard-throw", { part: "shards", fault: "throw" }],
  ["shard-exit", { part: "shards", fault: "exit" }],
  ["shard-loop", { part: "shards", fault: "loop" }],
  ["shard-heap", { part: "shards", fault: "heap" }],
  ["journal-throw", { part: "journal", fault: "throw" }],
  ["journal-exit", { part: "journal", fault: "exit" }],
  ["journal-loop", { part: "journal", fault: "loop" }],
  ["checkpoint-exit", { part: "checkpoint", fault: "exit" }],
  ["checkpoint-loop", { part: "checkpoint", fault: "loop" }],
  ["views-exit", { part: "views", fault: "exit" }],
  ["views-loop", { part: "views", fault: "loop" }],
  ["disk-full", null],
]);

/** How readiness must name a fault: by the part, not only as "something is slow". */
const NAMED: Readonly<Record<ThreadKind["part"] | "disk", RegExp>> = {
  shards: /Shard threads are being recovered|The shard-\d+ thread has made no progress|shard-\d+ does not answer/,
  journal:
    /The journal thread (is being replaced|has made no progress|does not answer)|threads journal.* are being replaced|journal does not answer/,
  checkpoint:
    /The checkpoint thread (is being replaced|has made no progress)|threads .*checkpoint.* are being replaced|checkpoint does not answer/,
  views:
    /The views thread (is being replaced|has made no progress)|threads .*views.* are being replaced|The read models (do not answer|have stopped)/,
  disk: /The journal takes no writes|cannot store its checkpoint|The disk is nearly full/,
};

/** One fault and what came of it. */
export interface Fault {
  readonly kind: string;
  readonly isNamed: boolean;
  /** Of a thread: from the order to its end, and from there to the first work of its successor. */
  readonly endedMs: number | null;
  readonly servingMs: number | null;
  /** From the order until readiness was green again and the part served. */
  readonly wholeMs: number;
}

export interface ChaosFigures {
  readonly faults: readonly Fault[];
  /** Useful answers a second while nothing was wrong: in stretches without faults before, between and after, and outside [fault, ready]. */
  readonly goodputBaseline: number;
  readonly goodputBetween: number;
  readonly defects: readonly string[];
}

/** Shares of the time without faults: at the beginning, in the middle, at the end. */
const QUIET_SHARE = 0.1;
/** On a slow machine few faults come in the time: the second phase lasts until each kind came once, at most so many times as long. */
const LONGER_MAX = 4;
const READY_MS_MAX = 30_000;
/** Acknowledged orders that are sent a second time after each fault. */
const COMPARED = { latest: 64, older: 36 };
const FULL_MS_MIN = 300;
const FULL_MS_MORE = 1_200;

/** Faults one after another under load. The load must run; it goes on. */
export async function chaosRun(run: ChaosRun): Promise<ChaosFigures> {
  const { server, load, random, seconds, gapMs } = run;
  using goodput = new Goodput(() => load.acknowledged.size);
  const watch = new ReadinessWatch(server.url);
  const [faults, quiet, between, defects]: [Fault[], Stretch[], Stretch[], string[]] = [[], [], [], []];
  const beQuiet = async (): Promise<void> => {
    const fromMs = goodput.sample();
    await delay(seconds * 1_000 * QUIET_SHARE);
    quiet.push({ fromMs, toMs: goodput.sample() });
  };
  const phaseMs = seconds * 1_000 * ((1 - 3 * QUIET_SHARE) / 2);
  const deck = new Deck(run.kinds, random);
  await beQuiet();
  for (let phase = 0; phase < 2; phase++) {
    const fromMs = performance.now();
    const isOver = (): boolean => {
      const ms = performance.now() - fromMs;
      const isWanting = phase === 1 && run.kinds.some((kind) => !faults.some((fault) => fault.kind === kind));
      return ms >= (isWanting ? phaseMs * LONGER_MAX : phaseMs);
    };
    let clearMs = goodput.sample();
    while (!isOver()) {
      await delay(gapMs * (0.5 + random()));
      between.push({ fromMs: clearMs, toMs: goodput.sample() });
      load.compareLater(COMPARED.latest, COMPARED.older, random);
      const fault = await commit(run, watch, deck.next());
      faults.push(fault);
      if (!fault.isNamed) defects.push(`${fault.kind}: readiness did not name it`);
      if (faults.length % 10 === 0) tell(`${faults.length} faults, ${load.acknowledged.size} acknowledged`);
      clearMs = goodput.sample();
    }
    await beQuiet();
  }
  watch.close();
  return { faults, goodputBaseline: goodput.rateIn(quiet), goodputBetween: goodput.rateIn(between), defects };
}

/** Resolves when readiness is green again and the part serves. */
async function commit({ server, random }: ChaosRun, watch: ReadinessWatch, kind: string): Promise<Fault> {
  const thread = FAULTS.get(kind);
  if (thread === undefined) throw new Error(`${kind} is no fault; there are ${[...FAULTS.keys()].join(", ")}`);
  watch.forget();
  const fromMs = performance.now();
  let served = null;
  if (thread === null) {
    await server.fillDisk(true);
    await delay(FULL_MS_MIN + random() * FULL_MS_MORE);
    await server.fillDisk(false);
  } else {
    const number = Math.floor(random() * server.threadCount);
    served = await server.commit(`/system/${thread.part}${thread.part === "shards" ? `/${number}` : ""}`, thread.fault);
  }
  const readyMs = await watch.readySince(performance.now(), READY_MS_MAX);
  const named = watch.namedSince(fromMs);
  const isNamed = named.some((text) => NAMED[thread === null ? "disk" : thread.part].test(text));
  if (!isNamed) tell(`${kind} was not named: ${named.join(" | ").slice(0, 500)}`);
  return { kind, isNamed, endedMs: served?.endedMs ?? null, servingMs: served?.servingMs ?? null, wholeMs: readyMs - fromMs };
}

/** Draws kinds at random, each once before any comes again. */
class Deck {
  readonly #kinds: readonly string[];
  readonly #random: () => number;
  #left: string[] = [];

  constructor(kinds: readonly string[], random: () => number) {
    this.#kinds = kinds;
    this.#random = random;
  }

  next(): string {
    if (this.#left.length === 0) this.#left = [...this.#kinds];
    const [kind = ""] = this.#left.splice(Math.floor(this.#random() * this.#left.length), 1);
    return kind;
  }
}
