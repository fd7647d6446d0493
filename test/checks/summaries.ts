/**
 * R-CON-2 and issue 4: files of dialogues through the service over HTTP, 64 conversations at once, and what came of it: every message as it was said and in
 * order, a summary of each dialogue, how those score against people's (ROUGE, the first turns beside them), and that making them held up nobody.
 *
 *   npm run -s check:summaries -- <folder> [--conversations 64] [--held-ms 50] [--json]      conv-dialogsum or conv-qmsum
 *
 * `loops`: how long the event loop of each thread was held at most while messages were taken and summaries made (`loop-watch.ts` in every thread): `ranMsMax`
 * its own CPU time in one go, which is judged; `heldMsMax` with its waits for disk, locks and helpers, judged with `--held-ms`, on a machine that does nothing else; `lateMsMax` with its waits for a core too, which say more
 * of the machine than of the service. `cpuMs`: CPU by thread in that time. With `--json` the last line of standard output is
 * {ok, dialogues, messages, ..., scores, loops}; exit 0 only when ok.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpuByThread } from "../../bench/harness/machine.ts";
import { dialoguesOfFile } from "../../src/system/cli/dialogue-file.ts";
import { type DialogueFigures, DialogueImporter } from "../../src/system/cli/dialogue-importer.ts";
import { HttpConversations } from "../../src/system/cli/http-conversations.ts";
import { realClock } from "../../src/system/cli/repeat.ts";
import { tempFolder } from "../support/cli.ts";
import { type DialogueSet, dialogueSetsIn } from "../support/dialogues.ts";
import { KillableServer } from "../support/killable-server.ts";
import type { LoopBlock } from "../support/loop-watch.ts";
import { scoreLine, scoreOf } from "../support/summary-score.ts";

export interface SummariesResult {
  readonly ok: boolean;
  readonly dialogues: number;
  readonly messages: number;
  readonly differing: number;
  readonly outOfOrder: number;
  readonly summaries: number;
  readonly messagesPerSecond: number;
  /** From the last message to the last summary. */
  readonly summaryMs: number;
  /** A line for each set: `name (dialogues): summary R1/R2/RL, lead-3 R1/R2/RL`. */
  readonly scores: readonly string[];
  /** By thread, milliseconds. */
  readonly loops: Readonly<Record<string, LoopFigure>>;
  /** By thread. */
  readonly cpuMs: Readonly<Record<string, number>>;
  readonly defects: readonly string[];
}
interface LoopFigure {
  readonly ranMsMax: number;
  readonly heldMsMax: number;
  readonly lateMsMax: number;
}

const FILE_OF_SET: Readonly<Record<DialogueSet["name"], string>> = { dev: "dev.jsonl", test_a: "test_a.jsonl", qmsum: "val.jsonl.gz" };
const SUMMARY_MS_MAX = 5 * 60_000;
/** For the main thread and the shard threads. */
const RAN_MS_MAX = 50;
const DEFECTS_SHOWN = 10;

/** Runs the check with a server of its own in a new folder. @throws when there are no dialogues or the service refuses one. */
export async function checkSummaries(folder: string, conversations = 64, heldMsMax: number | null = null): Promise<SummariesResult> {
  using data = tempFolder();
  const watchFile = join(data.path, "loops");
  const watch = fileURLToPath(new URL("../support/loop-watch.ts", import.meta.url));
  const env = { NODE_OPTIONS: `--import=${watch}`, LOOP_WATCH_FILE: watchFile };
  const server = await KillableServer.start({ dataDir: join(data.path, "store"), env });
  const fromMs = Date.now();
  const cpuBefore = cpuByThread(server.nodePid);
  const played = await play(folder, conversations, server.url);
  const cpuMs = cpuBetween(cpuBefore, cpuByThread(server.nodePid));
  const loops = loopsIn(watchFile, fromMs);
  const code = await server.stop();
  const defects = [
    ...played.defects,
    ...(code === 0 ? [] : [`the server ended with ${code}: ${server.said.slice(-500)}`]),
    ...Object.entries(loops)
      .filter(([thread]) => isServing(thread))
      .flatMap(([thread, figure]) => heldTooLong(thread, figure, heldMsMax)),
  ];
  return { ok: defects.length === 0, ...played.figures, scores: played.scores, loops, cpuMs, defects: defects.slice(0, DEFECTS_SHOWN) };
}

async function play(folder: string, conversations: number, url: string) {
  using service = await HttpConversations.connect(url, realClock);
  const defects: string[] = [];
  const scores: string[] = [];
  const figures = { dialogues: 0, messages: 0, differing: 0, outOfOrder: 0, summaries: 0, summaryMs: 0 };
  let postMs = 0;
  for (const set of dialogueSetsIn(folder)) {
    const importer = new DialogueImporter({
      service,
      clock: realClock,
      conversations,
      prefix: `${set.name}-`,
      summaryMsMax: SUMMARY_MS_MAX,
      onDifference: (id, what) => defects.push(`${id}: ${what}`),
    });
    const { played, ...each } = await importer.run(await Array.fromAsync(dialoguesOfFile(join(folder, FILE_OF_SET[set.name]))));
    const score = scoreOf(new Map(played.map(({ name, summary }) => [name, summary?.content ?? ""])), set);
    scores.push(scoreLine(set.name, score));
    if (!score.isBetter) defects.push(`${set.name}: the first turns score better than the summaries`);
    defects.push(...score.missing.map((name) => `${name}: there is no summary`), ...wrong(set, each));
    for (const name of ["dialogues", "messages", "differing", "outOfOrder", "summaries"] as const) figures[name] += each[name];
    figures.summaryMs = Math.max(figures.summaryMs, each.summaryMs);
    postMs += each.postMs;
  }
  return { defects, scores, figures: { ...figures, messagesPerSecond: Math.round((figures.messages / Math.max(postMs, 1)) * 1000) } };
}

function wrong(
  { name, dialogues }: DialogueSet,
  { dialogues: played, messages, readBack, outOfOrder }: DialogueFigures,
): readonly string[] {
  return [
    ...(played === dialogues.length ? [] : [`${name}: ${played} dialogues were played of ${dialogues.length}`]),
    ...(readBack === messages ? [] : [`${name}: ${readBack} messages were read back of ${messages}`]),
    ...(outOfOrder === 0 ? [] : [`${name}: ${outOfOrder} messages are out of order`]),
  ];
}

/** `heldMsMax`: for what the thread was held in all, null = that is not judged. */
function heldTooLong(thread: string, { ranMsMax, heldMsMax: heldMs }: LoopFigure, heldMsMax: number | null): readonly string[] {
  if (ranMsMax > RAN_MS_MAX) return [`${thread} held its event loop for ${ranMsMax} ms of its own CPU time`];
  return heldMsMax !== null && heldMs > heldMsMax
    ? [`the event loop of ${thread} was held for ${heldMs} ms; ${heldMsMax} are allowed`]
    : [];
}

/** Threads that clients wait for. */
const isServing = (thread: string): boolean => /^(MainThread|node|shard-\d+)$/.test(thread);

function loopsIn(file: string, fromMs: number): Record<string, LoopFigure> {
  const loops: Record<string, LoopFigure> = {};
  const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  for (const line of lines) {
    const { thread, atMs, ms, ranMs, waitedMs } = JSON.parse(line) as LoopBlock;
    if (atMs < fromMs) continue;
    const { ranMsMax = 0, heldMsMax = 0, lateMsMax = 0 } = loops[thread] ?? {};
    loops[thread] = {
      ranMsMax: Math.max(ranMsMax, Math.round(ranMs)),
      heldMsMax: Math.max(heldMsMax, Math.round(ms - waitedMs)),
      lateMsMax: Math.max(lateMsMax, Math.round(ms)),
    };
  }
  return loops;
}

function cpuBetween(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  const each = [...after].map(([name, micros]) => [name, Math.round((micros - (before.get(name) ?? 0)) / 1000)] as const);
  return Object.fromEntries(each.filter(([, ms]) => ms > 0).sort(([, a], [, b]) => b - a));
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { conversations: { type: "string", default: "64" }, "held-ms": { type: "string" }, json: { type: "boolean", default: false } },
  });
  const [folder] = positionals;
  const result =
    folder === undefined
      ? { ok: false, why: "expected the folder of the dialogues" }
      : await checkSummaries(folder, Number(values.conversations), values["held-ms"] === undefined ? null : Number(values["held-ms"]));
  const lines = Object.entries(result).map(([name, value]) => `${name.padEnd(20)} ${JSON.stringify(value)}`);
  process.stdout.write(`${values.json ? JSON.stringify(result) : lines.join("\n")}\n`);
  process.exitCode = result.ok ? 0 : 1;
}
