/** The second entry of the runtime: seeded simulations of it, for tests. */

export { ActorTestKit, type Probe, type ProbeAnswers, type Received } from "./actor-test-kit.ts";
export { Channel } from "./channel.ts";
export { LossySnapshots } from "./lossy-snapshots.ts";
export { Random } from "./random.ts";
export type { SimulatedCommand } from "./simulated-ingress.ts";
export { type SimulatedBug, SimulatedProcess } from "./simulated-process.ts";
export type { SimulatedPerformer } from "./simulated-shard.ts";
export { type Fault as SimulatedFault, Simulation, type SimulationCounts, type SimulationOptions } from "./simulation.ts";
export { VirtualClock } from "./virtual-clock.ts";
