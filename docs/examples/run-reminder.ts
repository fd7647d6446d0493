import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { reservation } from "./reminder.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-reminder-"));
const config = loadConfig({ argv: ["--data.dir", dir], env: {}, cwd: dir });
const registryUrl = new URL("./reminder.ts", import.meta.url).href;

{
  await using system = await startSystem(config, { registryUrl });
  await system.entity(reservation, "paid").ask.hold({ seat: "A1", forMs: 60_000 });
  await system.entity(reservation, "paid").ask.pay({});
  await system.entity(reservation, "late").ask.hold({ seat: "A2", forMs: 200 });
  console.log(await system.entity(reservation, "late").ask.get({}));
}
// Nobody runs while the time of the second one passes.
await sleep(300);
await using system = await startSystem(config, { registryUrl });
await sleep(300);
console.log(await system.entity(reservation, "late").ask.get({}));
console.log(await system.entity(reservation, "paid").ask.get({}));
