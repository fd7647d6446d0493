/** What the configuration says of NATS, as the client library wants it. */
import { type ConnectionOptions, credsAuthenticator } from "nats";
import { serversOf } from "../config/nats-problems.ts";
import { type NatsConfig, type NatsSecrets, natsSecretsOf } from "./nats-secrets.ts";
import { serverIdentityOf } from "./server-identity.ts";

/** @throws Fault `CONFIG_INVALID` when a file or variable that is named is not there, or holds something else. */
export function connectionOptionsOf(config: NatsConfig, env: Readonly<Record<string, string | undefined>>): ConnectionOptions {
  const { name, inboxPrefix, connectMs, user } = config;
  if (config.servers === null) throw new TypeError("nats.servers is not set");
  const servers = serversOf(config.servers);
  const secrets = natsSecretsOf(config, env);
  const { password, token, credentials } = secrets;
  return {
    servers: [...servers],
    name,
    inboxPrefix,
    timeout: connectMs,
    pingInterval: PING_MS,
    maxPingOut: PINGS_OUT_MAX,
    ...(credentials === null ? {} : { authenticator: credsAuthenticator(credentials) }),
    ...(user === null ? {} : { user, pass: password ?? "" }),
    ...(token === null ? {} : { token }),
    ...tlsOf(servers, secrets),
  };
}

/** A server that says nothing for so long, twice, is taken for gone. */
const PING_MS = 5_000;
const PINGS_OUT_MAX = 2;

/** The library passes over the scheme: without `tls` it would send the password in plain to a `tls://` server that offers no TLS. */
function tlsOf(servers: readonly string[], { ca, cert, key }: NatsSecrets): Pick<ConnectionOptions, "tls"> {
  const files = Object.entries({ ca, cert, key }).filter(([, pem]) => pem !== null);
  if (files.length === 0 && !servers.some((server) => server.startsWith("tls://"))) return {};
  // The library hands it on to Node.js; its type names files and texts only.
  const checked: object = { ...Object.fromEntries(files), checkServerIdentity: serverIdentityOf(servers) };
  return { tls: checked };
}
