/** What the configuration says of NATS, as the client library wants it. Reads the secrets: they stand in files or variables, never in the configuration. */
import { readFileSync } from "node:fs";
import { type ConnectionOptions, credsAuthenticator } from "nats";
import { Fault } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";

export type NatsConfig = Config["nats"];

/** @throws Fault `CONFIG_INVALID` when a file or variable that is named is not there. */
export function connectionOptionsOf(config: NatsConfig, env: Readonly<Record<string, string | undefined>>): ConnectionOptions {
  const { servers, name, inboxPrefix, connectMs, credentialsFile, user, passwordEnv, tokenEnv } = config;
  if (servers === null) throw new TypeError("nats.servers is not set");
  const secret = (key: string, variable: string | null): string | null => {
    if (variable === null) return null;
    const value = env[variable];
    if (value === undefined || value === "") throw invalid(`${key} names the variable ${variable}, which is not set`);
    return value;
  };
  const password = secret("nats.passwordEnv", passwordEnv);
  const token = secret("nats.tokenEnv", tokenEnv);
  return {
    servers: servers.split(",").map((server) => server.trim()),
    name,
    inboxPrefix,
    timeout: connectMs,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT_MAX,
    ...(credentialsFile === null ? {} : { authenticator: credsAuthenticator(contentOf("nats.credentialsFile", credentialsFile)) }),
    ...(user === null ? {} : { user, pass: password ?? "" }),
    ...(token === null ? {} : { token }),
    ...tlsOf(config),
  };
}

/** A server that says nothing for so long, twice, is taken for gone. */
const PING_MS = 5_000;
const PINGS_OUT_MAX = 2;

function tlsOf({ tlsCaFile, tlsCertFile, tlsKeyFile }: NatsConfig): Pick<ConnectionOptions, "tls"> {
  const files = {
    ca: ["nats.tlsCaFile", tlsCaFile],
    cert: ["nats.tlsCertFile", tlsCertFile],
    key: ["nats.tlsKeyFile", tlsKeyFile],
  } as const;
  const given = Object.entries(files).flatMap(([name, [key, path]]) =>
    path === null ? [] : [[name, contentOf(key, path).toString()] as const],
  );
  return given.length === 0 ? {} : { tls: Object.fromEntries(given) };
}

function contentOf(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw invalid(`${key} names ${path}, which cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
}

const invalid = (why: string, cause?: unknown): Fault =>
  new Fault("CONFIG_INVALID", `the configuration of NATS is refused: ${why}`, { cause });
