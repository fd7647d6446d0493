import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { account, transfer, transferIdOf } from "../../src/actors/index.ts";
import { loadConfig } from "../../src/system/config/config.ts";
import { startSystem } from "../../src/system/start.ts";

const dir = mkdtempSync(join(tmpdir(), "troupe-embed-"));
await using system = await startSystem(loadConfig({ argv: ["--data.dir", dir], env: {}, cwd: dir }));
const [caller, key, currency] = ["local", "salary-2026-07", "CZK"];
const alice = system.entity(account, "alice");
await alice.ask.open({ currency, kind: "customer", overdraftLimit: "0", owner: null, caller, key: null });
const salary = system.entity(transfer, transferIdOf(caller, key));
for (let sent = 1; sent <= 2; sent++) {
  const paid = await salary.ask.request({ kind: "deposit", from: null, to: "alice", amount: "1050", currency, caller, key });
  console.log(paid.ok ? `${paid.value.state}${paid.value.replayed ? ", replayed" : ""}` : paid.code);
}
console.log(await alice.ask.get({}));
