import { KeepAliveClient } from "./keep-alive-client.ts";
import type { KillableServer } from "./killable-server.ts";
import { httpDoor, type LedgerLoad } from "./ledger-load.ts";

/** The last life of a server: everything that is open gets its outcome, the books are asked for, and the server is stopped in order. @returns what is wrong. */
export async function settle(
  server: KillableServer,
  { load, connections }: { readonly load: LedgerLoad; readonly connections: number },
): Promise<readonly string[]> {
  const client = new KeepAliveClient(server.url, connections);
  await load.settle(httpDoor(client));
  const trial = await client.send({ method: "GET", path: "/v1/ledger/trial-balance" });
  client.close();
  const defects: string[] = [];
  const { lines } = JSON.parse(trial.body) as { readonly lines?: ReadonlyArray<{ readonly total: string; readonly inTransit: string }> };
  for (const { total, inTransit } of lines ?? [])
    if (Number(total) !== 0 || Number(inTransit) !== 0) defects.push(`the trial balance says total ${total}, in transit ${inTransit}`);
  if (trial.status !== 200) defects.push(`the trial balance answered ${trial.status} ${trial.body}`);
  const code = await server.stop();
  if (code !== 0) defects.push(`the last server ended with ${code}`);
  return defects;
}
