/** The real server, as `npm start` composes it, with accounts opened: `troupe-server.ts <accounts>`. */
import { startHttp } from "../../src/system/http/index.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { keepYoungHeapYoung } from "../../src/system/young-heap.ts";
import { benchFolder } from "../harness/folder.ts";
import { cpuByThread } from "../harness/machine.ts";
import { audit, benchConfig, benchNode, journalOf } from "../ledger/bench-node.ts";
import { serveQuestions } from "./servers.ts";

const folder = benchFolder();
const node = await benchNode(folder.path, Number(process.argv[2] ?? "100"));
keepYoungHeapYoung();
const http = await startHttp({ system: node, config: benchConfig(folder.path), log: openLog("warn") });
serveQuestions({
  url: http.url,
  look: () => journalOf(node),
  audit: async (transfers) => void (await audit(node, transfers)),
  threads: cpuByThread,
  stop: async () => {
    await http.close(5_000);
    await node.close();
    folder[Symbol.dispose]();
  },
});
