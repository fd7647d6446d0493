/** Given to a process with `--import`: writes the address of every module that is loaded to the file of TEST_LOAD_LOG, of its worker threads too. */
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

const file = process.env.TEST_LOAD_LOG ?? "";
registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(file, `${url}\n`);
    return nextLoad(url, context);
  },
});
