import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";
import { translation } from "./translation.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-translation-"));
const config = loadConfig({ argv: ["--data.dir", dir], env: {}, cwd: dir });
await using system = await startSystem(config, { modules: [new URL("./translation.ts", import.meta.url)] });

const greeting = system.entity(translation, "greeting");
console.log(await greeting.ask.translate({ text: "ahoj světe" }, { id: "first" }));
console.log(await greeting.ask.get({}));
