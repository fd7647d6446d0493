import type { Suite } from "../harness/suite.ts";

const floor = new URL("./floor.ts", import.meta.url);
const domain = new URL("./domain.ts", import.meta.url);

/** One thread: what the real mailbox, scheduler and envelope cost beside a plain ring. */
export const mailbox: Suite = {
  name: "mailbox",
  variants: {
    floor: { module: floor, run: "batch", isDurable: false },
    floorOneATurn: { module: floor, run: "oneATurn", isDurable: false },
    tell: { module: domain, run: "tell", isDurable: false },
    ask: { module: domain, run: "ask", isDurable: false },
  },
  cases: [
    { name: "mailbox.floor", variant: "floor", figure: "perSecond", unit: "messages/s" },
    { name: "mailbox.floor.one-a-turn", variant: "floorOneATurn", figure: "perSecond", unit: "messages/s" },
    {
      name: "mailbox.tell",
      variant: "tell",
      figure: "perSecond",
      unit: "messages/s",
      ratioTo: { variant: "floor", figure: "perSecond" },
      target: { value: { atLeast: 10_000_000 }, ratio: { atLeast: 0.1 } },
    },
    {
      name: "mailbox.tell.beside-one-a-turn",
      variant: "tell",
      figure: "perSecond",
      unit: "messages/s",
      ratioTo: { variant: "floorOneATurn", figure: "perSecond" },
    },
    {
      name: "mailbox.ask",
      variant: "ask",
      figure: "perSecond",
      unit: "asks/s",
      ratioTo: { variant: "floor", figure: "perSecond" },
      target: { value: { atLeast: 3_000_000 } },
    },
  ],
};
