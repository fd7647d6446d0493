/** Makes data/shop.csv, which `troupe demo` loads: `node_modules/.bin/node tools/demo-data.ts`. */
import { writeFileSync } from "node:fs";
import { SHOP_SEED, shopCsv, shopSteps } from "../src/system/cli/demo-data.ts";

writeFileSync(new URL("../data/shop.csv", import.meta.url), shopCsv(shopSteps(SHOP_SEED)));
