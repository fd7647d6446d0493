import { readFileSync } from "node:fs";
import { Fault } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { Secret } from "./secret.ts";

/** The endpoint's key from the file or the variable that the configuration names; null when it names none. The file wins.
 * @throws Fault `CONFIG_INVALID` when it is not there or cannot be sent in a header. The text never is in the error.
 */
export function apiKeyOf({ keyFile, keyEnv }: Pick<Config["ai"], "keyFile" | "keyEnv">, env: NodeJS.ProcessEnv): Secret | null {
  if (keyFile !== null) return checked(fileText(keyFile), `ai.keyFile: the file ${keyFile}`);
  if (keyEnv !== null) return checked(env[keyEnv] ?? "", `ai.keyEnv: the variable ${keyEnv} of the environment`);
  return null;
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new Fault("CONFIG_INVALID", `ai.keyFile: the file ${path} cannot be read (${why}); ${EXPECTED}`, { cause });
  }
}

function checked(text: string, where: string): Secret {
  const key = text.trim(); // Files end with a line feed.
  if (/^[\x21-\x7e]{1,4096}$/.test(key)) return new Secret(key);
  const what = key === "" ? "holds no key" : "holds what is no key";
  throw new Fault("CONFIG_INVALID", `${where} ${what}; ${EXPECTED}`);
}

const EXPECTED = "expected the endpoint's key: 1 to 4096 printable characters without spaces";
