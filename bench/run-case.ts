/** Runs one variant once, in this process: `run-case.ts <module URL> <function> <mode>`. The last line of standard output is its outcome. */
import type { Mode, RunVariant } from "./harness/suite.ts";

const [url = "", name = "", mode = "tiny"] = process.argv.slice(2);
const variants = (await import(url)) as Readonly<Record<string, RunVariant | undefined>>;
const run = variants[name];
if (run === undefined) throw new Error(`${url} has no variant ${name}`);
const outcome = await run(mode as Mode);
process.stdout.write(`${JSON.stringify(outcome)}\n`);
