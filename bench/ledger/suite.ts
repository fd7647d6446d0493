import type { Suite } from "../harness/suite.ts";

const transfers = new URL("./transfers.ts", import.meta.url);

/** Durable transfers in process, beside SQLite with one transaction each. */
export const ledger: Suite = {
  name: "ledger",
  variants: {
    uniform: { module: transfers, run: "uniform", isDurable: true },
    sqlite: { module: new URL("./sqlite-baseline.ts", import.meta.url), run: "sqlite", isDurable: true },
    hot: { module: transfers, run: "hot", isDurable: true },
  },
  cases: [
    {
      name: "ledger.transfers.uniform",
      variant: "uniform",
      figure: "perSecond",
      unit: "transfers/s",
      ratioTo: { variant: "sqlite", figure: "perSecond" },
      target: { value: { atLeast: 60_000 }, ratio: { atLeast: 10 } },
      already: { value: { atLeast: 30_000 } },
    },
    {
      name: "ledger.transfers.uniform.p99",
      variant: "uniform",
      figure: "p99Ms",
      unit: "ms",
      target: { value: { atMost: 15 } },
    },
    {
      name: "ledger.transfers.hot",
      variant: "hot",
      figure: "perSecond",
      unit: "transfers/s",
      ratioTo: { variant: "uniform", figure: "perSecond" },
      target: { value: { atLeast: 60_000 } },
      already: { value: { atLeast: 30_000 } },
    },
    { name: "ledger.sqlite-each", variant: "sqlite", figure: "perSecond", unit: "transfers/s" },
  ],
};
