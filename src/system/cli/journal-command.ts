/** `troupe journal tail` and `troupe journal verify`: a look into the journal of a store, whether a node runs on it or not. Write nothing. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type Entry, type StoredRecord, unpackEntries } from "../../runtime/index.ts";
import { type JournalReader, openJournalReader } from "../sqlite/journal-file.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import { verifyJournal } from "../sqlite/verify.ts";
import { CliError } from "./cli-error.ts";
import { configOf, counted, type Result, type Run, say, sayJson, seconds } from "./command.ts";
import { Progress } from "./progress.ts";
import { StopSignal } from "./stop-signal.ts";

export interface TailOptions {
  readonly after?: number;
  readonly limit: number;
  readonly follow?: boolean;
  readonly dataDir?: string;
}

const RECORDS_AT_ONCE = 64;
/** How often `--follow` looks for new records. */
const FOLLOW_MS = 250;

/** Without `--after` the last `limit` records; with it the next `limit`; with `--follow` everything from there on. */
export async function runTail(run: Run, { after, limit, follow = false, dataDir }: TailOptions): Promise<Result> {
  const { journal } = configOf(run, dataDir);
  const path = journalOf(run, dataDir);
  const { synchronous, busyTimeoutMs } = journal;
  using reader = openJournalReader({ path, synchronous, busyTimeoutMs, cacheKiB: 4096 });
  using signal = new StopSignal();
  const last = reader.lastSeq();
  let seq = after ?? Math.max(last - limit, 0);
  let records = 0;
  for (let isDone = false; !isDone; ) {
    const wanted = follow ? RECORDS_AT_ONCE : Math.min(RECORDS_AT_ONCE, limit - records);
    const page = wanted > 0 ? reader.read(seq, wanted) : [];
    for (const record of page) show(run, record);
    records += page.length;
    seq = page.at(-1)?.seq ?? seq;
    isDone = signal.hasArrived || (page.length === 0 && !follow);
    if (page.length === 0 && follow) await Promise.race([signal.arrived, pause()]);
  }
  say(
    run,
    records === 0
      ? `No records after ${seq}; the journal has ${counted(last)}.`
      : `${counted(records)} records, up to ${seq} of ${counted(lastOf(reader))}.`,
  );
  return { ok: true, records, lastSeq: seq };
}

const lastOf = (reader: JournalReader): number => reader.lastSeq();

const pause = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, FOLLOW_MS);
  });

function show(run: Run, record: StoredRecord): void {
  const { seq, domain, incarnation, number, time, count, body } = record;
  const entries = unpackEntries(body);
  sayJson(run, { seq, domain, incarnation, number, time, count, entries });
  say(
    run,
    `record ${seq}  ${new Date(time).toISOString()}  thread ${domain}, incarnation ${incarnation}, group ${number}, entries ${count}`,
  );
  for (const entry of entries) say(run, `  ${lineOf(entry)}`);
}

/** An entry in one line: where, what, and why. */
function lineOf({ shard, seq, entity, version, events = [], ids = [], handled = [], opens = [], closes = [] }: Entry): string {
  const kinds = events.map((event) => (event as { readonly kind?: unknown } | null)?.kind ?? "?").join(", ");
  const parts = [`shard ${shard}.${seq}`, `${entity} v${version}`, kinds === "" ? "no event" : kinds];
  for (const { kind, to, command, id } of opens) parts.push(`${kind} ${to} ${command} (${id})`);
  for (const { cause, answer, isDeadLetter } of handled) {
    parts.push(`handled ${cause}${answer.ok ? "" : ` refused: ${answer.code}`}${isDeadLetter === true ? " DEAD LETTER" : ""}`);
  }
  if (closes.length > 0) parts.push(`closed ${closes.join(", ")}`);
  if (ids.length > 0) parts.push(`key ${ids.join(", ")}`);
  return parts.join("  ");
}

/** @returns `ok` false with the first finding; figures of the journal otherwise. */
export async function runVerify(run: Run, dataDir?: string): Promise<Result> {
  const path = journalOf(run, dataDir);
  const progress = new Progress({ what: "verifying", unit: "records" });
  const startedMs = performance.now();
  const verdict = verifyJournal(path, { onProgress: ({ seq, lastSeq }) => progress.update(seq, lastSeq) });
  progress.done();
  const ms = Math.round(performance.now() - startedMs);
  if (!verdict.ok) {
    const { code, detail } = verdict;
    process.stderr.write(`troupe: ${code}: ${detail}\n`);
    return { ok: false, code, message: detail, ms };
  }
  const { figures } = verdict;
  say(run, `${path} is whole:`);
  say(run, `  records       ${counted(figures.records)} in ${counted(figures.transactions)} transactions`);
  say(run, `  entries       ${counted(figures.entries)}`);
  say(run, `  bytes         ${counted(figures.bytes)}`);
  say(run, `  last hash     ${figures.lastHash}`);
  say(run, `  took          ${seconds(ms)}`);
  return { ok: true, ...figures, ms };
}

function journalOf(run: Run, dataDir: string | undefined): string {
  const dir = resolve(configOf(run, dataDir).data.dir);
  const path = storePaths(dir).journal;
  if (existsSync(path)) return path;
  throw new CliError(
    "STORE_NOT_FOUND",
    `there is no store in ${dir} (no journal.db). Name its folder with --data-dir, or make one with: troupe start`,
  );
}
