/**
 * The house rules of DESIGN 3 as a pure function of the sources, so that a test can also plant breaches.
 *
 * A1. system -> actors -> runtime, and system -> runtime; nothing in src imports what is outside src.
 * A2. runtime imports itself and node: only; actors import the entries of runtime, zod and themselves only.
 * A3. runtime is entered from outside by src/runtime/index.ts, or src/runtime/records.ts, which is a part of it, or by system through src/runtime/testing/index.ts.
 * A4. A folder of runtime imports only itself and the folders before it.
 * A5. An npm package is imported in one folder of system (zod: anywhere there) and is a dependency. Type imports count.
 * A6. No default exports, no import cycles (type imports count).
 * A7. No `any`, clock, timer or random source in runtime and actors, but in the files of `allowed`.
 */
import { posix } from "node:path";
import { codeOf, importsOf } from "./imports.ts";

/** Path from the root with forward slashes (`src/runtime/index.ts`) to its text. */
export type Sources = ReadonlyMap<string, string>;
export type Rules = { readonly dependencies: readonly string[]; readonly allowed: Readonly<Record<string, readonly string[]>> };
type Edge = { readonly from: string; readonly to: string };

const runtimeFolders = [
  "kernel",
  "mailbox",
  "supervision",
  "actor",
  "journal",
  "placement",
  "transport",
  "shard",
  "effects",
  "worker",
  "testing",
];
const entries = ["src/runtime/index.ts", "src/runtime/records.ts"];
const testingEntry = "src/runtime/testing/index.ts";
const layers: Readonly<Record<string, readonly string[]>> = {
  runtime: ["runtime"],
  actors: ["actors", "runtime"],
  system: ["system", "actors", "runtime"],
};
const impure: Readonly<Record<string, RegExp>> = {
  any: /(?:[:<|&,=([>]|\bas|\bextends|\bsatisfies)\s*any\b(?!\s*[:(])/,
  "Date.now": /\bDate\s*\.\s*now\b/,
  "new Date()": /\bnew\s+Date\s*(?:\(\s*\)|[^\s(])/,
  "Math.random": /\bMath\s*\.\s*random\b/,
  "performance.now": /\bperformance\s*\.\s*now\b/,
  "process.hrtime": /\bprocess\s*\.\s*hrtime\b/,
  setTimeout: /\bsetTimeout\b/,
  setInterval: /\bsetInterval\b/,
  "a random source": /\b(?:randomUUID|randomBytes|randomInt|getRandomValues)\b/,
};

/** Every breach as `file: what`, in the order of the files. Empty when the house stands. */
export function breachesOf(sources: Sources, rules: Rules): string[] {
  const edges = [...sources].flatMap(([from, text]) => importsOf(text).map((specifier) => ({ from, to: targetOf(from, specifier) })));
  return [
    ...edges.flatMap((edge) => edgeBreaches(edge, rules).map((what) => `${edge.from}: ${what}`)),
    ...packageBreaches(edges),
    ...[...sources].flatMap(([path, text]) => textBreaches(path, text, rules).map((what) => `${path}: ${what}`)),
    ...cyclesOf(edges).map((cycle) => `${cycle[0]}: import cycle ${cycle.join(" > ")}`),
  ];
}

const isOurs = (to: string) => to.startsWith("src/");
const isNode = (to: string) => to.startsWith("node:");
const isRelative = (to: string) => to.startsWith("../") || to.startsWith("./");
const layerOf = (path: string) => path.split("/")[1] ?? "";

/** `src/...` for our files, `../x` or `x` under the root for what lies outside src, else the bare specifier. */
function targetOf(from: string, specifier: string): string {
  if (!isRelative(specifier)) return specifier;
  const path = posix.join(posix.dirname(from), specifier);
  return isOurs(path) || isRelative(path) ? path : `./${path}`;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function edgeBreaches({ from, to }: Edge, { dependencies }: Rules): string[] {
  const layer = layerOf(from);
  if (isRelative(to)) return [`imports ${to}, which is outside src`];
  if (isOurs(to)) {
    if (!layers[layer]?.includes(layerOf(to))) return [`${layer} must not import ${to}`];
    if (layer === "runtime") return orderBreaches(from, to);
    const isEntered = entries.includes(to) || (to === testingEntry && layer === "system");
    return layerOf(to) === "runtime" && !isEntered ? [`enters runtime by ${to}, not by its index.ts`] : [];
  }
  if (layer === "runtime") return isNode(to) ? [] : [`runtime must not import ${to}`];
  if (layer === "actors") return packageOf(to) === "zod" ? [] : [`actors must not import ${to}`];
  return isNode(to) || dependencies.includes(packageOf(to)) ? [] : [`${to} is not in the dependencies of package.json`];
}

function orderBreaches(from: string, to: string): string[] {
  const folder = (path: string) => (path.split("/").length > 3 ? path.split("/")[2] : undefined);
  const [here, there] = [folder(from), folder(to)];
  if (here === undefined) return [];
  const order = runtimeFolders.indexOf(here);
  if (order === -1) return [`${here} is no known folder of runtime`];
  const isBefore = there !== undefined && runtimeFolders.slice(0, order + 1).includes(there);
  return isBefore ? [] : [`runtime/${here} must not import ${to}`];
}

function packageBreaches(edges: readonly Edge[]): string[] {
  const homes = new Map<string, Map<string, string>>();
  for (const { from, to } of edges) {
    // A .d.ts that describes a package to TypeScript is not a use of it.
    if (layerOf(from) !== "system" || isOurs(to) || isRelative(to) || isNode(to) || packageOf(to) === "zod" || from.endsWith(".d.ts"))
      continue;
    const parts = from.split("/");
    const folder = parts.slice(0, parts.length > 3 ? 3 : 2).join("/");
    const users = homes.get(packageOf(to)) ?? new Map<string, string>();
    homes.set(packageOf(to), users.set(folder, from));
  }
  const spread = [...homes].filter(([, users]) => users.size > 1);
  return spread.map(([name, users]) => `${[...users.values()].join(", ")}: ${name} is imported in ${users.size} folders of system`);
}

function textBreaches(path: string, text: string, { allowed }: Rules): string[] {
  const code = codeOf(text);
  const isDefault = /\bexport\s+default\b|\bas\s+default\b|\bexport\s*\{\s*default\b/.test(code) && !path.endsWith(".d.ts");
  const found = isDefault ? ["default export"] : [];
  if (layerOf(path) === "system") return found;
  for (const [name, pattern] of Object.entries(impure)) {
    if (pattern.test(code) && !allowed[path]?.includes(name)) found.push(`uses ${name}`);
  }
  return found;
}

/** One cycle for every file from which the search meets a file that it is still inside of. */
function cyclesOf(edges: readonly Edge[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) if (isOurs(to)) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const trail: string[] = [];
  const cycles: string[][] = [];
  const visit = (path: string): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path]);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const to of next.get(path) ?? []) visit(to);
    trail.pop();
    done.add(path);
  };
  for (const path of next.keys()) visit(path);
  return cycles;
}
