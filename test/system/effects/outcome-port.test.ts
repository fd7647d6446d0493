/** The effects thread's end of the port to a shard thread, with a real port. */
import { once } from "node:events";
import { MessageChannel } from "node:worker_threads";
import { expect, it } from "vitest";
import type { FromPerformer, ToPerformer } from "../../../src/runtime/index.ts";
import { OutcomePort } from "../../../src/system/effects/outcome-port.ts";
import { until } from "../../support/test-node.ts";

const CANCEL: ToPerformer = { kind: "cancel", ids: ["1.1.1.0"] };
const outcomeOf = (id: string): FromPerformer => ({ id, attempt: 1, outcome: { kind: "done", value: null } });

it("takes what comes, and posts what ends in one turn together", async () => {
  const { port1, port2 } = new MessageChannel();
  const posted: string[] = [];
  port2.on("message", (text: string) => posted.push(text));
  const outcomes = new OutcomePort(port1, (_message, tell) => {
    tell(outcomeOf("1"));
    tell(outcomeOf("2"));
  });
  port2.postMessage(JSON.stringify(CANCEL));
  await until("the outcomes", () => posted.length > 0);
  expect(posted.map((text) => JSON.parse(text))).toEqual([[outcomeOf("1"), outcomeOf("2")]]);
  outcomes.close();
});

it("P1: closed, it takes nothing of what was under way, so that outcomes are not turned to the dead", async () => {
  const { port1, port2 } = new MessageChannel();
  const taken: ToPerformer[] = [];
  const outcomes = new OutcomePort(port1, (message) => taken.push(message));
  for (let i = 0; i < 100; i++) port2.postMessage(JSON.stringify(CANCEL));
  const gone = once(port2, "close");
  outcomes.close();
  await gone;
  expect(taken).toEqual([]);
});
