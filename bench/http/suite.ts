import type { Suite } from "../harness/suite.ts";

const movements = new URL("./movements.ts", import.meta.url);

/** Deposits and transfers over HTTP beside bare fastify, and bulk beside transfers in process. */
export const http: Suite = {
  name: "http",
  variants: {
    bare: { module: movements, run: "bare", isDurable: false },
    deposits: { module: movements, run: "deposits", isDurable: true },
    transfers: { module: movements, run: "transfers", isDurable: true },
    oneDeposit: { module: movements, run: "oneDeposit", isDurable: true },
    bulk: { module: new URL("./bulk.ts", import.meta.url), run: "bulk", isDurable: true },
    inProcess: { module: new URL("../ledger/transfers.ts", import.meta.url), run: "uniform", isDurable: true },
  },
  cases: [
    { name: "http.bare-fastify", variant: "bare", figure: "perSecond", unit: "requests/s" },
    {
      name: "http.deposits",
      variant: "deposits",
      figure: "perSecond",
      unit: "requests/s",
      ratioTo: { variant: "bare", figure: "perSecond" },
      target: { ratio: { atLeast: 0.55 } },
      already: { ratio: { atLeast: 0.4 } },
    },
    {
      name: "http.transfers",
      variant: "transfers",
      figure: "perSecond",
      unit: "requests/s",
      ratioTo: { variant: "bare", figure: "perSecond" },
      target: { ratio: { atLeast: 0.4 } },
    },
    { name: "http.deposit.p50", variant: "oneDeposit", figure: "p50Ms", unit: "ms", target: { value: { atMost: 1 } } },
    {
      name: "http.bulk",
      variant: "bulk",
      figure: "perSecond",
      unit: "lines/s",
      ratioTo: { variant: "inProcess", figure: "perSecond" },
      target: { ratio: { atLeast: 0.5 } },
    },
  ],
};
