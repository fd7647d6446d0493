/** Tests that need a real nats-server. */
import { describe, it } from "vitest";
import { type NatsLine, natsLines } from "../../tools/nats-server.mjs";
import { whyNoNats } from "./nats-server.ts";

/** Where there is none they are skipped and say so; with CI=true they fail, because nobody would read it. */
export function describeWithNats(title: string, body: (version: NatsLine) => void, version: NatsLine = "2.10"): void {
  const whyNot = whyNoNats(version);
  if (whyNot === null) {
    describe(title, () => body(version));
  } else if (process.env.CI === "true") {
    it(`${title} has the nats-server that it needs`, () => {
      throw new Error(whyNot);
    });
  } else {
    process.stderr.write(`${title}: skipped, ${whyNot}\n`);
    describe.skip(title, () => body(version));
  }
}

/** The same tests with each line of versions. */
export function describeWithEachNats(title: string, body: (version: NatsLine) => void): void {
  for (const version of natsLines) describeWithNats(`${title} (nats-server ${version})`, body, version);
}
