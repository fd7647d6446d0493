/** Files and variables that the configuration of NATS names are read before anything starts (issue 5, A; TRAPS 46). */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadConfig } from "../../../src/system/config/config.ts";
import { natsSecretsOf } from "../../../src/system/nats/nats-secrets.ts";
import { startSystem } from "../../../src/system/start.ts";
import { figuresOf, runCli, tempFolder } from "../../support/cli.ts";
import { TestCa } from "../../support/test-ca.ts";

const folder = tempFolder();
const ca = new TestCa("Troupe test CA");
const [own, other] = [ca.issue("node"), ca.issue("other")];
const text = join(folder.path, "text.txt");
const missing = join(folder.path, "none");
const credentials = join(folder.path, "node.creds");
beforeAll(() => {
  writeFileSync(text, "s3cr3t, but nothing that belongs here\n");
  const part = (name: string, content: string): string => `-----BEGIN ${name}-----\n${content}\n------END ${name}------\n\n`;
  writeFileSync(credentials, part("NATS USER JWT", "jwt") + part("USER NKEY SEED", "seed"));
});
afterAll(() => {
  ca[Symbol.dispose]();
  folder[Symbol.dispose]();
});

const SERVERS = ["--nats.servers", "nats://127.0.0.1:1"];
const configOf = (flags: readonly string[]) =>
  loadConfig({ argv: ["--data.dir", join(folder.path, "data"), ...SERVERS, ...flags], env: {}, cwd: folder.path });

it.each([
  [
    "a password",
    ["--nats.user", "node", "--nats.password-env", "NO_SUCH"],
    /nats\.passwordEnv names the variable NO_SUCH, which is not set/,
  ],
  ["a token", ["--nats.token-env", "NO_SUCH"], /nats\.tokenEnv names the variable NO_SUCH, which is not set/],
  ["credentials", ["--nats.credentials-file", missing], /nats\.credentialsFile names .*none, which cannot be read \(ENOENT/],
  ["credentials", ["--nats.credentials-file", text], /nats\.credentialsFile names .*text\.txt, which does not hold .* JWT and seed/],
  ["authorities", ["--nats.tls-ca-file", missing], /nats\.tlsCaFile names .*none, which cannot be read/],
  ["authorities", ["--nats.tls-ca-file", text], /nats\.tlsCaFile names .*text\.txt, which does not hold .*a certificate in PEM/],
  ["a certificate", ["--nats.tls-cert-file", text, "--nats.tls-key-file", own.keyFile], /nats\.tlsCertFile names .*a certificate in PEM/],
  ["a key", ["--nats.tls-cert-file", own.certFile, "--nats.tls-key-file", text], /nats\.tlsKeyFile names .*a private key in PEM/],
  ["a key", ["--nats.tls-cert-file", own.certFile, "--nats.tls-key-file", other.keyFile], /nats\.tlsKeyFile .* of another certificate/],
] as const)("TRAPS 46: %s that is not there, or is something else, ends the start by name: %j", async (_, flags, why) => {
  const refused = await startSystem(configOf(flags)).then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(refused).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(why) });
  expect(String(refused)).not.toContain("s3cr3t");
  expect(existsSync(join(folder.path, "data")), "nothing was begun").toBe(false);
});

it("what is right is read", () => {
  const files = ["--nats.tls-ca-file", ca.caFile, "--nats.tls-cert-file", own.certFile, "--nats.tls-key-file", own.keyFile];
  const secrets = natsSecretsOf(configOf([...files, "--nats.credentials-file", credentials]).nats, {});
  expect(secrets).toMatchObject({ password: null, token: null, cert: expect.stringContaining("BEGIN CERTIFICATE") });
  expect(secrets.credentials?.toString()).toContain("seed");
  const { token } = natsSecretsOf(configOf(["--nats.token-env", "TOKEN"]).nats, { TOKEN: "t" });
  expect(token).toBe("t");
});

it("`troupe start` refuses each for good, for people and programs, and leaves no folder behind", async () => {
  const dir = join(folder.path, "data");
  const start = ["start", "--json", "--data.dir", dir, ...SERVERS];
  const url = await runCli(...start, "--nats.servers", "nats://node:s3cr3t@127.0.0.1:4222");
  const file = await runCli(...start, "--nats.tls-ca-file", missing);
  for (const refused of [url, file]) {
    expect(refused.code).toBe(78);
    expect(figuresOf(refused)).toMatchObject({ ok: false, code: "CONFIG_INVALID" });
    expect(refused.stdout + refused.stderr).not.toContain("s3cr3t");
  }
  expect(url.stderr + url.stdout).toMatch(/nats\.servers \(from --nats\.servers\): .*nats\.passwordEnv/);
  expect(existsSync(dir)).toBe(false);
});
