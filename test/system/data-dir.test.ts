/** The lock is tried with real processes: only those die as a killed server does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { DataDir, readRunFile } from "../../src/system/data-dir.ts";
import { folder } from "../support/journal-bench.ts";

const script = fileURLToPath(new URL("../support/hold-data-dir.ts", import.meta.url));

/** A process that tries to take the directory; resolves with what it says first. */
async function holder(dir: string): Promise<{ readonly child: ChildProcess; readonly says: string }> {
  const child = spawn(process.execPath, [script, dir], { stdio: ["ignore", "pipe", "inherit"] });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  return { child, says: text.toString().trim() };
}
async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
const inUse = (message: RegExp) => expect.objectContaining({ code: "DATA_DIR_IN_USE", message: expect.stringMatching(message) });

describe("the data directory", () => {
  it("is made with the rights of its owner alone, and says who runs on it until it is closed", () => {
    using parent = folder();
    const path = join(parent.path, "a", "b");
    const dir = new DataDir(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    dir.announce(["http://127.0.0.1:7070"], "http://127.0.0.1:9090");
    expect(readRunFile(path)).toEqual({
      pid: process.pid,
      urls: ["http://127.0.0.1:7070"],
      adminUrl: "http://127.0.0.1:9090",
      startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    dir.close();
    expect(existsSync(join(path, "run.json"))).toBe(false);
  });

  it("a second process is refused, with the first one's pid and the way out", async () => {
    using parent = folder();
    const { child, says } = await holder(parent.path);
    try {
      expect(says).toBe("held");
      expect(() => new DataDir(parent.path)).toThrow(inUse(new RegExp(`process ${child.pid}\\. Use --url http://127.0.0.1:7070`)));
      const second = await holder(parent.path);
      expect(second.says).toBe("DATA_DIR_IN_USE");
      expect(readRunFile(parent.path)?.pid).toBe(child.pid); // The refused ones left the first one's file alone.
    } finally {
      await kill(child);
    }
  });

  it("is free as soon as its process is killed -9, and a stale run.json is replaced", async () => {
    using parent = folder();
    const { child } = await holder(parent.path);
    await kill(child);
    expect(readRunFile(parent.path)?.pid).toBe(child.pid);
    const dir = new DataDir(parent.path);
    expect(readRunFile(parent.path)?.pid).toBe(process.pid);
    dir.close();
  });

  it("a second holder in the same process is refused too, and takes nothing from the first", async () => {
    using parent = folder();
    const first = new DataDir(parent.path);
    expect(() => new DataDir(parent.path)).toThrow(inUse(/process/));
    const { says } = await holder(parent.path);
    expect(says).toBe("DATA_DIR_IN_USE"); // A lock of the process would have gone with the second holder's descriptor.
    first.close();
    new DataDir(parent.path).close();
  });

  it("is made with the folders above it, and where no folder can be made that is said at once", () => {
    using parent = folder();
    const path = join(parent.path, "a", "b", "c");
    new DataDir(path).close();
    for (const each of ["a", "a/b", "a/b/c"]) expect(statSync(join(parent.path, each)).mode & 0o777).toBe(0o700);
    expect(() => new DataDir("/proc/no-such-folder/c")).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/^data\.dir: .* cannot be made or used/) }),
    );
  });

  it("a path that is no directory is CONFIG_INVALID and names the setting", () => {
    using parent = folder();
    writeFileSync(join(parent.path, "file"), "");
    expect(() => new DataDir(join(parent.path, "file"))).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(/^data\.dir: /) }),
    );
  });
});
