import { readFileSync } from "node:fs";

const { scripts } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly scripts: { readonly start: string };
};

/** What `npm start` sets in the environment, for programs that are started as it starts them, in the project's folder. */
export const NPM_START_ENV: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from(scripts.start.matchAll(/(\w+)=\$\{\1:-([^}]*)\}/g), ([, name, value]) => [name, value]),
);
