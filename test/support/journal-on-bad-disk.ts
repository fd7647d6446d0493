/**
 * Appends groups 1 to 40 to the journal of its argument, on a disk that fails for a while (the test injects that from outside), as the journal
 * thread would: after an error whose outcome is open it reopens until the disk lets it, counts what it finds, and goes on with what
 * is missing. Prints one line of JSON. A second argument `reader` keeps a reader open, which must go on all the time; `checkpoint` moves
 * the log after each append.
 */
import { join } from "node:path";
import { CommitError } from "../../src/runtime/index.ts";
import { openJournalReader } from "../../src/system/sqlite/journal-file.ts";
import { groupOf, openJournal } from "./journal-bench.ts";

const LAST = 40;
const TRIES_MAX = 200;

interface Failure {
  readonly code: unknown;
  readonly isOutcomeOpen: boolean;
}
const [, , dir = "", mode] = process.argv;
const journal = openJournal(dir);
const reader =
  mode === "reader" ? openJournalReader({ path: join(dir, "journal.db"), synchronous: "full", busyTimeoutMs: 100, cacheKiB: 64 }) : null;
const acknowledged: number[] = [];
const failures: Failure[] = [];
let reopenings = 0;
let probesRefused = 0;

for (let tries = 0; journal.lastSeq < LAST && tries < TRIES_MAX; tries++) {
  const number = journal.lastSeq + 1;
  try {
    journal.append([groupOf(number)], 1);
    acknowledged.push(number);
    if (mode === "checkpoint") journal.walCheckpoint(0);
  } catch (error) {
    if (!(error instanceof CommitError)) throw error;
    failures.push({ code: (error.cause as { readonly code?: unknown }).code, isOutcomeOpen: error.isOutcomeOpen });
    const seen = reader?.read(0, LAST).length ?? number - 1;
    if (seen !== number - 1) throw new Error(`a reader saw ${seen} records while ${number - 1} were acknowledged`);
    if (error.isOutcomeOpen) reopen();
    probe();
    if (journal.lastSeq >= number) acknowledged.push(number); // Found after the reopening: released.
  }
}
reader?.close();
journal.close();
process.stdout.write(`${JSON.stringify({ acknowledged, failures, reopenings, probesRefused, lastSeq: journal.lastSeq })}\n`);

function reopen(): void {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    reopenings++;
    try {
      journal.reopen();
      return;
    } catch {
      // The disk still fails: the next call counts the injection down.
    }
  }
  throw new Error("the disk never came back");
}

function probe(): void {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      journal.probe();
      return;
    } catch {
      probesRefused++;
    }
  }
  throw new Error("the disk never came back");
}
