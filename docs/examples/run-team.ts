import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { member, team } from "./team.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-team-"));
const config = loadConfig({ argv: ["--data.dir", dir, "--shard.threads", "2"], env: {}, cwd: dir });
await using system = await startSystem(config, { registryUrl: new URL("./team.ts", import.meta.url).href });
const [ann, bob] = [system.entity(member, "ann"), system.entity(member, "bob")];
console.log(await ann.ask.score({ team: "red", points: 60 }, { id: "a-1" }));
console.log(await bob.ask.score({ team: "red", points: 50 }, { id: "b-1" }));
await system.checkpointNow(); // Waits until everything told was handled; an answer alone does not wait for the effects.
console.log(await system.entity(team, "red").ask.get({}));
console.log(await ann.ask.get({}), await bob.ask.get({}));
