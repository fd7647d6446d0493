/** The real server, as `npm start` composes it, without any conversation yet: `troupe-server.ts <settings as flags>`. */
import { startHttp } from "../../src/system/http/index.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { startSystem } from "../../src/system/start.ts";
import { benchFolder } from "../harness/folder.ts";
import { cpuByThread } from "../harness/machine.ts";
import { serveQuestions } from "../http/servers.ts";
import { benchConfig, journalOf } from "../ledger/bench-node.ts";

const folder = benchFolder();
const config = benchConfig(folder.path, process.argv.slice(2));
const log = openLog(config.log.level);
const node = await startSystem(config, { log });
const http = await startHttp({ system: node, config, log });
serveQuestions({
  url: http.url,
  look: () => journalOf(node),
  audit: async () => undefined,
  threads: cpuByThread,
  stop: async () => {
    await http.close(5_000);
    await node.close();
    folder[Symbol.dispose]();
  },
});
