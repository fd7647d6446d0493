/** TRAPS 23: readiness looks at progress, and each condition is named when it fails; the real node behind it is tested in node.test.ts. */
import { describe, expect, it } from "vitest";
import { readinessOf, type Seen, STUCK_MS } from "../../src/system/readiness.ts";

const FINE: Seen = {
  isStopping: false,
  fatal: null,
  replaced: [],
  late: [],
  journalDown: null,
  journal: { groupsWaiting: 0, oldestGroupMs: 0, lastCommitMs: 3_600_000 },
  recovering: [],
  checkpointFailures: new Map(),
  oldestCommandMs: 3,
  views: { position: 7, failure: null, findings: [], isStuck: false },
  loopLagMs: [
    ["main", 1],
    ["shard-0", 2],
  ],
  outside: [],
  disk: { freeBytes: 100, bytesMin: 10 },
  position: 7,
  synchronous: "full",
};
const failingOf = (seen: Partial<Seen>) =>
  readinessOf({ ...FINE, ...seen })
    .checks.filter(({ isOk }) => !isOk)
    .map(({ name, code }) => [name, code]);

it("a node that gets on is ready, however long ago its last commit was", () => {
  const { isReady, reasons, code, checks } = readinessOf(FINE);
  expect({ isReady, reasons, code }).toEqual({ isReady: true, reasons: [], code: undefined });
  expect(checks.map(({ name }) => name)).toEqual([
    "serving",
    "threads",
    "journal",
    "commits",
    "shards",
    "checkpoints",
    "oldest-command",
    "views",
    "books",
    "event-loops",
    "disk",
  ]);
});

describe("what fails is named", () => {
  const late = STUCK_MS + 1;
  it.each<[string, string, Partial<Seen>]>([
    ["serving", "SHUTTING_DOWN", { isStopping: true }],
    ["threads", "JOURNAL_UNAVAILABLE", { fatal: "The journal thread ended" }],
    ["threads", "JOURNAL_UNAVAILABLE", { replaced: ["journal"] }],
    ["threads", "OVERLOADED", { replaced: ["checkpoint", "views"] }],
    ["threads", "VIEW_BEHIND", { replaced: ["views"] }],
    ["threads", "OVERLOADED", { late: [{ name: "shard-0", forMs: 1_200 }] }],
    ["journal", "JOURNAL_UNAVAILABLE", { journalDown: "no space left" }],
    ["commits", "JOURNAL_UNAVAILABLE", { journal: { groupsWaiting: 3, oldestGroupMs: late, lastCommitMs: late } }],
    ["commits", "JOURNAL_UNAVAILABLE", { journal: null }],
    ["shards", "NOT_OWNER", { recovering: [1] }],
    ["checkpoints", "OVERLOADED", { checkpointFailures: new Map([[0, "disk"]]) }],
    ["oldest-command", "OVERLOADED", { oldestCommandMs: late }],
    ["views", "VIEW_BEHIND", { views: null }],
    ["views", "VIEW_BEHIND", { views: { position: 1, failure: "broken", findings: [], isStuck: false } }],
    ["views", "VIEW_BEHIND", { views: { position: 1, failure: null, findings: [], isStuck: true } }],
    ["books", "INTERNAL_ERROR", { views: { position: 7, failure: null, findings: ["CZK is off by 1"], isStuck: false } }],
    ["event-loops", "OVERLOADED", { loopLagMs: [["shard-0", late]] }],
    ["event-loops", "OVERLOADED", { loopLagMs: [["shard-0", null]] }],
    ["disk", "JOURNAL_UNAVAILABLE", { disk: { freeBytes: 9, bytesMin: 10 } }],
    ["disk", "JOURNAL_UNAVAILABLE", { disk: null }],
  ])("%s: %s", (name, code, seen) => {
    expect(failingOf(seen)).toEqual([[name, code]]);
    expect(readinessOf({ ...FINE, ...seen })).toMatchObject({ isReady: false, code });
  });

  it("a weak setting is named in the durability", () => {
    expect(readinessOf({ ...FINE, synchronous: "normal" }).durability).toContain("UNSAFE");
  });
});
