/** The real server, as `npm start` composes it with NATS, with accounts opened: `troupe-server.ts <accounts> <URL of NATS> <settings as flags>`. */
import { setTimeout as delay } from "node:timers/promises";
import { HttpListener } from "../../src/system/http/index.ts";
import { NatsDoor } from "../../src/system/nats/nats-door.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { keepYoungHeapYoung } from "../../src/system/young-heap.ts";
import { benchFolder } from "../harness/folder.ts";
import { cpuByThread } from "../harness/machine.ts";
import { serveQuestions } from "../http/servers.ts";
import { audit, benchConfig, benchNode, journalOf } from "../ledger/bench-node.ts";

const CONNECTED_MS_MAX = 10_000;

const [accounts = "100", url = "", ...more] = process.argv.slice(2);
const flags = ["--nats.servers", url, ...more];
const folder = benchFolder();
const config = benchConfig(folder.path, flags);
const log = openLog(config.log.level);
const node = await benchNode(folder.path, Number(accounts), flags);
keepYoungHeapYoung();
const door = new NatsDoor({ system: node, config, log, env: process.env, version: "0.0.0" });
await node.open(new HttpListener({ system: node, config, log }), door);
for (const until = performance.now() + CONNECTED_MS_MAX; !door.check.isOk; await delay(5))
  if (performance.now() > until) throw new Error(door.check.detail);
serveQuestions({
  url,
  look: () => journalOf(node),
  audit: async (transfers) => void (await audit(node, transfers)),
  threads: cpuByThread,
  stop: async () => {
    await door.drain(5_000);
    await node.close();
    folder[Symbol.dispose]();
  },
});
