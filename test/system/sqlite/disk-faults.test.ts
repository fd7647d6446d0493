/**
 * A real disk fault: strace makes system calls of a child process fail, for the log of the journal only and for a window of calls, so the
 * disk fails and comes back while the child runs. It needs neither root nor a compiler. A full file system of its own would need root,
 * and a limit on the size of files (RLIMIT_FSIZE) gives EFBIG, which SQLite takes for another error than ENOSPC.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { verifyJournal } from "../../../src/system/sqlite/verify.ts";
import { findStrace, straceCommand, whyNoTracing } from "../../../tools/strace.mjs";
import { folder, groupOf, openJournal, textOf } from "../../support/journal-bench.ts";

const script = fileURLToPath(new URL("../../support/journal-on-bad-disk.ts", import.meta.url));
const whyNot = whyNoTracing();
if (whyNot !== null) process.stderr.write(`disk-faults.test.ts: skipped, ${whyNot}\n`);

interface Report {
  readonly acknowledged: readonly number[];
  readonly failures: readonly { readonly code: string; readonly isOutcomeOpen: boolean }[];
  readonly reopenings: number;
  readonly probesRefused: number;
  readonly lastSeq: number;
}

interface Injection {
  readonly calls: string;
  readonly error: string;
  readonly when: string;
  readonly file: string;
  readonly mode?: "reader" | "checkpoint";
}

/** Runs the child with the injection; `log` is what strace saw of the calls that were to fail. */
function runWith(dir: string, { calls, error, when, file, mode }: Injection) {
  const path = findStrace();
  if (path === undefined) throw new Error("strace is not here");
  const trace = join(dir, "trace.txt");
  const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}:when=${when}`, "-P", join(dir, file)];
  const { command, args, env } = straceCommand(path, ["-f", "-qq", "-o", trace, ...inject]);
  const child = spawnSync(command, [...args, process.execPath, script, dir, mode ?? "plain"], { env, encoding: "utf8", timeout: 50_000 });
  if (child.status !== 0) throw new Error(`the child ended with ${child.status ?? child.signal}: ${child.stderr}`);
  return { report: JSON.parse(child.stdout) as Report, log: readFileSync(trace, "utf8") };
}

/** What was acknowledged is there, once, in order, byte for byte, whoever reads. */
function expectWhole(dir: string, report: Report): void {
  expect(report.lastSeq).toBe(40);
  expect(report.acknowledged).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
  const journal = openJournal(dir);
  expect(journal.read(0, 100).map(({ body }) => body)).toEqual(report.acknowledged.map((number) => textOf(groupOf(number).body)));
  journal.close();
  expect(verifyJournal(join(dir, "journal.db"))).toMatchObject({ ok: true, figures: { records: 40 } });
}

describe.skipIf(whyNot !== null)("the journal on a disk that fails", () => {
  it("J2: a real SQLITE_IOERR_FSYNC leaves the outcome open; reopened, it goes on, and nothing acknowledged is lost", () => {
    using dir = folder();
    const { report, log } = runWith(dir.path, { calls: "fdatasync,fsync", error: "EIO", when: "12..16", file: "journal.db-wal" });
    expect(log).toMatch(/sync\(.*EIO.*INJECTED/);
    expect(report.failures[0]).toEqual({ code: "SQLITE_IOERR_FSYNC", isOutcomeOpen: true });
    expect(report.reopenings).toBeGreaterThan(0);
    expectWhole(dir.path, report);
  });

  it("J2: a real ENOSPC in the log is SQLITE_FULL with an open outcome; with space again it goes on, and nothing acknowledged is lost", () => {
    using dir = folder();
    const { report, log } = runWith(dir.path, { calls: "pwrite64", error: "ENOSPC", when: "20..30", file: "journal.db-wal" });
    expect(log).toMatch(/pwrite64\(.*ENOSPC.*INJECTED/);
    expect(report.failures[0]).toEqual({ code: "SQLITE_FULL", isOutcomeOpen: true });
    expectWhole(dir.path, report);
  });

  it("J2: a real error in writing the log is SQLITE_IOERR_WRITE with an open outcome", () => {
    using dir = folder();
    const { report } = runWith(dir.path, { calls: "pwrite64", error: "EIO", when: "20..30", file: "journal.db-wal" });
    expect(report.failures[0]).toEqual({ code: "SQLITE_IOERR_WRITE", isOutcomeOpen: true });
    expectWhole(dir.path, report);
  });

  it("J3: while the log cannot be synced a reopening fails, instead of answering from a disk that may forget", () => {
    using dir = folder();
    const { report } = runWith(dir.path, { calls: "fdatasync,fsync", error: "EIO", when: "12..40", file: "journal.db-wal" });
    expect(report.reopenings).toBeGreaterThan(1);
    expectWhole(dir.path, report);
  });

  it("L2: while the outcome is open a reader on another connection sees what was acknowledged and nothing else", () => {
    using dir = folder();
    const { report } = runWith(dir.path, {
      calls: "fdatasync,fsync",
      error: "EIO",
      when: "12..16",
      file: "journal.db-wal",
      mode: "reader",
    });
    expect(report.failures[0]).toEqual({ code: "SQLITE_IOERR_FSYNC", isOutcomeOpen: true });
    expectWhole(dir.path, report);
  });

  it("a disk that fails while the log is moved refuses the next append, surely not done, and loses nothing", () => {
    using dir = folder();
    const { report } = runWith(dir.path, { calls: "fdatasync,fsync", error: "EIO", when: "8..10", file: "journal.db", mode: "checkpoint" });
    expect(report.failures[0]).toEqual({ code: "SQLITE_IOERR_FSYNC", isOutcomeOpen: false });
    expect(report.probesRefused).toBeGreaterThan(0);
    expectWhole(dir.path, report);
  });
});
