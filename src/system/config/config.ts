/**
 * Layered configuration: defaults < config/default.json < the file of --config or TROUPE_CONFIG < environment < flags.
 * A key `http.bodyBytesMax` is the environment's `TROUPE_HTTP_BODY_BYTES_MAX` and the flag `--http.body-bytes-max`,
 * for every key by the same rule. Whatever is not a known key, or not allowed for its key, is refused by name.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { hostProblem } from "../ai/allowed-hosts.ts";
import { type NatsProblem, natsProblems } from "./nats-problems.ts";
import { type Config, configSchema, type SettingMeta } from "./schema.ts";

export type { Config } from "./schema.ts";

/** One setting for `--help` and documentation. `default` is what counts when nobody says otherwise. */
export type Setting = {
  readonly key: string;
  readonly env: string;
  readonly flag: string;
  readonly default: unknown;
  readonly allowed: string;
  readonly description: string;
};

/** What is wrong with one given value. `source` is a file's path, an environment variable or a flag. */
export type ConfigProblem = { readonly key: string; readonly source: string; readonly got: string; readonly expected: string };

/** The configuration was refused. Carries every problem found, not only the first; the message lists them. */
export class ConfigError extends Error {
  readonly code = "CONFIG_INVALID";
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(({ key, source, got, expected }) => `  ${key} (from ${source}): got ${got}, expected ${expected}`);
    super(`CONFIG_INVALID: the configuration is refused\n${lines.join("\n")}`);
    this.name = "ConfigError";
    this.problems = problems;
  }
}

type Sources = { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string };
type Given = { readonly value: unknown; readonly source: string };
type Found = { readonly values: Map<string, Given>; readonly problems: ConfigProblem[] };

/** Where a secret is written by mistake, or as part of a URL: a value that is refused is not repeated in words that are logged (TRAPS 46). */
const HIDDEN_KEYS: ReadonlySet<string> = new Set([
  "ai.url",
  "ai.keyEnv",
  "ai.keyFile",
  "nats.servers",
  "nats.passwordEnv",
  "nats.tokenEnv",
]);
const HIDDEN = "what is not shown here, because it may hold a key";

const defaultFile = fileURLToPath(new URL("../../../config/default.json", import.meta.url));
/** Variables with our prefix that are not settings of the service. */
const foreignEnv: ReadonlySet<string> = new Set(["TROUPE_CONFIG", "TROUPE_TEST_DATA"]);

const leaves: ReadonlyMap<string, z.ZodType> = new Map(
  Object.entries(configSchema.shape).flatMap(([section, { shape }]) =>
    Object.entries<z.ZodType>(shape).map(([name, leaf]) => [`${section}.${name}`, leaf] as const),
  ),
);
const settings: readonly Setting[] = [...leaves].map(([key, leaf]) => ({
  key,
  env: `TROUPE_${wordsOf(key).join("_").replaceAll(".", "_").toUpperCase()}`,
  flag: `--${wordsOf(key).join("-")}`,
  default: leaf.parse(undefined),
  ...metaOf(leaf),
}));
const keyOfEnv: ReadonlyMap<string, string> = new Map(settings.map(({ env, key }) => [env, key]));
const keyOfFlag: ReadonlyMap<string, string> = new Map(settings.map(({ flag, key }) => [flag, key]));

/** Lists every setting in the order of the schema. */
export function describeConfig(): readonly Setting[] {
  return settings;
}

/**
 * Builds the configuration from the given sources. Reads config/default.json and the file that `--config` or TROUPE_CONFIG
 * names (relative to `cwd`; the flag wins), and nothing else. `argv` holds configuration flags alone (see `splitArgv`).
 * @throws {ConfigError} `CONFIG_INVALID` with every unknown name and refused value.
 */
export function loadConfig({ argv, env, cwd }: Sources): Config {
  const found: Found = { values: new Map(), problems: [] };
  const flags = flagsOf(argv, found.problems);
  const file = flags.findLast(({ flag }) => flag === "--config")?.text ?? env.TROUPE_CONFIG;
  addFile(defaultFile, found);
  if (file !== undefined) addFile(resolve(cwd, file), found);
  addEnv(env, found);
  for (const { flag, text } of flags) if (flag !== "--config") addText(keyOfFlag.get(flag), flag, text, found);
  const config = built(found.values);
  if (config.journal.synchronous !== "full" && !config.journal.unsafe) found.problems.push(unsafeProblem(config, found.values));
  if (config.shutdown.lameDuckMs >= config.shutdown.deadlineMs) found.problems.push(lameDuckProblem(config, found.values));
  const host = config.ai.url === null ? null : hostProblem(config.ai.url, config.ai.hostsAllowed);
  if (host !== null) found.problems.push({ ...host, source: sourceOf(host.key, found.values) });
  found.problems.push(...natsProblems(config.nats).map((problem) => toldOf(problem, found.values)));
  if (found.problems.length > 0) throw new ConfigError(found.problems);
  return config;
}

/**
 * Parts a command line into configuration flags (`--config` and every flag with a dot in its name, known or not, with its
 * value) and the rest, which is the command's. So a misspelled setting is refused here and not taken for an argument.
 */
export function splitArgv(argv: readonly string[]): { readonly config: readonly string[]; readonly rest: readonly string[] } {
  const config: string[] = [];
  const rest: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") return { config, rest: [...rest, ...argv.slice(index)] };
    const name = word.split("=", 1)[0] ?? "";
    const isConfig = name === "--config" || /^--[^.]+\./.test(name);
    (isConfig ? config : rest).push(word);
    if (isConfig && takesNext(word, argv[index + 1])) config.push(argv[++index] ?? "");
  }
  return { config, rest };
}

/** How many shard threads a configuration means on a machine with `cores`: null leaves one core to the main thread. */
export function shardThreadsOf(config: Config, cores: number = availableParallelism()): number {
  return config.shard.threads ?? Math.max(1, cores - 1);
}

/** How many threads the worker pool may have: null is half the machine's cores, because the tasks must not take them all. */
export function poolThreadsOf(config: Config, cores: number = availableParallelism()): number {
  return config.pool.threads ?? Math.max(1, cores >> 1);
}

/** `http.bodyBytesMax` -> `http.body`, `bytes`, `max`. The units KiB and MiB are one word each. */
function wordsOf(key: string): string[] {
  return key
    .replace(/[KM]iB/, (unit) => unit.replace("B", "b"))
    .replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .split(" ");
}

function metaOf(leaf: z.ZodType): SettingMeta {
  return z.object({ description: z.string(), allowed: z.string() }).parse(leaf.meta());
}

/** Whether `word` (a flag) takes `next` as its value: not after `=`, and for a yes-no setting only a yes or no. */
function takesNext(word: string, next: string | undefined): boolean {
  if (word.includes("=") || next === undefined || next.startsWith("--")) return false;
  const leaf = leaves.get(keyOfFlag.get(word) ?? "");
  if (leaf === undefined) return word === "--config";
  return !isSwitch(leaf) || next === "true" || next === "false";
}

function isSwitch(leaf: z.ZodType): boolean {
  return leaf.safeParse(true).success;
}

function flagsOf(argv: readonly string[], problems: ConfigProblem[]): Array<{ readonly flag: string; readonly text: string }> {
  const flags: Array<{ readonly flag: string; readonly text: string }> = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    const [flag = "", ...value] = word.split("=");
    const leaf = leaves.get(keyOfFlag.get(flag) ?? "");
    if (leaf === undefined && flag !== "--config") problems.push(unknown(word, "the command line"));
    else if (word.includes("=")) flags.push({ flag, text: value.join("=") });
    else if (takesNext(word, argv[index + 1])) flags.push({ flag, text: argv[++index] ?? "" });
    else if (leaf !== undefined && isSwitch(leaf)) flags.push({ flag, text: "true" });
    else
      problems.push({
        key: keyOfFlag.get(flag) ?? flag,
        source: flag,
        got: "no value",
        expected: leaf ? metaOf(leaf).allowed : "a file's path",
      });
  }
  return flags;
}

function addFile(path: string, found: Found): void {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    found.problems.push({
      key: "config",
      source: path,
      got: cause instanceof Error ? cause.message : String(cause),
      expected: "a JSON file",
    });
    return;
  }
  if (!isRecord(content)) {
    found.problems.push({ key: "config", source: path, got: shown(content), expected: "an object of sections" });
    return;
  }
  for (const [section, inside] of Object.entries(content)) {
    if (!Object.hasOwn(configSchema.shape, section)) found.problems.push(unknown(section, path));
    else if (!isRecord(inside)) found.problems.push({ key: section, source: path, got: shown(inside), expected: "an object of settings" });
    else for (const [name, value] of Object.entries(inside)) add(`${section}.${name}`, { value, source: path }, found);
  }
}

/** Not zod's record: that drops a key `__proto__` without a word, and every unknown key must be told. */
function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function addEnv(env: Sources["env"], found: Found): void {
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("TROUPE_") || foreignEnv.has(name) || text === undefined) continue;
    const key = keyOfEnv.get(name);
    if (key === undefined) found.problems.push(unknown(name, "the environment"));
    else addText(key, name, text, found);
  }
}

/** Text means itself where the setting is text, else the number, yes-no or null that it spells. */
function addText(key: string | undefined, source: string, text: string, found: Found): void {
  const leaf = leaves.get(key ?? "");
  if (key === undefined || leaf === undefined) return; // Told as unknown where it was read.
  const spelled = /^(-?\d+|true|false|null)$/.test(text) ? JSON.parse(text.replace(/^(-?)0+(?=\d)/, "$1")) : text;
  add(key, { value: leaf.safeParse(text).success ? text : spelled, source }, found);
}

function add(key: string, given: Given, { values, problems }: Found): void {
  const leaf = leaves.get(key);
  if (leaf === undefined) problems.push(unknown(key, given.source));
  else if (leaf.safeParse(given.value).success) values.set(key, given);
  else
    problems.push({ key, source: given.source, got: HIDDEN_KEYS.has(key) ? HIDDEN : shown(given.value), expected: metaOf(leaf).allowed });
}

function built(values: ReadonlyMap<string, Given>): Config {
  const sections = Object.entries(configSchema.shape).map(([section, { shape }]) => {
    const given = Object.keys(shape).map((name) => [name, values.get(`${section}.${name}`)?.value]);
    return [section, Object.fromEntries(given)];
  });
  return configSchema.parse(Object.fromEntries(sections));
}

function unsafeProblem(config: Config, values: ReadonlyMap<string, Given>): ConfigProblem {
  const key = "journal.synchronous";
  const expected = '"full", or journal.unsafe set to true: "normal" loses acknowledged work in a power cut';
  return { key, source: sourceOf(key, values), got: shown(config.journal.synchronous), expected };
}

function lameDuckProblem(config: Config, values: ReadonlyMap<string, Given>): ConfigProblem {
  const key = "shutdown.lameDuckMs";
  const expected = `less than shutdown.deadlineMs (${config.shutdown.deadlineMs}), of which it is a part: the rest is for the work that was accepted`;
  return { key, source: sourceOf(key, values), got: shown(config.shutdown.lameDuckMs), expected };
}

function toldOf({ key, got, expected }: NatsProblem, values: ReadonlyMap<string, Given>): ConfigProblem {
  return { key, source: sourceOf(key, values), got: got === null ? HIDDEN : shown(got), expected };
}

const sourceOf = (key: string, values: ReadonlyMap<string, Given>): string => values.get(key)?.source ?? "the defaults";

function unknown(name: string, source: string): ConfigProblem {
  return { key: name, source, got: "an unknown name", expected: "a setting of docs/configuration.md" };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
