/**
 * A read-only command through the real path of one node: command router, MessagePort, shard thread, mailbox, handler, output gate and
 * back, with its deadline and promise. The entity exists and is in memory; nothing is written, so no figure here is a durable one.
 */
import type { Node } from "../../src/system/node.ts";
import { startSystem } from "../../src/system/start.ts";
import { closedLoop } from "../harness/closed-loop.ts";
import { benchFolder } from "../harness/folder.ts";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { benchConfig } from "../ledger/bench-node.ts";
import { asksIn, IN_FLIGHT } from "./shape.ts";

export const ask: RunVariant = async (mode) => {
  using folder = benchFolder();
  const config = benchConfig(folder.path, ["--shard.threads", "1", "--shard.mailbox-max", String(IN_FLIGHT)]);
  await using node = await startSystem(config, { registryUrl: new URL("../mailbox/counter.ts", import.meta.url).href });
  const added = await node.ask("counter/one", "add", { amount: 1 });
  assertResult(added.ok && added.value === 1, `the entity was not made: ${JSON.stringify(added)}`);
  const asks = asksIn(mode);
  await closedLoop({ count: asks.warmUp, inFlight: IN_FLIGHT, one: () => look(node) });
  const many = await closedLoop({ count: asks.many, inFlight: IN_FLIGHT, one: () => look(node) });
  const one = await closedLoop({ count: asks.one, inFlight: 1, one: () => look(node) });
  return { figures: { ...many, oneP50Micros: one.p50Ms * 1000 } };
};

async function look(node: Node): Promise<void> {
  const answer = await node.ask("counter/one", "look", { plus: 1 });
  assertResult(answer.ok && answer.value === 2, () => `the answer is ${JSON.stringify(answer)}`);
}
