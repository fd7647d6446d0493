/** Effects that leave a real node: real threads, a real pool, and an upstream in a process of its own (L4, R-SYS-3, TRAPS 1-3). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdminRoute } from "../../../src/system/admin/admin-route.ts";
import { effectRoutes } from "../../../src/system/effects/effect-routes.ts";
import type { Node } from "../../../src/system/node.ts";
import { courier } from "../../support/effects-module.ts";
import { openNode, type TestNode, until } from "../../support/test-node.ts";
import { startUpstream, type Upstream } from "../../support/upstream-process.ts";

const MODULE = new URL("../../support/effects-module.ts", import.meta.url);
const FLAGS = { "--shard.threads": 2 };

let upstream: Upstream;
let dir: string;
beforeAll(async () => {
  upstream = await startUpstream();
  process.env.UPSTREAM_URL = upstream.url;
  dir = mkdtempSync(join(tmpdir(), "troupe-effects-"));
});
afterAll(async () => {
  await upstream[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const open = (name: string, flags: Readonly<Record<string, string | number>> = {}): Promise<TestNode> =>
  openNode(join(dir, name), { ...FLAGS, ...flags }, [MODULE]);

async function heard(node: Node, id: string, name: string): Promise<string | null> {
  const answer = await node.entity(courier, id).ask.get({});
  const parcel = answer.ok ? answer.value.parcels[name] : undefined;
  if (parcel !== undefined && parcel.answers > 1) throw new Error(`${name} was answered ${parcel.answers} times`);
  return parcel === undefined || parcel.answers === 0 ? null : parcel.last;
}

/** What a route of the admin port answers. */
function asked(node: Node, method: AdminRoute["method"], path: string, query: Readonly<Record<string, string>> = {}): Promise<unknown> {
  for (const route of effectRoutes(node)) {
    const found = route.method === method ? new RegExp(`^${route.path.replace(":id", "(?<id>[^/]+)")}$`).exec(path) : null;
    if (found !== null) return route.answer({ params: { ...found.groups }, query });
  }
  throw new Error(`there is no ${method} ${path}`);
}
const callsOf = async (name: string): Promise<readonly string[]> =>
  (await upstream.calls()).filter((call) => call.name === name).map(({ key }) => key);

describe("call effects", () => {
  let shared: TestNode;
  beforeAll(async () => {
    shared = await open("call");
  });
  afterAll(async () => shared.node.close());

  it.each([
    ["ok", "ok", 1],
    ["500", "ok", 3],
    ["429", "ok", 3],
    ["reset", "ok", 3],
    ["slow", "ok", 2],
  ])("R-CON-6: an upstream that is %s: the entity gets one answer, and every call has the same key", async (mode, last, calls) => {
    const { node } = shared;
    const name = `${mode}-parcel`;
    await node.entity(courier, "a").ask.send({ name, mode }, { id: mode });
    expect(await until(name, () => heard(node, "a", name))).toBe(last);
    const keys = await callsOf(name);
    expect([keys.length, new Set(keys).size]).toEqual([calls, 1]);
    await node.entity(courier, "a").ask.send({ name, mode }, { id: mode });
    expect((await callsOf(name)).length).toBe(calls);
  });

  it("TRAPS 1: 422 is not attempted again: a refusal", async () => {
    const { node } = shared;
    const answer = await node.entity(courier, "a").ask.ask({ name: "bad", mode: "refuse" });
    expect(answer).toEqual({ ok: true, value: "UPSTREAM_BAD_RESPONSE: status 422 for [bad]" });
    expect((await callsOf("bad")).length).toBe(1);
  });

  it("an effect to a port that no module defines is a crash of the handler, and nothing is kept", async () => {
    const { node, errors } = shared;
    expect(await node.entity(courier, "a").ask.lost({})).toMatchObject({ ok: false, code: "INTERNAL_ERROR" });
    await until("the crash is logged", () => errors.length > 0);
    expect(errors).toEqual(["an entity crashed"]);
    expect(await asked(node, "GET", "/effects")).toEqual({ items: [], next: null, partial: [] });
  });
});

describe("compute effects", () => {
  let node: Node;
  beforeAll(async () => {
    node = (await open("compute", { "--pool.threads": 1, "--pool.heap-mib-max": 32 })).node;
  });
  afterAll(async () => node.close());

  it.each(["ok", "throw", "exit", "loop", "heap"])("a task that does %s at its first attempt is done in the end", async (mode) => {
    const names = [mode, `after ${mode}`];
    for (const name of names) await node.entity(courier, "a").ask.compute({ name, mode: name }, { id: name });
    for (const name of names) expect(await until(name, () => heard(node, "a", name))).toBe("ok");
  });

  it("issue 3 G: attempts, tasks and the queue of the pool are measured, and the thread is in the tree", async () => {
    const taken = await node.measures();
    const all = taken.flatMap(({ part, taken: of }) => (of?.measures ?? []).map((each) => ({ ...each, part })));
    const tasks = all.find(({ name }) => name === "pool_task_seconds");
    expect(tasks).toMatchObject({ part: "effects", value: { sum: expect.any(Number) } });
    const done = all.filter(
      ({ name, labels }) => name === "effect_attempts_total" && labels.kind === "compute" && labels.outcome === "done",
    );
    expect(done.reduce((sum, { value }) => sum + Number(value), 0)).toBe(10);
    expect(all.find(({ name }) => name === "pool_queue_depth")).toMatchObject({ value: 0 });
    expect(JSON.stringify(node.tree())).toContain('"address":"/system/effects"');
    expect((await node.readiness()).checks.find(({ name }) => name === "event-loops")?.detail).toMatch(/effects \d+ ms/);
  });
});

describe("crashes and stops", () => {
  it("the effects thread ends during calls: its successor makes them with the same keys", async () => {
    const { node, errors } = await open("performer-dies");
    await using _closes = node;
    for (const name of ["x1", "x2", "x3"]) await node.entity(courier, name).ask.send({ name, mode: "slow" }, { id: name });
    await until("the call", async () => (await callsOf("x1")).length > 0);
    await node.killEffectsThread();
    for (const name of ["x1", "x2", "x3"]) {
      expect(await until(name, () => heard(node, name, name))).toBe("ok");
      expect(new Set(await callsOf(name)).size).toBe(1);
    }
    expect(errors).toEqual(["a part ended; it is replaced"]);
  });

  it("P1: a shard thread ends during a call: its successor hears of it, and it is not made a second time", async () => {
    const { node } = await open("shard-dies", { "--shard.threads": 1 });
    await using _closes = node;
    const asked = node.entity(courier, "a").ask.ask({ name: "late-letter", mode: "late" });
    await until("the call", async () => (await callsOf("late-letter")).length > 0);
    await node.killShardThread(0);
    expect(await asked).toMatchObject({ ok: false, code: "OUTCOME_UNKNOWN" });
    expect(await until("the answer", () => heard(node, "a", "late-letter"))).toBe("ok");
    expect((await callsOf("late-letter")).length).toBe(1);
  });

  it("DESIGN 4.6: a stop lets attempts under way end; what rests goes on at the next start", async () => {
    const first = await open("stops");
    await first.node.entity(courier, "a").ask.send({ name: "resting", mode: "poison" }, { id: "1" });
    await until("an attempt", async () => (await callsOf("resting")).length > 0);
    await first.node.close();
    const calls = (await callsOf("resting")).length;
    const { node } = await open("stops");
    await using _closes = node;
    expect(await asked(node, "GET", "/effects")).toMatchObject({ items: [{ to: "parcels", from: "courier/a" }] });
    await until("another attempt", async () => (await callsOf("resting")).length > calls);
    expect(new Set(await callsOf("resting")).size).toBe(1);
    await node.entity(courier, "a").ask.forget({ name: "resting" });
    expect(await asked(node, "GET", "/effects")).toMatchObject({ items: [] });
  });
});

describe("modules", () => {
  it.each([
    ["data:text/javascript,throw new Error('no luck')", "cannot be used: no luck"],
    ["data:text/javascript,export const x = 1", "exports neither"],
    ["data:text/javascript,export const definitions = { a: 1 }", 'its "definitions" is {"a":1}; expected an array'],
    ["data:text/javascript,export const ports = () => []", 'its "ports" is function; expected an array'],
    ["data:text/javascript,export const ports = [null]", '"ports" has null at 0; expected an object'],
    ["data:text/javascript,export const ports = []; process.exit(0)", "it calls process.exit(0) while it is loaded"],
    ["data:text/javascript,export const ports = [{ name: 'a b', kind: 'call', perform: () => null }]", 'the port "a b" cannot be used'],
    ["data:text/javascript,export const definitions = [{ type: 'account' }]", 'the entity type "account", which the service has already'],
  ])("%s fails the start by name, and leaves no thread", async (url, why) => {
    await expect(openNode(join(dir, "refused-module"), FLAGS, [new URL(url)])).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(why),
    });
  });

  it("the same port in two modules is refused", async () => {
    const again = new URL("data:text/javascript,export const ports = [{ name: 'sums', kind: 'call', perform: () => null }]");
    await expect(openNode(join(dir, "refused-module"), FLAGS, [MODULE, again])).rejects.toThrow('the port "sums" is defined twice');
  });
});

describe("the admin routes of effects", () => {
  it("list pages, show, cancel, replay and drop; what is over is EFFECT_CLOSED or not_found", async () => {
    await using node = (await open("admin")).node;
    for (let i = 0; i < 6; i++) await node.entity(courier, `n${i}`).ask.notice({ name: `notice-${i}`, mode: "poison" }, { id: "1" });
    const dead = await until("dead letters", async () => {
      const { items } = (await asked(node, "GET", "/effects", { state: "dead" })) as {
        readonly items: ReadonlyArray<{ readonly id: string }>;
      };
      return items.length === 6 ? items.map(({ id }) => id) : null;
    });
    const pages: string[] = [];
    for (let after: string | null = ""; after !== null; ) {
      const query: Readonly<Record<string, string>> = after === "" ? { limit: "2" } : { limit: "2", after };
      const page = (await asked(node, "GET", "/effects", query)) as {
        readonly items: readonly { id: string }[];
        readonly next: string | null;
      };
      pages.push(...page.items.map(({ id }) => id));
      after = page.next;
    }
    expect(pages).toEqual(dead);
    const [replayed = "", dropped = ""] = dead;
    expect(await asked(node, "GET", `/effects/${replayed}`)).toMatchObject({
      id: replayed,
      kind: "call",
      to: "notices",
      state: "dead",
      lastError: expect.stringContaining("attempt 3 of 3 failed: status 500"),
    });
    await expect(asked(node, "POST", `/effects/${replayed}/cancel`)).rejects.toMatchObject({ code: "illegal_transition" });
    expect(await asked(node, "POST", `/effects/${dropped}/drop`)).toEqual({ id: dropped, action: "drop" });
    for (const action of ["replay", "drop", "cancel"]) {
      await expect(asked(node, "POST", `/effects/${dropped}/${action}`)).rejects.toMatchObject({ code: "EFFECT_CLOSED" });
    }
    await expect(asked(node, "GET", `/effects/${dropped}`)).rejects.toMatchObject({ code: "not_found" });
    await upstream.heal();
    expect(await asked(node, "POST", `/effects/${replayed}/replay`)).toEqual({ id: replayed, action: "replay" });
    await until("the replay", async () => {
      const { items } = (await asked(node, "GET", "/effects")) as { readonly items: readonly unknown[] };
      return items.length === 4;
    });
  });

  it("bad asks are refused by name", async () => {
    await using node = (await open("bad-asks")).node;
    const asks: ReadonlyArray<readonly [path: string, query: Readonly<Record<string, string>>, code: string]> = [
      ["/effects/none", {}, "validation_failed"],
      ["/effects/9999.1.1.0", {}, "validation_failed"],
      ["/effects", { limit: "0" }, "validation_failed"],
      ["/effects", { limit: "1001" }, "validation_failed"],
      ["/effects", { state: "closed" }, "validation_failed"],
      ["/effects", { after: "x" }, "validation_failed"],
      ["/effects/1.1.1.0", {}, "not_found"],
    ];
    for (const [path, query, code] of asks) await expect(asked(node, "GET", path, query)).rejects.toMatchObject({ code });
    await expect(asked(node, "POST", "/effects/1.1.1.0/drop")).rejects.toMatchObject({ code: "EFFECT_CLOSED" });
  });
});
