/** Effects that tell while they go on, and effects whose dead letters are kept, with real threads (R-CON-5, R-CON-9, TRAPS 27). */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Node } from "../../../src/system/node.ts";
import { type Shelf, shelf } from "../../support/stories-module.ts";
import { openNode, until } from "../../support/test-node.ts";

const MODULE = new URL("../../support/stories-module.ts", import.meta.url);

let dir: string;
let node: Node;
let count = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "troupe-progress-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const open = async (): Promise<Node> => (await openNode(join(dir, `${count}`), { "--shard.threads": 1 }, [MODULE])).node;
beforeEach(async () => {
  count++;
  node = await open();
});
afterEach(async () => node.close());

async function look(): Promise<Shelf> {
  const answer = await node.entity(shelf, "s").ask.get({});
  if (!answer.ok) throw new Error(answer.code);
  return answer.value;
}
const storyOf = (mode: "tell" | "hold" | "door", pieces: number) => ({ mode, count: pieces, note: join(dir, `${count}.note`) });
/** What an aborted attempt wrote down. */
function note(): { readonly why: string } | null {
  const path = join(dir, `${count}.note`);
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return text === "" ? null : JSON.parse(text);
}
/** A story of which the first attempt has told all its pieces and does not end. */
async function holding(): Promise<void> {
  await node.entity(shelf, "s").ask.begin(storyOf("hold", 5));
  await until("the pieces", async () => (await look()).heard[1] === 5);
}

describe("progress", () => {
  it("a thousand values come in order, each an event, before the answer", async () => {
    expect(await node.entity(shelf, "s").ask.read(storyOf("tell", 1_000))).toEqual({ ok: true, value: "the end" });
    expect(await look()).toEqual({ heard: { 1: 1_000 }, isInOrder: true, end: "the end" });
  });

  it("TRAPS 27: a command that cancels aborts the attempt, which nothing else would end, and nothing more is heard of it", async () => {
    await holding();
    await node.entity(shelf, "s").ask.stop({});
    expect((await until("the abort", note)).why).toBe("the effect was cancelled");
    expect(await look()).toEqual({ heard: { 1: 5 }, isInOrder: true, end: "stopped" });
    expect((await node.effects.page({ after: null, limit: 9, state: null })).items).toEqual([]);
  });

  it("X4: the effects thread ends: the next attempt tells from the beginning, under its own number", async () => {
    await holding();
    await node.killEffectsThread();
    await until("the end", async () => (await look()).end !== null);
    expect(await look()).toEqual({ heard: { 1: 5, 2: 5 }, isInOrder: true, end: "the end" });
  });

  it("P1: the shard thread ends: the attempt is aborted, for its listener is gone, and the next one tells from the beginning", async () => {
    await holding();
    await node.killShardThread(0);
    await until("the end", async () => (await look().catch(() => null))?.end ?? null);
    expect(await look()).toEqual({ heard: { 1: 5, 2: 5 }, isInOrder: true, end: "the end" });
    expect(note()?.why).toContain("it is attempted anew");
  });
});

describe("keepsDead", () => {
  it("R-CON-5: the dead letter outlives a restart, the entity hears nothing of it, and its replay is the answer", async () => {
    const story = storyOf("door", 3);
    await node.entity(shelf, "s").ask.begin(story);
    const dead = () => node.effects.page({ after: null, limit: 9, state: "dead" });
    await until("the dead letter", async () => (await dead()).items.length === 1);
    await node.close();
    node = await open();
    const [{ id } = { id: "" }] = (await dead()).items;
    expect((await look()).end).toBeNull();
    writeFileSync(story.note, "");
    expect(await node.effects.resolve(id, "replay")).toMatchObject({ ok: true });
    await until("the end", async () => (await look()).end !== null);
    expect(await look()).toEqual({ heard: { 1: 3 }, isInOrder: true, end: "the end" });
    expect((await node.effects.page({ after: null, limit: 9, state: null })).items).toEqual([]);
  });
});
