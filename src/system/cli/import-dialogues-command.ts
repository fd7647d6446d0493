/** `troupe import-dialogues`: a file of dialogues played through the service, each line a message of its speaker that wants no reply. */
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { runFileOf } from "../data-dir.ts";
import { startHttp } from "../http/index.ts";
import { openLog } from "../observe/log.ts";
import { startSystem } from "../start.ts";
import { configOf, counted, type Result, type Run, say, seconds } from "./command.ts";
import { dialoguesOfFile } from "./dialogue-file.ts";
import { type DialogueFigures, DialogueImporter } from "./dialogue-importer.ts";
import { HttpConversations } from "./http-conversations.ts";
import { Progress } from "./progress.ts";
import { realClock } from "./repeat.ts";

export interface ImportDialoguesOptions {
  readonly file: string;
  readonly url?: string;
  readonly dataDir?: string;
  readonly conversations: number;
  readonly idPrefix: string;
}

const SUMMARY_MS_MAX = 10 * 60_000;
const SHOWN_MAX = 10;
const CLOSE_MS_MAX = 10_000;

/** @returns `ok` when every message is stored as it was said, in order, and every dialogue has its last summary. @throws CliError and others. */
export async function runImportDialogues(run: Run, options: ImportDialoguesOptions): Promise<Result> {
  // The whole file first: a bad line in its middle is told before anything is written.
  const dialogues = await Array.fromAsync(dialoguesOfFile(options.file));
  await using server =
    options.url === undefined ? await serverOf(configOf(run, options.dataDir)) : { url: options.url, ...NOTHING_TO_CLOSE };
  using service = await HttpConversations.connect(server.url, realClock);
  say(run, `Playing ${counted(dialogues.length)} dialogues of ${options.file} through ${service.name}`);
  const progress = new Progress({ what: "playing", unit: "dialogues" });
  let shown = 0;
  const importer = new DialogueImporter({
    service,
    clock: realClock,
    conversations: options.conversations,
    prefix: options.idPrefix,
    summaryMsMax: SUMMARY_MS_MAX,
    onDialogue: (done) => progress.update(done, dialogues.length),
    onDifference(id, what) {
      progress.done();
      if (shown++ < SHOWN_MAX) process.stderr.write(`difference: ${id}: ${what}\n`);
    },
  });
  try {
    const { played: _, ...figures } = await importer.run(dialogues);
    progress.done();
    return told(run, figures);
  } finally {
    progress.done();
  }
}

function told(run: Run, figures: DialogueFigures): Result {
  const { dialogues, messages, empty, replayed, readBack, differing, outOfOrder, summaries, postMs, summaryMs } = figures;
  const ok = differing === 0 && outOfOrder === 0 && readBack === messages && summaries === dialogues;
  const messagesPerSecond = Math.round(messages / (Math.max(postMs, 1) / 1000));
  say(run, `  messages     ${counted(messages)}, ${counted(replayed)} of them known already; ${counted(empty)} empty lines left out`);
  say(run, `  read back    ${counted(readBack)}: ${counted(differing)} differ, ${counted(outOfOrder)} out of order`);
  say(run, `  summaries    ${counted(summaries)} of ${counted(dialogues)}, the last one ${seconds(summaryMs)} after the last message`);
  say(run, `  took         ${seconds(postMs)}, ${counted(messagesPerSecond)} messages/s`);
  say(run, ok ? "ok" : "NOT OK");
  return { ok, ...figures, messagesPerSecond };
}

interface Served extends AsyncDisposable {
  readonly url: string;
}
const NOTHING_TO_CLOSE: AsyncDisposable = { [Symbol.asyncDispose]: async () => undefined };

/** The server that runs on the directory; without one, a server of our own on it for as long as it takes. */
async function serverOf(config: Config): Promise<Served> {
  const running = runFileOf(resolve(config.data.dir))?.urls[0];
  if (running !== undefined) return { url: running, ...NOTHING_TO_CLOSE };
  const log = openLog(config.log.level);
  const system = await startSystem(config, { log });
  const http = await startHttp({ system, config: { ...config, http: { ...config.http, host: "127.0.0.1", port: 0 } }, log });
  return {
    url: http.url,
    async [Symbol.asyncDispose]() {
      await http.close(CLOSE_MS_MAX);
      await system.close();
    },
  };
}
