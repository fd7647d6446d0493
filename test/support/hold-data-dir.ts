/** Holds the data directory of its argument until it is killed, or says by what fault it could not. */
import { Fault } from "../../src/runtime/index.ts";
import { DataDir } from "../../src/system/data-dir.ts";

try {
  const dir = new DataDir(process.argv[2] ?? "");
  dir.announce(["http://127.0.0.1:7070"]);
  process.stdout.write("held\n");
  setInterval(() => dir.path, 60_000);
} catch (error) {
  process.stdout.write(`${error instanceof Fault ? error.code : String(error)}\n`);
}
