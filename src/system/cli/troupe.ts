/** The command line: `npm run -s troupe -- <command>`. Composition root of the main thread when a person starts the program. */
import { useCompiledCode } from "../compiled-code.ts";

useCompiledCode();
const { main } = await import("./program.ts");
const code = await main(process.argv.slice(2));
// A stop that met its deadline leaves threads behind; the outcome is decided and written, so nothing is waited for.
process.exit(code);
