import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { counter } from "./counter.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-counter-"));
const config = loadConfig({ argv: ["--data.dir", dir], env: {}, cwd: dir });
const registryUrl = new URL("./counter.ts", import.meta.url).href;

{
  await using system = await startSystem(config, { registryUrl });
  const visits = system.entity(counter, "visits");
  console.log(await visits.ask.add({ by: 2 }, { id: "first" }));
  console.log(await visits.ask.add({ by: 2 }, { id: "first" })); // The same id: the first answer, and nothing is added.
  console.log(await visits.ask.add({ by: 2_000 }));
}
await using system = await startSystem(config, { registryUrl }); // Another life on the same directory.
console.log(await system.entity(counter, "visits").ask.get({}));
