import { readFileSync } from "node:fs";
import { Fault } from "../../runtime/index.ts";
import type { Config } from "../config/config.ts";
import { Secret } from "./secret.ts";

/** The endpoint's key from the file or the variable that the configuration names; null when it names none. The file wins.
 * @throws Fault `CONFIG_INVALID` when it is not there or cannot be sent in a header. The text never is in the error.
 */
export function apiKeyOf({ keyFile, keyEnv }: Pick<Config["ai"], "keyFile" | "keyEnv">, env: NodeJS.ProcessEnv): Secret | null {
  if (keyFile !== null) return checked(fileText(keyFile), `the file of ai.keyFile, ${keyFile},`);
  if (keyEnv !== null) return checked(env[keyEnv] ?? "", `the variable of ai.keyEnv, ${keyEnv},`);
  return null;
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Fault("CONFIG_INVALID", `the file of ai.keyFile, ${path}, cannot be read`, { cause });
  }
}

function checked(text: string, where: string): Secret {
  const key = text.trim(); // Files end with a line feed.
  if (/^[\x21-\x7e]{1,4096}$/.test(key)) return new Secret(key);
  const what = key === "" ? "holds no key" : "holds what is no key";
  throw new Fault("CONFIG_INVALID", `${where} ${what}; expected 1 to 4096 printable characters without spaces`);
}
