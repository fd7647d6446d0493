import type { Config } from "../config/config.ts";
import { allowedUrl } from "./allowed-hosts.ts";
import { apiKeyOf } from "./api-key.ts";
import type { Secret } from "./secret.ts";

/** Where conversations go, and with which key. */
export interface Endpoint {
  readonly url: URL;
  readonly key: Secret | null;
}

/**
 * The endpoint that the configuration names; null = none, nothing leaves the machine. A start reads it once for the refusals alone: a replier that is made by the
 * first reply would else tell of a wrong setting by that reply's failure. @throws Fault `CONFIG_INVALID`; no word of a key is in it.
 */
export function endpointOf(ai: Pick<Config["ai"], "url" | "hostsAllowed" | "keyFile" | "keyEnv">, env: NodeJS.ProcessEnv): Endpoint | null {
  return ai.url === null ? null : { url: allowedUrl(ai.url, ai.hostsAllowed), key: apiKeyOf(ai, env) };
}
