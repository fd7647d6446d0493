/** R-CON-6, TRAPS 46: a start tells of a wrong endpoint before anybody's reply fails of it, and never with the key in its words. Real processes. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runCli } from "../../support/cli.ts";
import { openNode } from "../../support/test-node.ts";

const folder = mkdtempSync(join(tmpdir(), "troupe-endpoint-"));
afterAll(() => rmSync(folder, { recursive: true }));
const dataDir = join(folder, "data");
const keyFile = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const URL_FLAGS = { "--ai.url": "http://127.0.0.1:9/v1" };

it("a key that is not there, or is none, is refused by key and place before anything is made; its text is not told", async () => {
  const odd = keyFile("odd", "sk-hidden with blanks\n");
  const refusals: ReadonlyArray<readonly [Readonly<Record<string, string>>, RegExp]> = [
    [{ "--ai.key-file": join(folder, "gone") }, /^ai\.keyFile: the file .*gone cannot be read \(ENOENT\); expected the endpoint's key/],
    [{ "--ai.key-file": folder }, /^ai\.keyFile: .*\(EISDIR\)/],
    [{ "--ai.key-file": keyFile("empty", "\n") }, /^ai\.keyFile: the file .*empty holds no key; expected/],
    [{ "--ai.key-file": odd }, /^ai\.keyFile: the file .*odd holds what is no key; expected/],
    [{ "--ai.key-env": "TROUPES_MISSING_KEY" }, /^ai\.keyEnv: the variable TROUPES_MISSING_KEY of the environment holds no key; expected/],
  ];
  for (const [flags, message] of refusals) {
    const refused = openNode(dataDir, { ...URL_FLAGS, ...flags });
    await expect(refused).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringMatching(message) });
    await expect(refused).rejects.not.toMatchObject({ message: expect.stringContaining("sk-hidden") });
  }
  expect(existsSync(dataDir)).toBe(false);
});

it("without an endpoint no key is looked for, and a good one lets a node start", async () => {
  const good = keyFile("good", "sk-good\n");
  for (const flags of [{ "--ai.key-file": join(folder, "gone") }, { ...URL_FLAGS, "--ai.key-file": good }]) {
    const { node } = await openNode(dataDir, { "--threads.heartbeat-ms": 30_000, ...flags });
    await node.close();
  }
});

it("`troupe start` ends with exit code 78, which no supervisor starts again, and says nothing of the key", async () => {
  const key = keyFile("spaced", "sk-hidden two");
  const refused = await runCli("start", "--data.dir", dataDir, "--ai.url", "http://127.0.0.1:9/v1", "--ai.key-file", key);
  expect([refused.code, refused.stderr]).toEqual([
    78,
    expect.stringMatching(/^troupe: CONFIG_INVALID: ai\.keyFile: .*spaced holds what is no key/),
  ]);
  const inPlace = await runCli(
    "start",
    "--data.dir",
    dataDir,
    "--ai.key-env",
    "sk-hidden-1",
    "--ai.url",
    "http://me:sk-hidden-2@127.0.0.1/v1",
  );
  expect([inPlace.code, inPlace.stderr]).toEqual([
    78,
    expect.stringMatching(/ai\.keyEnv \(from --ai\.key-env\)[\s\S]*ai\.url \(from --ai\.url\)/),
  ]);
  for (const { stdout, stderr } of [refused, inPlace]) expect(stdout + stderr).not.toContain("sk-hidden");
});
