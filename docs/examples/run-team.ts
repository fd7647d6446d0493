import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { member, team } from "./team.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-team-"));
const config = loadConfig({ argv: ["--data.dir", dir, "--shard.threads", "2"], env: {}, cwd: dir });
await using system = await startSystem(config, { registryUrl: new URL("./team.ts", import.meta.url).href });

/** An answer does not wait for the effects that its command caused; who wants to see them looks again. */
async function until(id: string, isSeen: (member: { readonly counted: number; readonly cheers: number }) => boolean): Promise<void> {
  for (;;) {
    const seen = await system.entity(member, id).ask.get({});
    if (seen.ok && isSeen(seen.value)) return console.log(id, seen.value);
  }
}
console.log(await system.entity(member, "ann").ask.score({ team: "red", points: 60 }, { id: "a-1" }));
await until("ann", ({ counted }) => counted === 60);
console.log(await system.entity(member, "bob").ask.score({ team: "red", points: 50 }, { id: "b-1" }));
await until("bob", ({ counted, cheers }) => counted === 50 && cheers === 1);
console.log(await system.entity(team, "red").ask.get({}));
