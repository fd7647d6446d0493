/** Where conversations may go, with which key, and what of it can be seen (R-CON-6, TRAPS 46). */
import { lookup } from "node:dns";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { pino } from "pino";
import { afterAll, describe, expect, it, vi } from "vitest";
import { allowedUrl, guardedLookup, isRefusedAddress } from "../../../src/system/ai/allowed-hosts.ts";
import { apiKeyOf } from "../../../src/system/ai/api-key.ts";
import { openModel } from "../../../src/system/ai/model.ts";
import { Secret } from "../../../src/system/ai/secret.ts";
import { loadConfig } from "../../../src/system/config/config.ts";

vi.mock("node:dns", { spy: true });

const folder = mkdtempSync(join(tmpdir(), "troupe-ai-"));
afterAll(() => rmSync(folder, { recursive: true }));
const load = (...argv: string[]) => loadConfig({ argv, env: {}, cwd: "." }).ai;

describe("where conversations may go", () => {
  it("to the host of the URL, or only to those that are listed", () => {
    expect(allowedUrl("https://api.example.com/v1", null).href).toBe("https://api.example.com/v1");
    expect(allowedUrl("https://API.example.com/v1", "other.example, api.example.com").hostname).toBe("api.example.com");
    expect(() => allowedUrl("https://evil.example/v1", "api.example.com")).toThrow(
      'ai.hostsAllowed is "api.example.com"; expected evil.example, the host of ai.url, among them',
    );
    const evil = { ...load(), url: "http://evil.example", hostsAllowed: "a.example" };
    expect(() => openModel(evil, {})).toThrow('ai.hostsAllowed is "a.example"');
  });

  it.each(["ftp://a.example", "http://user:secret@a.example", "http://a.example/?x=1", "http://a.example/#x", "a.example"])(
    "not to %s",
    (url) => {
      expect(() => load("--ai.url", url)).toThrow("CONFIG_INVALID");
    },
  );

  it.each<[string, boolean]>([
    ["169.254.169.254", true],
    ["169.254.0.1", true],
    ["::ffff:169.254.169.254", true],
    ["fe80::1", true],
    ["fe80::1%eth0", true],
    ["fd00:ec2::254", true],
    ["127.0.0.1", false],
    ["10.0.0.1", false],
    ["::1", false],
    ["169.253.0.1", false],
  ])("an address that a name leads to: %s is refused: %s", (address, isRefused) => {
    expect(isRefusedAddress(address)).toBe(isRefused);
  });

  it("not to a name that leads to the machine's credentials, in any way in which sockets ask; of several addresses the allowed are taken", async () => {
    const answers = (...addresses: readonly string[]): void => {
      vi.mocked(lookup).mockImplementationOnce(((_host: string, _options: object, done: (error: null, all: object[]) => void) =>
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        )) as never);
    };
    const ask = (all: boolean): Promise<unknown[]> =>
      new Promise((resolve) => guardedLookup("rebound.example", { all }, (error, address) => resolve([error?.message ?? null, address])));
    for (const all of [true, false]) {
      answers("169.254.169.254");
      expect(await ask(all)).toEqual(["rebound.example leads to a link-local address, which is refused", []]);
    }
    answers("169.254.169.254", "10.0.0.1");
    expect(await ask(true)).toEqual([null, [{ address: "10.0.0.1", family: 4 }]]);
    answers("fe80::1", "10.0.0.1");
    expect(await ask(false)).toEqual([null, "10.0.0.1"]);
  });

  it("nowhere when nothing is configured: the built-in replier answers", async () => {
    await using model = openModel(load(), {});
    expect(model.client).toBeNull();
  });
});

describe("the key", () => {
  it("comes from a file or a variable; the file wins", () => {
    const path = join(folder, "key");
    writeFileSync(path, "sk-file\n");
    const env = { THE_KEY: " sk-env " };
    expect(apiKeyOf(load(), env)).toBeNull();
    expect(apiKeyOf(load("--ai.key-env", "THE_KEY"), env)?.reveal()).toBe("sk-env");
    expect(apiKeyOf(load("--ai.key-env", "THE_KEY", "--ai.key-file", path), env)?.reveal()).toBe("sk-file");
  });

  it("that is missing or cannot be sent is refused at the start, and not shown", () => {
    const refusal = (...argv: string[]): string => {
      try {
        apiKeyOf(load(...argv), { ODD_KEY: "sk one\r\ntwo" });
        return "";
      } catch (error) {
        return inspect(error);
      }
    };
    expect(refusal("--ai.key-env", "NO_KEY")).toContain("ai.keyEnv: the variable NO_KEY of the environment holds no key");
    expect(refusal("--ai.key-env", "ODD_KEY")).toContain("holds what is no key");
    expect(refusal("--ai.key-env", "ODD_KEY")).not.toContain("sk one");
    expect(refusal("--ai.key-file", join(folder, "gone"))).toContain("cannot be read");
  });

  it("TRAPS 46: is seen in no way of showing it", () => {
    const secret = new Secret("sk-do-not-show-me");
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    log.info({ secret, deep: { deeper: [secret] } }, `the key is ${secret}`);
    log.error(new Error(`no: ${secret}`, { cause: secret }));
    const shown = [
      ...lines,
      inspect({ secret }, { depth: 9, showHidden: true }),
      JSON.stringify({ secret }),
      `${secret}`,
      JSON.stringify(structuredClone({ ...secret })),
    ];
    for (const text of shown) expect(text).not.toContain("do-not-show");
    expect(secret.reveal()).toBe("sk-do-not-show-me");
  });
});
