// The machine's own Debian mirror under the name of another release: where its apt finds packages is never written down in the project.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Sources for apt that name the mirrors of this machine with another release of Debian, by file name: `own.list` and `own.sources`, in the two forms that
 * apt knows. Keys and options stay as they are. @throws {Error} when this machine has no mirror of Debian.
 */
export function sourcesOf(release) {
  const { list, parts } = aptFolders();
  const files = [list, ...(existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [])].filter((file) =>
    existsSync(file),
  );
  const textOf = (ending) => files.filter((file) => file.endsWith(ending)).map((file) => readFileSync(file, "utf8"));
  const isOwn = (suite) => suite === ownRelease() || suite === "stable";
  const lines = textOf(".list").flatMap((text) => oneLineSources(text, isOwn, release));
  const stanzas = textOf(".sources").flatMap((text) => stanzaSources(text, isOwn, release));
  if (lines.length + stanzas.length === 0) throw new Error("apt on this machine has no source of Debian's main packages");
  return {
    ...(lines.length === 0 ? {} : { "own.list": `${lines.join("\n")}\n` }),
    ...(stanzas.length === 0 ? {} : { "own.sources": `${stanzas.join("\n\n")}\n` }),
  };
}

/** `deb [options] URI suite components` */
function oneLineSources(text, isOwn, release) {
  return [...text.matchAll(/^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/gm)]
    .filter(([, , , suite, components]) => isOwn(suite) && components.split(/\s+/).includes("main"))
    .map(([, options = "", uri]) => `deb ${options}${uri} ${release} main`);
}

/** `Types: deb`, `URIs: ...` and so on; a key may follow over many lines. */
function stanzaSources(text, isOwn, release) {
  return text
    .replace(/^#.*\n/gm, "")
    .split(/\n\s*\n/)
    .map((stanza) => stanza.trim())
    .filter((stanza) => {
      const wordsOf = (name) => new RegExp(`^${name}:(.*)$`, "im").exec(stanza)?.[1].trim().split(/\s+/) ?? [];
      const isOff = wordsOf("Enabled").includes("no");
      return !isOff && wordsOf("Types").includes("deb") && wordsOf("Suites").some(isOwn) && wordsOf("Components").includes("main");
    })
    .map((stanza) => stanza.replace(/^Suites:.*$/im, `Suites: ${release}`).replace(/^Components:.*$/im, "Components: main"));
}

function ownRelease() {
  return /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
}

function aptFolders() {
  const { stdout, error } = spawnSync("apt-config", ["shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"], {
    encoding: "utf8",
    timeout: 10_000,
  });
  if (error !== undefined) throw new Error(`there is no apt on this machine (${error.message})`);
  const folderOf = (name) => new RegExp(`^${name}='(.*)'$`, "m").exec(stdout)?.[1] ?? "";
  return { list: folderOf("LIST"), parts: folderOf("PARTS") };
}
