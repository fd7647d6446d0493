/**
 * A process with one actor and nothing else: it crashes, comes back after its back-off, and stops its system. With the argument `unref` the
 * timers do not keep the process alive: the defect of TRAPS 19.
 */
import { ActorSystem, behaviorSpec, DEFAULT_SUPERVISION, defineBehavior } from "../../src/runtime/index.ts";
import { actorPorts } from "../../src/system/actor-ports.ts";

const ports = actorPorts({ crashed: ({ address }) => console.log(`crashed ${address}`), gaveUp: () => undefined });
const planted = (delayMs: number, run: () => void) => {
  const timer = setTimeout(run, delayMs).unref();
  return () => clearTimeout(timer);
};
const phoenix = defineBehavior<{ burn(): void }>()({
  type: "phoenix",
  started(context) {
    if (context.incarnation === 1) context.self.tell.burn();
    else {
      console.log("respawned");
      void system.then((started) => started.stop());
    }
    return null;
  },
  receive: {
    burn() {
      throw new Error("burnt");
    },
  },
});
const system = ActorSystem.start({
  ports: process.argv.includes("unref") ? { ...ports, after: planted } : ports,
  // A minute after the respawn nothing may be left that keeps the process.
  supervision: { ...DEFAULT_SUPERVISION, restart: { ...DEFAULT_SUPERVISION.restart, backoffMsMin: 200 } },
  children: [behaviorSpec(phoenix, { name: "phoenix", args: undefined })],
});
