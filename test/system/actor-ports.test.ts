/** Actors and supervision on the machine's clock, with real threads and processes. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  ActorSystem,
  type Behavior,
  type Component,
  type CrashReport,
  DEFAULT_SUPERVISION,
  defineBehavior,
  reply,
} from "../../src/runtime/index.ts";
import { actorPorts } from "../../src/system/actor-ports.ts";
import { WorkerThread } from "../../src/system/threads/worker-thread.ts";
import type { ControlWorker } from "../support/control-worker.ts";

const script = fileURLToPath(new URL("../support/respawning-actor.ts", import.meta.url));
const runScript = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [script, ...args], { encoding: "utf8", timeout: 30_000 });

describe("actors on a real machine", () => {
  it("TRAPS 19: a respawn that is due keeps the process alive, and after a stop nothing does", () => {
    expect(runScript()).toBe("crashed /phoenix\nrespawned\n");
    expect(runScript("unref")).toBe("crashed /phoenix\n"); // The planted defect: the process has gone before.
  });

  it("a thread as a component: its death is a crash with its cause, its successor starts after its exit, a stop ends it", async () => {
    const threads: Array<WorkerThread<ControlWorker>> = [];
    const thread: Component = {
      type: "thread",
      async start() {
        const worker = new WorkerThread<ControlWorker>({
          name: "supervised",
          url: new URL("../support/control-worker.ts", import.meta.url),
          data: null,
          heapMiBMax: 64,
        });
        expect(threads.every(({ isGone }) => isGone)).toBe(true);
        threads.push(worker);
        await worker.call.echo("ready");
        return { stop: () => worker.terminate(), ended: worker.exited };
      },
    };
    const crashes: CrashReport[] = [];
    const { restart } = DEFAULT_SUPERVISION;
    const system = await ActorSystem.start({
      ports: actorPorts({ crashed: (report) => void crashes.push(report), gaveUp: () => expect.unreachable() }),
      supervision: { ...DEFAULT_SUPERVISION, restart: { ...restart, backoffMsMin: 10 } },
      children: [{ kind: "component", name: "thread", component: thread }],
    });
    await threads[0]?.call.crash();
    await expect.poll(() => system.tree().children[0], { timeout: 20_000 }).toMatchObject({ state: "running", restarts: 1 });
    expect(crashes).toMatchObject([{ address: "/thread", doing: "(running)", directive: "restart" }]);
    expect(String(crashes[0]?.cause)).toContain("RangeError: the thread broke");
    await system.stop();
    expect(threads.map(({ isGone }) => isGone)).toEqual([true, true]);
    expect(crashes).toHaveLength(1);
  });

  it("asks between actors, with awaits of the real event loop between", async () => {
    interface Sum {
      of(body: { upTo: number }): number;
    }
    // Annotated, because it names itself.
    const sum: Behavior<Sum, null, undefined> = defineBehavior<Sum>()({
      type: "sum",
      started: () => null,
      receive: {
        async of(context, _, { upTo }) {
          if (upTo === 0) return reply(0);
          await new Promise((resolve) => setImmediate(resolve));
          const child = await context.spawn(sum, "rest", undefined);
          const rest = await child.ask.of({ upTo: upTo - 1 });
          await context.stop(child);
          return reply(upTo + (rest.ok ? rest.value : Number.NaN));
        },
      },
    });
    await using system = await ActorSystem.start({ ports: actorPorts({ crashed: () => undefined, gaveUp: () => undefined }) });
    const ref = await system.spawn(sum, "sum", undefined);
    const asks = Array.from({ length: 20 }, () => ref.ask.of({ upTo: 10 }));
    expect(await Promise.all(asks)).toEqual(Array(20).fill({ ok: true, value: 55 }));
    expect(system.figures()).toMatchObject({ crashes: 0, deadLetters: 0, messagesHandled: 220 });
  });
});
