import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { ConfigError, type ConfigProblem, describeConfig, loadConfig, shardThreadsOf, splitArgv } from "../../src/system/config/config.ts";
import { configDocs, defaultFile } from "../../tools/config-docs.ts";

const cwd = mkdtempSync(join(tmpdir(), "troupe-config-"));
afterAll(() => rmSync(cwd, { recursive: true }));

const load = (argv: string[] = [], env: Record<string, string> = {}) => loadConfig({ argv, env, cwd });

function file(name: string, content: unknown): string {
  const path = join(cwd, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function problemsOf(argv: string[], env: Record<string, string> = {}): readonly ConfigProblem[] {
  try {
    load(argv, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("defaults are what config/default.json says", () => {
  expect(load()).toEqual(JSON.parse(readFileSync("config/default.json", "utf8")));
});

test("docs/configuration.md and config/default.json are fresh", () => {
  const hint = "run: node_modules/.bin/node tools/config-docs.ts";
  expect(readFileSync("docs/configuration.md", "utf8"), hint).toBe(configDocs());
  expect(readFileSync("config/default.json", "utf8"), hint).toBe(defaultFile());
});

test("later sources win: defaults, file, environment, flags", () => {
  file("site.json", { http: { port: 1, host: "0.0.0.0", answerMsMax: 11 }, shard: { threads: 2 } });
  const config = load(["--config", "site.json", "--http.port", "3"], { TROUPE_HTTP_PORT: "2", TROUPE_HTTP_ANSWER_MS_MAX: "22" });
  expect(config.http).toMatchObject({ port: 3, answerMsMax: 22, host: "0.0.0.0", bodyBytesMax: 1_048_576 });
  expect(config.shard.threads).toBe(2);
});

test("the flag's file wins over the environment's, and both are relative to the working directory", () => {
  file("flag.json", { http: { port: 4 } });
  file("env.json", { http: { port: 5 } });
  expect(load([], { TROUPE_CONFIG: "env.json" }).http.port).toBe(5);
  expect(load(["--config=flag.json"], { TROUPE_CONFIG: "env.json" }).http.port).toBe(4);
});

test("every key is reached by its environment variable and its flag, named by one rule", () => {
  for (const { key, env, flag, default: byDefault } of describeConfig()) {
    const [section = "", name = ""] = key.split(".");
    const read = (config: object) => Reflect.get(Reflect.get(config, section), name);
    const text = String(byDefault);
    expect(read(load([], { [env]: text })), env).toEqual(byDefault);
    expect(read(load([flag, text])), flag).toEqual(byDefault);
    expect(read(load([`${flag}=${text}`])), flag).toEqual(byDefault);
  }
});

test("the names that others rely on", () => {
  const settings = new Map(describeConfig().map((setting) => [setting.key, setting]));
  expect(settings.get("http.bodyBytesMax")).toMatchObject({ env: "TROUPE_HTTP_BODY_BYTES_MAX", flag: "--http.body-bytes-max" });
  expect(settings.get("shard.threads")).toMatchObject({ env: "TROUPE_SHARD_THREADS", flag: "--shard.threads" });
  expect(settings.get("data.dir")?.env).toBe("TROUPE_DATA_DIR");
  expect(settings.get("http.host")?.env).toBe("TROUPE_HTTP_HOST");
  expect(settings.get("http.port")?.env).toBe("TROUPE_HTTP_PORT");
  expect(settings.get("journal.cacheKiB")).toMatchObject({ env: "TROUPE_JOURNAL_CACHE_KIB", flag: "--journal.cache-kib" });
});

test("a bad value names its key, its source, what it got and what was expected", () => {
  const path = file("bad.json", { http: { port: "7070" }, checkpoint: { everyMs: 1.5 } });
  const expected = "whole number, 0 to 65535";
  expect(problemsOf(["--config", path])).toEqual([
    { key: "http.port", source: path, got: '"7070"', expected },
    { key: "checkpoint.everyMs", source: path, got: "1.5", expected: "whole number of milliseconds, 1 to 86400000" },
  ]);
  expect(problemsOf([], { TROUPE_HTTP_PORT: "65536" })).toEqual([{ key: "http.port", source: "TROUPE_HTTP_PORT", got: "65536", expected }]);
  expect(problemsOf(["--http.port=http"])).toEqual([{ key: "http.port", source: "--http.port", got: '"http"', expected }]);
  expect(problemsOf(["--http.port", "--journal.unsafe"])).toEqual([{ key: "http.port", source: "--http.port", got: "no value", expected }]);
  const error = new ConfigError(problemsOf(["--http.port=http"]));
  expect(error.code).toBe("CONFIG_INVALID");
  expect(error.message).toContain(`http.port (from --http.port): got "http", expected ${expected}`);
});

test.each(["", " 1", "1 ", "0x10", "1e3", "1.0", "+1", "NaN", "Infinity", "true", "99999999999999999999"])(
  "a number is not spelled %j",
  (text) => {
    expect(problemsOf([], { TROUPE_HTTP_PORT: text }).map(({ key }) => key)).toEqual(["http.port"]);
  },
);

test("unknown names are refused wherever they come from", () => {
  const path = file("unknown.json", { http: { prot: 1 }, htpp: {}, data: 5 });
  const names = (argv: string[], env: Record<string, string> = {}) => problemsOf(argv, env).map(({ key, source }) => [key, source]);
  expect(names(["--config", path])).toEqual([
    ["http.prot", path],
    ["htpp", path],
    ["data", path],
  ]);
  const proto = file("proto.json", '{"__proto__": {"x": 1}, "http": {"__proto__": 1}}');
  expect(names(["--config", proto])).toEqual([
    ["__proto__", proto],
    ["http.__proto__", proto],
  ]);
  expect(names(["--http.prot", "1"])).toEqual([
    ["--http.prot", "the command line"],
    ["1", "the command line"],
  ]);
  expect(names(["start"])).toEqual([["start", "the command line"]]);
  expect(names([], { TROUPE_HTTP_PROT: "1" })).toEqual([["TROUPE_HTTP_PROT", "the environment"]]);
  expect(names([], { TROUPE_TEST_DATA: "x", PATH: "x" })).toEqual([]);
});

test("a file that is missing, broken or no object is refused by its path", () => {
  for (const path of [join(cwd, "none.json"), file("broken.json", "{"), file("list.json", [])]) {
    expect(problemsOf(["--config", path]).map(({ source }) => source)).toEqual([path]);
  }
});

test("an unsafe journal must be asked for", () => {
  expect(problemsOf(["--journal.synchronous", "normal"])).toMatchObject([{ key: "journal.synchronous", source: "--journal.synchronous" }]);
  expect(load(["--journal.synchronous", "normal", "--journal.unsafe"]).journal).toMatchObject({ synchronous: "normal", unsafe: true });
});

test("a command line is parted into settings and the command's own words", () => {
  const argv = [
    "import",
    "a.csv",
    "--map",
    "m.json",
    "--journal.unsafe",
    "--http.port",
    "0",
    "--config=c.json",
    "--htpp.x=1",
    "--",
    "--http.port",
  ];
  expect(splitArgv(argv)).toEqual({
    config: ["--journal.unsafe", "--http.port", "0", "--config=c.json", "--htpp.x=1"],
    rest: ["import", "a.csv", "--map", "m.json", "--", "--http.port"],
  });
  expect(splitArgv(["--journal.unsafe", "false", "x"])).toEqual({ config: ["--journal.unsafe", "false"], rest: ["x"] });
});

test("shard threads leave one core to the main thread, and there is at least one", () => {
  expect([1, 2, 8].map((cores) => shardThreadsOf(load(), cores))).toEqual([1, 1, 7]);
  expect(shardThreadsOf(load(["--shard.threads", "3"]), 2)).toBe(3);
});

test("a lame duck that takes all of the time for a stop is refused: nothing would be left for the accepted work", () => {
  const found = problemsOf(["--shutdown.lame-duck-ms", "60000"]);
  expect(found).toMatchObject([{ key: "shutdown.lameDuckMs", source: "--shutdown.lame-duck-ms", got: "60000" }]);
  expect(load(["--shutdown.lame-duck-ms", "59999"]).shutdown).toEqual({ deadlineMs: 60_000, lameDuckMs: 59_999 });
});

test("R-CON-6: an endpoint whose host is not allowed, or whose URL is none, is refused with the setting that says so", () => {
  const url = "http://api.example.com/v1";
  const site = file("ai.json", { ai: { hostsAllowed: "a.example, b.example" } });
  expect(problemsOf(["--config", site, "--ai.url", url])).toEqual([
    { key: "ai.hostsAllowed", source: site, got: '"a.example, b.example"', expected: "api.example.com, the host of ai.url, among them" },
  ]);
  expect(problemsOf([], { TROUPE_AI_URL: "http://api.example.com:99999" })).toEqual([
    { key: "ai.url", source: "TROUPE_AI_URL", got: '"http://api.example.com:99999"', expected: "an http or https URL" },
  ]);
  expect(load(["--config", site, "--ai.url", "http://B.example/v1"]).ai.url).toBe("http://B.example/v1");
});

describe("TRAPS 46: what NATS cannot be used with is refused by name, and no secret is repeated", () => {
  const servers = "nats://127.0.0.1:4222";
  /** Of NATS beside servers that are right. */
  const natsProblemsOf = (...flags: string[]) => problemsOf(["--nats.servers", servers, ...flags]);

  it.each([
    ["nats://127.0.0.1:70000", "a port from 1 to 65535"],
    ["nats://127.0.0.1:0", "a port from 1 to 65535"],
    ["nats://127.0.0.1:", "a port from 1 to 65535"],
    ["nats://a:4222,tls://b:65536", "a port from 1 to 65535"],
    ["nats://:4222", "a host in each server"],
    ["nats://", "a host in each server"],
    ["nats://[::1]:99999", "a port from 1 to 65535"],
  ])("a server %s", (text, expected) => {
    const found = problemsOf(["--nats.servers", text]);
    const wanted = { key: "nats.servers", source: "--nats.servers", got: JSON.stringify(text) };
    expect(found).toEqual([{ ...wanted, expected: expect.stringContaining(expected) }]);
  });

  it.each(["localhost:4222", "http://a:1", "nats://a/b", "nats://a b:1", "nats://::1:4222", "nats://a:1,,nats://b:1", "nats://a:b:c"])(
    "a server that is none: %s",
    (text) => {
      expect(problemsOf([], { TROUPE_NATS_SERVERS: text })).toMatchObject([
        { key: "nats.servers", source: "TROUPE_NATS_SERVERS", expected: expect.stringContaining("nats://host:port") },
      ]);
    },
  );

  it.each(["nats://user:s3cr3t@host:4222", "nats://s3cr3t@host", "tls://a:1, nats://u:s3,cr3t@b:1", "nats://user:s3cr3t"])(
    "a secret in a server, which is not repeated: %s",
    (text) => {
      const found = problemsOf(["--nats.servers", text]);
      expect(found).toMatchObject([{ key: "nats.servers", source: "--nats.servers" }]);
      expect(new ConfigError(found).message).not.toMatch(/s3|cr3t/);
      if (text.includes("@")) expect(found[0]?.expected).toMatch(/nats\.user.*nats\.passwordEnv/);
    },
  );

  it.each([servers, "tls://nats.example.com", "nats://[::1]:4222", "nats://a_b-c:1, tls://10.0.0.1:65535"])("not a server %s", (text) => {
    expect(load(["--nats.servers", text]).nats.servers).toBe(text);
  });

  it.each([
    [["--nats.user", "node"], "nats.user", "nats.passwordEnv beside it"],
    [["--nats.password-env", "NATS_PASSWORD"], "nats.passwordEnv", "nats.user beside it"],
    [["--nats.user", "node", "--nats.password-env", "P", "--nats.token-env", "T"], "nats.tokenEnv", "null beside nats.user"],
    [
      ["--nats.user", "node", "--nats.password-env", "P", "--nats.credentials-file", "./c"],
      "nats.credentialsFile",
      "null beside nats.user",
    ],
    [["--nats.token-env", "T", "--nats.credentials-file", "./c"], "nats.credentialsFile", "null beside nats.tokenEnv"],
    [["--nats.tls-cert-file", "./cert.pem"], "nats.tlsCertFile", "nats.tlsKeyFile beside it"],
    [["--nats.tls-key-file", "./key.pem"], "nats.tlsKeyFile", "nats.tlsCertFile beside it"],
    [["--nats.reconnect-ms-min", "9000"], "nats.reconnectMsMin", "at most nats.reconnectMsMax, which is 5000"],
    [["--nats.durable-backoff-ms-min", "31000"], "nats.durableBackoffMsMin", "at most nats.durableBackoffMsMax, which is 30000"],
  ])("%j", (flags, key, expected) => {
    expect(natsProblemsOf(...flags)).toMatchObject([
      { key, source: expect.stringContaining("--nats."), expected: expect.stringContaining(expected) },
    ]);
  });

  it("but not while NATS is not used", () => {
    expect(load(["--nats.user", "node"]).nats).toMatchObject({ servers: null, user: "node" });
  });
});
