/** The second entry of the runtime: seeded simulations of it, for tests. */

export { ActorTestKit, type Probe, type ProbeAnswers, type Received } from "./actor-test-kit.ts";
export { Channel } from "./channel.ts";
export { EntityTestKit, type EntityTestKitOptions, type KitAttempt } from "./entity-test-kit.ts";
export type { Fault as SimulatedFault } from "./fault-plan.ts";
export { JournalCheck } from "./journal-check.ts";
export type { KitAnswer, KitPort } from "./kit-port.ts";
export { LossySnapshots } from "./lossy-snapshots.ts";
export { Random } from "./random.ts";
export { type ClientCommand, commandOf, nameOf, type Operation } from "./simulated-clients.ts";
export type { SimulatedCommand } from "./simulated-ingress.ts";
export { type SimulatedBug, SimulatedProcess } from "./simulated-process.ts";
export type { SimulatedPerformer } from "./simulated-shard.ts";
export { Simulation, type SimulationCounts, type SimulationOptions } from "./simulation.ts";
export { runSimulation, type Scenario, type SimulationResult, type SimulationRunOptions, type SimulationStage } from "./simulation-run.ts";
export { VirtualClock } from "./virtual-clock.ts";
