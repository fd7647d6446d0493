import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { WorkerThread } from "../../../src/system/threads/worker-thread.ts";
import type { ControlWorker } from "../../support/control-worker.ts";

const start = (): WorkerThread<ControlWorker> =>
  new WorkerThread<ControlWorker>({
    name: "called",
    url: new URL("../../support/control-worker.ts", import.meta.url),
    data: null,
    heapMiBMax: 64,
  });
const gone = (why: RegExp) => expect.objectContaining({ code: "INTERNAL_ERROR", message: expect.stringMatching(why) });

describe("a worker thread", () => {
  it("answers calls, and its faults keep their code and their words", async () => {
    const thread = start();
    expect(await Promise.all(["a", "b"].map((text) => thread.call.echo(text)))).toEqual(["a", "b"]);
    await expect(thread.call.fault()).rejects.toMatchObject({ code: "JOURNAL_CORRUPT", message: "record 7 is not what its hash says" });
    await expect(thread.call.defect()).rejects.toMatchObject({ code: "INTERNAL_ERROR", message: expect.stringMatching(/a defect of the/) });
    expect(await thread.call.echo("goes on")).toBe("goes on");
    await thread.terminate();
  });

  it("a call to a thread that has ended is refused instead of waiting for ever", async () => {
    const thread = start();
    await thread.call.echo("runs");
    expect(thread.isGone).toBe(false);
    await thread.terminate();
    expect(thread.isGone).toBe(true);
    await expect(thread.call.echo("late")).rejects.toEqual(gone(/the called thread did not answer: it has ended/));
    await thread.terminate(); // Twice is once.
  });

  it("calls under way are refused when the thread ends, with the reason of its end", async () => {
    const thread = start();
    await thread.call.echo("runs");
    const refusals = Promise.allSettled([thread.call.never(), thread.call.never()]);
    await thread.call.crash();
    expect(await thread.exited).toMatch(/RangeError: the thread broke/);
    const rejected = { status: "rejected", reason: gone(/the called thread did not answer: RangeError: the thread broke/) };
    expect(await refusals).toEqual([rejected, rejected]);
  });

  it("a call that ends the thread is refused with its exit code", async () => {
    const thread = start();
    await expect(thread.call.exit(3)).rejects.toEqual(gone(/exit with code 3/));
    expect(await thread.exited).toBe("exit with code 3");
  });

  it("TRAPS 39: a thread that is ended while it loads its modules is left to load them: Node.js would abort the process", async () => {
    const loaded = new Int32Array(new SharedArrayBuffer(4));
    const thread = new WorkerThread<ControlWorker>({
      name: "loading",
      url: new URL("../../support/slow-loading-worker.ts", import.meta.url),
      data: { loaded },
      heapMiBMax: 64,
    });
    await thread.terminate();
    expect(Atomics.load(loaded, 0)).toBe(1);
  });

  it("a thread that cannot start ends with the reason, and calls to it are refused", async () => {
    const thread = new WorkerThread<ControlWorker>({
      name: "absent",
      url: new URL("./no-such-worker.ts", import.meta.url),
      data: null,
      heapMiBMax: 64,
    });
    await expect(thread.call.echo("never")).rejects.toEqual(gone(/no-such-worker/));
    expect(await thread.exited).toMatch(/no-such-worker/);
  });

  it("L6: 20,000 calls to a thread that lives leave nothing behind: neither answers nor reactions to its end", () => {
    const script = fileURLToPath(new URL("../../support/control-calls.ts", import.meta.url));
    const { grownBytes } = JSON.parse(execFileSync(process.execPath, ["--expose-gc", script, "20000"], { encoding: "utf8" }));
    // A kept answer is 1,000 bytes, a kept reaction some hundred: 20 MB and 4 MB.
    expect(grownBytes).toBeLessThan(1_500_000);
  });
});
