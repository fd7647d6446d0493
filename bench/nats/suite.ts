import type { Bound, CaseSpec, Suite } from "../harness/suite.ts";

const requests = new URL("./requests.ts", import.meta.url);
const stream = new URL("./stream.ts", import.meta.url);

/** One figure beside the same one of NATS alone. */
const beside = (name: string, variant: string, figure: string, raw: string, ratio?: Bound): CaseSpec => ({
  name: `nats.${name}`,
  variant,
  figure,
  unit: figure === "perSecond" ? "commands/s" : "ms",
  ratioTo: { variant: raw, figure },
  ...(ratio === undefined ? {} : { target: { ratio } }),
});
const rawCase = (name: string, variant: string, figure: string): CaseSpec => ({
  name: `nats.${name}`,
  variant,
  figure,
  unit: figure === "perSecond" ? "messages/s" : "ms",
});

/** Durable deposits beside NATS alone: by request and reply beside an echo, through the stream beside a publish to one and an echo behind one. p50 at 1 in flight, rates at 64. */
export const nats: Suite = {
  name: "nats",
  variants: {
    rawRequest: { module: requests, run: "raw", isDurable: false },
    deposits: { module: requests, run: "deposits", isDurable: true },
    withoutEvents: { module: requests, run: "withoutEvents", isDurable: true },
    rawPublish: { module: stream, run: "raw", isDurable: false },
    streamEcho: { module: stream, run: "echo", isDurable: false },
    streamDeposits: { module: stream, run: "deposits", isDurable: true },
  },
  cases: [
    rawCase("raw-request.p50", "rawRequest", "p50Ms"),
    rawCase("raw-requests", "rawRequest", "perSecond"),
    beside("deposit.p50", "deposits", "p50Ms", "rawRequest", { atMost: 3 }),
    beside("deposits", "deposits", "perSecond", "rawRequest", { atLeast: 0.4 }),
    beside("deposits-without-events", "withoutEvents", "perSecond", "rawRequest"),
    rawCase("raw-publish.p50", "rawPublish", "p50Ms"),
    rawCase("raw-publishes", "rawPublish", "perSecond"),
    rawCase("stream-echo.p50", "streamEcho", "p50Ms"),
    rawCase("stream-echoes", "streamEcho", "perSecond"),
    beside("stream-deposit.p50", "streamDeposits", "p50Ms", "rawPublish", { atMost: 3 }),
    beside("stream-deposits", "streamDeposits", "perSecond", "rawPublish", { atLeast: 0.4 }),
    beside("stream-deposits-beside-echo", "streamDeposits", "perSecond", "streamEcho"),
  ],
};
