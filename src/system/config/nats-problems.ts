/** Settings of NATS that are each allowed and do not go together, or name a server that cannot be. Loads nothing of NATS: every start reads it. */
import type { Config } from "./schema.ts";

type NatsConfig = Config["nats"];

/** What is wrong with a setting, in the words of a refused configuration. `got` is null where the value may be a secret and must not be shown. */
export interface NatsProblem {
  readonly key: `nats.${keyof NatsConfig & string}`;
  readonly got: unknown;
  readonly expected: string;
}

/** Nothing is looked at while NATS is not used. Files and variables are not read: see `natsSecretsOf`. */
export function natsProblems(nats: NatsConfig): readonly NatsProblem[] {
  if (nats.servers === null) return [];
  const problems = [serversProblem(nats.servers), identityProblem(nats), userProblem(nats), tlsProblem(nats), ...restProblems(nats)];
  return problems.filter((problem) => problem !== null);
}

/** Its servers, each as the client library takes it. Expects what `natsProblems` found nothing wrong with. */
export const serversOf = (servers: string): readonly string[] => servers.split(",").map((server) => server.trim());

function serversProblem(servers: string): NatsProblem | null {
  const [expected] = servers.includes("@") ? [NO_SECRETS] : serversOf(servers).flatMap((server) => serverProblem(server) ?? []);
  if (expected === undefined) return null;
  return { key: "nats.servers", got: isPlain(servers) ? servers : null, expected };
}

/** What was expected instead of this server; null when nothing. */
function serverProblem(server: string): string | null {
  const [, rest] = /^(?:nats|tls):\/\/([^/?#]*)$/.exec(server) ?? [];
  if (rest === undefined) return SHAPE;
  const [, host = "", colon, port = ""] = /^(\[[\da-f:.]+\]|[^\s:[\]]*)(:)?(.*)$/i.exec(rest) ?? [];
  if (host === "") return `a host in each server: ${SHAPE}`;
  if (colon === undefined) return port === "" ? null : SHAPE;
  return /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= PORT_MAX
    ? null
    : `a port from 1 to ${PORT_MAX} in each server: ${SHAPE}`;
}

const PORT_MAX = 65_535;
const SHAPE = "nats://host:port or tls://host:port, several separated by commas";
const NO_SECRETS =
  "servers without a name or secret in them, because they are logged and shown: the name belongs in nats.user, and the password in a variable that nats.passwordEnv names (a token: nats.tokenEnv)";

/** Whether it holds nothing but schemes, hosts and numbers, so that it may be shown (TRAPS 46). */
const isPlain = (servers: string): boolean =>
  serversOf(servers).every((server) => /^(nats|tls):\/\/(\[[\da-f:.]*\]|[\w.-]*)(:\d*)?$/i.test(server));

function identityProblem({ user, tokenEnv, credentialsFile }: NatsConfig): NatsProblem | null {
  const given = Object.entries({ user, tokenEnv, credentialsFile } as const).filter(([, value]) => value !== null);
  const [first, second] = given;
  if (first === undefined || second === undefined) return null;
  const [name, value] = second as [keyof NatsConfig, string];
  const expected = `null beside nats.${first[0]}: a node has one way to say who it is, nats.user with nats.passwordEnv, nats.tokenEnv or nats.credentialsFile`;
  return { key: `nats.${name}`, got: name === "tokenEnv" ? null : value, expected };
}

function userProblem({ user, passwordEnv }: NatsConfig): NatsProblem | null {
  if (user !== null && passwordEnv === null)
    return { key: "nats.user", got: user, expected: "nats.passwordEnv beside it, the name of the variable that holds the user's password" };
  if (user === null && passwordEnv !== null)
    return { key: "nats.passwordEnv", got: null, expected: "nats.user beside it, the name of the user whose password it is" };
  return null;
}

function tlsProblem({ tlsCertFile, tlsKeyFile }: NatsConfig): NatsProblem | null {
  if (tlsCertFile !== null && tlsKeyFile === null)
    return { key: "nats.tlsCertFile", got: tlsCertFile, expected: "nats.tlsKeyFile beside it, the file with the certificate's key" };
  if (tlsCertFile === null && tlsKeyFile !== null)
    return { key: "nats.tlsKeyFile", got: tlsKeyFile, expected: "nats.tlsCertFile beside it, the file with the certificate of this key" };
  return null;
}

function restProblems(nats: NatsConfig): readonly NatsProblem[] {
  return (["reconnectMs", "durableBackoffMs"] as const).flatMap((rest) => {
    const [least, most] = [nats[`${rest}Min`], nats[`${rest}Max`]];
    return least <= most ? [] : [{ key: `nats.${rest}Min` as const, got: least, expected: `at most nats.${rest}Max, which is ${most}` }];
  });
}
