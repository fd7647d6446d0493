/** Answers each command of a batch with a small value, all in one message. */
import { workerData } from "node:worker_threads";
import type { EchoData } from "./shape.ts";

const { port } = workerData as EchoData;
type Command = readonly [caller: number, to: string, command: string, body: { readonly plus: number }];
port.on("message", (text: string) => {
  const commands = JSON.parse(text) as readonly Command[];
  port.postMessage(JSON.stringify(commands.map(([caller, , , { plus }]) => [caller, { ok: true, value: plus + 1 }])));
});
