/** The ledger behind an HTTP server, for tests of what the ingress promises whatever the system is made of. The one place that chooses it. */
import { loadConfig } from "../../src/system/config/config.ts";
import { type HttpServer, startHttp } from "../../src/system/http/index.ts";
import type { TroupeSystem } from "../../src/system/system.ts";
import { FakeLedger } from "./fake-ledger.ts";

export interface OpenLedger extends AsyncDisposable {
  readonly url: string;
  readonly system: TroupeSystem;
  readonly server: HttpServer;
  /** Defects that the ingress logged; a test ends with none. */
  readonly defects: readonly object[];
}

/** A fresh ledger on a free port of the loopback. `flags` are those of the command line. */
export async function openLedger(flags: readonly string[] = []): Promise<OpenLedger> {
  return await serve(new FakeLedger(), flags);
}

/** An HTTP server over a given system; closing it disposes of the system too. */
export async function serve<System extends TroupeSystem>(
  system: System,
  flags: readonly string[] = [],
): Promise<OpenLedger & { readonly system: System }> {
  const door = await openDoor(system, flags);
  return {
    ...door,
    system,
    async [Symbol.asyncDispose]() {
      await door[Symbol.asyncDispose]();
      await system[Symbol.asyncDispose]();
    },
  };
}

/** One more HTTP server over a system that others use too, with settings of its own: closing it leaves the system as it is. */
export async function openDoor(system: TroupeSystem, flags: readonly string[] = []): Promise<Omit<OpenLedger, "system">> {
  const config = loadConfig({ argv: ["--http.port", "0", ...flags], env: {}, cwd: process.cwd() });
  const defects: object[] = [];
  const server = await startHttp({ system, config, log: { info: () => {}, error: (fields) => void defects.push(fields) } });
  return { url: server.url, server, defects, [Symbol.asyncDispose]: () => server.close(5000) };
}
