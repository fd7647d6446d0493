/** The secrets and certificates that the configuration names: they stand in files or variables, never in the configuration. Loads no package. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Fault } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";

export type NatsConfig = Config["nats"];

/** What is not named is null. */
export interface NatsSecrets {
  readonly password: string | null;
  readonly token: string | null;
  /** A user's JWT and seed, as nsc writes them. */
  readonly credentials: Buffer | null;
  /** PEM. */
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/**
 * Reads all of them; a start does so once for the refusals alone, before it starts anything.
 * @throws Fault `CONFIG_INVALID` when a file or variable is not there or does not hold what belongs there; no word of a secret is in it.
 */
export function natsSecretsOf(config: NatsConfig, env: Readonly<Record<string, string | undefined>>): NatsSecrets {
  const { credentialsFile, passwordEnv, tokenEnv, tlsCaFile, tlsCertFile, tlsKeyFile } = config;
  const secrets: NatsSecrets = {
    password: variable("nats.passwordEnv", passwordEnv, env),
    token: variable("nats.tokenEnv", tokenEnv, env),
    credentials: file("nats.credentialsFile", credentialsFile, "a user's JWT and seed, as nsc writes them", isCredentials),
    ca: file("nats.tlsCaFile", tlsCaFile, "a certificate in PEM", isCertificate)?.toString() ?? null,
    cert: file("nats.tlsCertFile", tlsCertFile, "a certificate in PEM", isCertificate)?.toString() ?? null,
    key: file("nats.tlsKeyFile", tlsKeyFile, "a private key in PEM, without a passphrase", isKey)?.toString() ?? null,
  };
  const { cert, key } = secrets;
  if (cert !== null && key !== null && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw invalid(`nats.tlsKeyFile names ${tlsKeyFile}, which holds the key of another certificate than nats.tlsCertFile, ${tlsCertFile}`);
  return secrets;
}

function variable(key: string, name: string | null, env: Readonly<Record<string, string | undefined>>): string | null {
  if (name === null) return null;
  const value = env[name];
  if (value === undefined || value === "")
    throw invalid(`${key} names the variable ${name}, which is not set; set it to the secret, or name another one`);
  return value;
}

function file(key: string, path: string | null, what: string, isRight: (content: Buffer) => boolean): Buffer | null {
  if (path === null) return null;
  const content = contentOf(key, path, what);
  if (isRight(content)) return content;
  throw invalid(`${key} names ${path}, which does not hold what is expected there: ${what}`);
}

function contentOf(key: string, path: string, what: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${key} names ${path}, which cannot be read (${why}); expected a file with ${what}`, cause);
  }
}

const isCredentials = (content: Buffer): boolean =>
  /-{3,}BEGIN NATS USER JWT-{3,}[\s\S]*-{3,}BEGIN USER NKEY SEED-{3,}/.test(content.toString());
const isCertificate = (content: Buffer): boolean => isReadable(() => new X509Certificate(content));
const isKey = (content: Buffer): boolean => isReadable(() => createPrivateKey(content));

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false; // Whatever it is, it is not what belongs there, and its words may hold some of the file.
  }
}

const invalid = (why: string, cause?: unknown): Fault =>
  new Fault("CONFIG_INVALID", `the configuration of NATS is refused: ${why}`, { cause });
