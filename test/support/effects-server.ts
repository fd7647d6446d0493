/**
 * A program that embeds the system with a module of its own: the admin port, and a door for commands (`POST /ask {to, command, body, id}`). Its
 * argument is the data folder. It says one line of JSON when it is ready, and stops in order on SIGTERM.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json, PlantedBug } from "../../src/runtime/index.ts";
import { startAdmin } from "../../src/system/admin/admin-server.ts";
import { deadCommandRoutes } from "../../src/system/admin/dead-command-routes.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import { effectRoutes } from "../../src/system/effects/effect-routes.ts";
import { openLog } from "../../src/system/observe/log.ts";
import { startSystem } from "../../src/system/start.ts";

interface Asked {
  readonly to: string;
  readonly command: string;
  readonly body: Json;
  readonly id: string | null;
}

const [dir = "", plantedBug = ""] = process.argv.slice(2);
const argv = ["--data.dir", dir, "--shard.threads", "2", "--shard.count", "16", "--journal.disk-free-bytes-min", "0"];
// Small, so that kills hit checkpoints and that recoveries read both checkpoint and tail.
const checkpoints = ["--checkpoint.every-ms", "50", "--checkpoint.every-entities", "20"];
const config = loadConfig({ argv: [...argv, ...checkpoints, "--log.level", "error"], env: {}, cwd: process.cwd() });
const log = openLog(config.log.level);
const system = await startSystem(config, {
  log,
  modules: [new URL("./effects-module.ts", import.meta.url)],
  plantedBug: plantedBug === "" ? null : (plantedBug as PlantedBug),
});
const metrics = { contentType: "text/plain", text: async () => "" };
const admin = await startAdmin({ port: 0, routes: [...effectRoutes(system), ...deadCommandRoutes(null)], metrics, log });
const door = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { to, command, body, id } = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
    void system.ask(to, command, body, id === null ? {} : { id }).then((answer) => response.end(JSON.stringify(answer)));
  });
});
await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
system.dataDir.announce([url], admin.url);
process.stdout.write(`${JSON.stringify({ url, adminUrl: admin.url })}\n`);

process.stdin.resume().once("end", () => process.exit(1)); // Whoever started it is gone.
process.once("SIGTERM", () => {
  door.close();
  door.closeAllConnections();
  void Promise.all([admin.close(), system.close(20_000)]).then(() => process.exit(0));
});
