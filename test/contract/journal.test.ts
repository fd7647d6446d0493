/** One suite for every JournalStore: SQLite with real files, and the twin in memory. What holds for both is what the port means. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommitError, type Group, type JournalStore, MemoryJournal } from "../../src/runtime/index.ts";
import { SqliteJournal } from "../../src/system/sqlite/journal-store.ts";
import { textOf } from "../support/journal-bench.ts";

const groupOf = (number: number, more: Partial<Group> = {}): Group => ({
  domain: 0,
  incarnation: 1,
  number,
  time: 1_700_000_000_000 + number,
  count: 1,
  body: JSON.stringify([{ shard: 0, seq: number, entity: "a/ř", version: number, at: 0, events: [{ kind: "é€\u0000💶" }] }]),
  ...more,
});

/** A journal on a disk of its own. `breakDisk` makes the disk refuse writes, surely; `heal` undoes it. `again` opens it after its holder ended. */
interface Bench {
  journal: JournalStore;
  breakDisk(): void;
  heal(): void;
  again(): JournalStore;
  remove(): void;
}

const benches: Readonly<Record<string, () => Bench>> = {
  "in memory": () => {
    const journal = new MemoryJournal();
    return {
      journal,
      breakDisk: () => {
        journal.isDiskBroken = true;
      },
      heal: () => {
        journal.isDiskBroken = false;
      },
      again: () => {
        journal.reopen();
        return journal;
      },
      remove: () => {},
    };
  },
  "in SQLite": () => {
    const dir = mkdtempSync(join(tmpdir(), "troupe-journal-"));
    let isBroken = false;
    let nowMs = 0;
    const open = () =>
      new SqliteJournal({
        path: join(dir, "journal.db"),
        shardCount: 8,
        synchronous: "full",
        busyTimeoutMs: 100,
        cacheKiB: 1024,
        walPagesMax: 100,
        diskFreeBytesMin: 1000,
        freeBytes: () => (isBroken ? 999 : 1000),
        nowMs: () => nowMs,
      });
    const bench: Bench = {
      journal: open(),
      breakDisk: () => {
        isBroken = true;
        nowMs += 1000;
      },
      heal: () => {
        isBroken = false;
        nowMs += 1000;
      },
      again: () => {
        bench.journal = open();
        return bench.journal;
      },
      remove: () => {
        bench.journal.close();
        rmSync(dir, { recursive: true });
      },
    };
    return bench;
  },
};

describe.each(Object.entries(benches))("a journal %s", (_, make) => {
  let bench: Bench;
  beforeEach(() => {
    bench = make();
  });
  afterEach(() => bench.remove());

  it("L2: gives groups their sequence in order and reads back what it took, byte for byte", () => {
    const { journal } = bench;
    expect(journal.lastSeq).toBe(0);
    expect(journal.append([groupOf(1), groupOf(1, { domain: 1, incarnation: 2 })], 2)).toBe(1);
    expect(journal.append([groupOf(2)], 2)).toBe(3);
    expect(journal.lastSeq).toBe(3);
    const expected = [groupOf(1), groupOf(1, { domain: 1, incarnation: 2 }), groupOf(2)];
    expect(journal.read(0, 10)).toEqual(expected.map((group, index) => ({ ...group, seq: index + 1 })));
  });

  it("a body of bytes may be overwritten or freed when `append` has returned", () => {
    const { journal } = bench;
    const text = "[]";
    const body = new TextEncoder().encode(text);
    journal.append([groupOf(1, { body })], 1);
    body.fill(0);
    body.buffer.transfer(0);
    expect(journal.read(0, 1).map((record) => textOf(record.body))).toEqual([text]);
  });

  it("pages by sequence: above `after`, at most as many as asked", () => {
    const { journal } = bench;
    for (let number = 1; number <= 5; number++) journal.append([groupOf(number)], 1);
    expect(journal.read(2, 2).map(({ seq }) => seq)).toEqual([3, 4]);
    expect(journal.read(4, 10).map(({ seq }) => seq)).toEqual([5]);
    expect(journal.read(5, 10)).toEqual([]);
  });

  it("L7: knows the highest incarnation after a restart, so that no token is given twice", () => {
    bench.journal.append([groupOf(1)], 7);
    bench.journal.close();
    const again = bench.again();
    expect(again.incarnationHigh).toBe(7);
    expect(again.lastSeq).toBe(1);
    again.append([groupOf(1, { incarnation: 8 })], 8);
    expect(again.incarnationHigh).toBe(8);
  });

  it("an append of nothing writes nothing", () => {
    expect(bench.journal.append([], 3)).toBe(1);
    expect(bench.journal.lastSeq).toBe(0);
    expect(bench.journal.incarnationHigh).toBe(0);
  });

  it("L2: an append that fails before its commit is surely not done, and appends go on when the disk takes writes again", () => {
    const { journal } = bench;
    journal.append([groupOf(1)], 1);
    bench.breakDisk();
    const error = thrownBy(() => journal.append([groupOf(2)], 1));
    expect(error).toBeInstanceOf(CommitError);
    expect(error).toMatchObject({ isOutcomeOpen: false });
    expect(() => journal.probe()).toThrow();
    expect(journal.read(0, 10)).toHaveLength(1);
    bench.heal();
    journal.probe();
    expect(journal.append([groupOf(2)], 1)).toBe(2);
  });

  it("a probe and a reopening leave no record", () => {
    const { journal } = bench;
    journal.append([groupOf(1)], 1);
    journal.probe();
    journal.reopen();
    expect(journal.lastSeq).toBe(1);
    expect(journal.read(0, 10)).toHaveLength(1);
    expect(journal.append([groupOf(2)], 1)).toBe(2);
  });
});

describe("the journal in memory", () => {
  it.each([
    ["commit-lost", 1],
    ["commit-kept", 2],
  ] as const)("after %s the outcome is open until it was reopened", (failure, lastSeq) => {
    const journal = new MemoryJournal();
    journal.append([groupOf(1)], 1);
    journal.failNext(failure);
    expect(thrownBy(() => journal.append([groupOf(2)], 1))).toMatchObject({ isOutcomeOpen: true });
    expect(thrownBy(() => journal.append([groupOf(2)], 1))).toMatchObject({ isOutcomeOpen: true });
    expect(() => journal.probe()).toThrow();
    journal.isDiskBroken = true;
    expect(() => journal.reopen()).toThrow();
    journal.isDiskBroken = false;
    journal.reopen();
    expect(journal.lastSeq).toBe(lastSeq);
    expect(journal.append([groupOf(lastSeq + 1)], 1)).toBe(lastSeq + 1);
  });
});

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
