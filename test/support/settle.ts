import { KeepAliveClient } from "./keep-alive-client.ts";
import type { KillableServer } from "./killable-server.ts";
import { httpDoor, type LedgerLoad } from "./ledger-load.ts";
import { defectsOfTrial } from "./trial-balance.ts";

/** The last life of a server: everything that is open gets its outcome, the books are asked for, and the server is stopped in order. @returns what is wrong. */
export async function settle(
  server: KillableServer,
  { load, connections }: { readonly load: LedgerLoad; readonly connections: number },
): Promise<readonly string[]> {
  const client = new KeepAliveClient(server.url, connections);
  await load.settle(httpDoor(client));
  const trial = await client.send({ method: "GET", path: "/v1/ledger/trial-balance" });
  client.close();
  const code = await server.stop();
  return [...defectsOfTrial(trial), ...(code === 0 ? [] : [`the last server ended with ${code}`])];
}
