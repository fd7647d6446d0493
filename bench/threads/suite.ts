import type { Suite } from "../harness/suite.ts";

/** An ask from the main thread to an entity on a shard thread, beside the same bytes over a bare MessagePort. */
export const threads: Suite = {
  name: "threads",
  variants: {
    raw: { module: new URL("./raw.ts", import.meta.url), run: "raw", isDurable: false },
    ask: { module: new URL("./ask.ts", import.meta.url), run: "ask", isDurable: false },
  },
  cases: [
    { name: "threads.raw", variant: "raw", figure: "perSecond", unit: "asks/s" },
    {
      name: "threads.ask",
      variant: "ask",
      figure: "perSecond",
      unit: "asks/s",
      ratioTo: { variant: "raw", figure: "perSecond" },
      target: { ratio: { atLeast: 0.5 } },
    },
    {
      name: "threads.ask.one-in-flight.p50",
      variant: "ask",
      figure: "oneP50Micros",
      unit: "us",
      ratioTo: { variant: "raw", figure: "oneP50Micros" },
      target: { ratio: { atMost: 2.5 } },
    },
  ],
};
