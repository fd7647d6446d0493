/**
 * The checks of issues 2 to 5, small: the same programs on the same real parts as on the command line, with fewer kills, orders and lines.
 * Their figures are asserted, their times are not.
 */
import { execFile } from "node:child_process";
import { describe, expect, it } from "vitest";
import { describeWithNats } from "../support/with-nats.ts";

/** On a machine that is busy; as everywhere, nobody asserts how long it took. */
const TEST_MS_MAX = 240_000;

type Figures = Readonly<Record<string, unknown>>;
interface Ended {
  readonly code: number;
  readonly figures: Figures;
}

/** Runs a check as its npm script does; the last line of its output are the figures. */
function check(name: string, ...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [`test/checks/${name}.ts`, "--json", ...args],
      { timeout: TEST_MS_MAX - 10_000 },
      (error, stdout, stderr) => {
        const last = stdout.trimEnd().split("\n").at(-1) ?? "";
        const figures = last.startsWith("{") ? (JSON.parse(last) as Figures) : null;
        if (figures === null || "why" in figures) reject(new Error(`check:${name} told no figures: ${last}\n${stderr}`, { cause: error }));
        else resolve({ code: error === null ? 0 : Number(error.code), figures });
      },
    );
  });
}

describe("check:kill", () => {
  it("L2, L3, R-LED-4: kill -9 of the server loses nothing acknowledged and does nothing twice, with 1 and 2 shard threads", async () => {
    const { code, figures } = await check("kill", "--kills", "3", "--acks", "100");
    expect(figures).toMatchObject({ ok: true, kills: 3, killsInFlight: 3, lost: 0, doubled: 0, replaysChanged: 0, defects: [] });
    expect(code).toBe(0);
  });

  it("L2: notices a server that acknowledges before the commit", async () => {
    const { code, figures } = await check("kill", "--kills", "3", "--acks", "50", "--weaken", "reply-before-commit");
    expect(figures).toMatchObject({ ok: false, lost: expect.any(Number) });
    expect(figures.lost).toBeGreaterThan(0);
    expect(code).toBe(1);
  });

  it("DESIGN 4.3: a shard thread that is killed loses nothing acknowledged and does nothing twice, among 3", async () => {
    const { code, figures } = await check("kill", "--thread", "--threads", "3", "--kills", "3", "--acks", "100");
    expect(figures).toMatchObject({ ok: true, kills: 3, lost: 0, doubled: 0, replaysChanged: 0, defects: [] });
    expect(code).toBe(0);
  });
});

describe("check:chaos", () => {
  const few = [
    "--seconds",
    "16",
    "--gap-ms",
    "400",
    "--heartbeat-ms",
    "1000",
    "--connections",
    "16",
    "--ratio-percent",
    "0",
    "--serving-ms",
    "0",
  ];

  it(
    "DESIGN 4.3, 4.4: threads that die and a full disk under load lose nothing acknowledged, and readiness names each",
    async () => {
      const { code, figures } = await check(
        "chaos",
        ...few,
        "--kinds",
        "shard-throw,shard-loop,journal-exit,checkpoint-exit,views-exit,disk-full",
      );
      expect(figures).toMatchObject({ ok: true, lost: 0, doubled: 0, defects: [] });
      expect(code).toBe(0);
    },
    TEST_MS_MAX,
  );

  it("L2: notices a server that acknowledges before the commit", async () => {
    const { code, figures } = await check("chaos", ...few, "--kinds", "journal-exit,disk-full", "--weaken", "reply-before-commit");
    expect(figures).toMatchObject({ ok: false, lost: expect.any(Number) });
    expect(figures.lost).toBeGreaterThan(0);
    expect(code).toBe(1);
  });
});

describe("check:stop", () => {
  it("DESIGN 4.6: SIGTERM and kill -9 under load lose nothing accepted, with and without a supervisor that brings it back", async () => {
    const { code, figures } = await check("stop", "--rounds", "4", "--acks", "50");
    expect(figures).toMatchObject({ ok: true, rounds: 4, lost: 0, doubled: 0, halfAnswers: 0, defects: [] });
    expect(figures.styles).toMatchObject({ held: 1, kill: 1, duck: 1, supervised: 1 });
    expect(code).toBe(0);
  });
});

describe("check:turns", () => {
  const few = ["--turns", "300", "--conversations", "20", "--connections", "32"];

  it(
    "R-CON-4: SIGTERM and kill -9 under conversations lose no turn and no summary, do none twice and keep their order",
    async () => {
      const { code, figures } = await check("turns", ...few, "--kills", "4");
      expect(figures).toMatchObject({ ok: true, turns: 300, kills: 2, terms: 2, acknowledged: 300, lost: 0, duplicated: 0, outOfOrder: 0 });
      expect(figures).toMatchObject({ replaysChanged: 0, defects: [] });
      expect(code).toBe(0);
    },
    TEST_MS_MAX,
  );

  it(
    "L2: notices a server that acknowledges before the commit",
    async () => {
      const { code, figures } = await check("turns", ...few, "--kills", "6", "--weaken", "reply-before-commit");
      expect(figures).toMatchObject({ ok: false, lost: expect.any(Number) });
      expect(figures.lost).toBeGreaterThan(0);
      expect(code).toBe(1);
    },
    TEST_MS_MAX,
  );
});

describeWithNats("check:nats", () => {
  const few = ["--commands", "600"];

  it(
    "L2, L3, R-SYS-3: commands over NATS are done once and every event is heard across kills of the service and restarts of NATS",
    async () => {
      const { code, figures } = await check("nats", ...few, "--kills", "3", "--restarts", "2");
      expect(figures).toMatchObject({
        ok: true,
        acknowledged: 1_200,
        stored: 600,
        kills: 3,
        restarts: 2,
        lost: 0,
        doubled: 0,
        differing: 0,
      });
      expect(figures).toMatchObject({ eventsMissing: 0, eventsOutOfOrder: 0, repeatsChanged: 0, subscribedOutOfOrder: 0, defects: [] });
      expect(code).toBe(0);
    },
    TEST_MS_MAX,
  );

  it.each([
    ["reply-before-commit", "lost"],
    ["ack-before-commit", "lost"],
    ["other-keys", "doubled"],
  ])(
    "L2, L3: notices %s",
    async (bug, figure) => {
      const { code, figures } = await check("nats", ...few, "--kills", "1", "--restarts", "0", "--weaken", bug);
      expect(figures.ok).toBe(false);
      expect(figures[figure]).toBeGreaterThan(0);
      expect(code).toBe(1);
    },
    TEST_MS_MAX,
  );
});

describe("check:effects", () => {
  it(
    "L4, R-SYS-3: servers killed at any moment do every effect, repeat only its own key, and their dead letters are replayed",
    async () => {
      const { code, figures } = await check("effects", "--rounds", "3", "--processes", "4");
      expect(figures).toMatchObject({ ok: true, lost: 0, doubled: 0, keysUnknown: 0, defects: [] });
      expect(figures.processes).toMatchObject({ rounds: { called: 1, answered: 1, any: 1, held: 1 } });
      expect(code).toBe(0);
    },
    TEST_MS_MAX,
  );

  it("L2: notices a server that performs before the commit", async () => {
    const { code, figures } = await check("effects", "--rounds", "0", "--processes", "4", "--weaken", "perform-before-commit");
    expect(figures.ok).toBe(false);
    expect(figures.keysUnknown).toBeGreaterThan(0);
    expect(code).toBe(1);
  });
});

describe("check:hot", () => {
  it("R-LED-3, R-LED-6: one key has one effect and one hot account its exact sum, with 1, 2 and 3 shard threads", async () => {
    const { code, figures } = await check("hot-account", "--orders", "1000");
    expect(figures).toMatchObject({ ok: true, defects: [] });
    expect(figures.runs).toMatchObject([1, 2, 3].map((threads) => ({ threads, credits: "650.00" })));
    expect(code).toBe(0);
  });
});

describe("check:start", () => {
  it("DESIGN 4.4: a start behind a checkpoint loads no entity", async () => {
    const { code, figures } = await check("start-up", "--accounts", "500", "--entries", "2000", "--starts", "1", "--ready-ms", "30000");
    expect(figures).toMatchObject({ ok: true, entitiesAtReady: 0 });
    expect(code).toBe(0);
  });
});

describe("check:timers", () => {
  it("TRAPS 24: timers of next year cost a start nothing, and those that are due ring once across a restart", async () => {
    const { code, figures } = await check(
      "timers",
      "--timers",
      "2000",
      "--soon",
      "50",
      "--starts",
      "1",
      "--ready-ms",
      "30000",
      "--grow-mib",
      "200",
    );
    expect(figures).toMatchObject({ ok: true, soon: 50, once: 50, twice: 0, early: 0 });
    expect(code).toBe(0);
  });
});

describe("check:bulk", () => {
  it("R-LED-10, L6: a bulk stream is answered in order, line by line, before it ends", async () => {
    // What the compiler takes while it warms up says nothing about the stream, so memory is bounded loosely here.
    const { code, figures } = await check("bulk", "--lines", "5000", "--warm", "1000", "--growth-mib", "256");
    expect(figures).toMatchObject({ ok: true, lines: 5_000, answers: 5_000, defects: [] });
    expect(code).toBe(0);
  });
});

describe("check:memory", () => {
  it("L6, DESIGN 4.6: entities touched once leave memory by bytes x idle time, none is lost, and what stays is below the bound", async () => {
    const { code, figures } = await check("memory", "--entities", "5000", "--entities-mib", "1", "--threads", "2");
    expect(figures).toMatchObject({ ok: true, entities: 5_000, readWrong: 0 });
    expect(Number(figures.passivations) + Number(figures.entitiesInMemory)).toBeGreaterThanOrEqual(5_000);
    expect(Number(figures.entitiesMib)).toBeLessThanOrEqual(2);
    expect(code).toBe(0);
  });
});
