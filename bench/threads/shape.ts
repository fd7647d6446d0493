import type { MessagePort } from "node:worker_threads";
import { byMode, type Mode } from "../harness/suite.ts";

export const IN_FLIGHT = 1_000;

/** How many asks: to warm up, with 1,000 in flight, with 1 in flight. The same on both sides of the comparison. */
export const asksIn = (mode: Mode) => ({
  warmUp: byMode(mode, { full: 100_000, quick: 50_000, tiny: 2_000 }),
  many: byMode(mode, { full: 1_000_000, quick: 300_000, tiny: 5_000 }),
  one: byMode(mode, { full: 20_000, quick: 5_000, tiny: 200 }),
});

export interface EchoData {
  readonly port: MessagePort;
}
