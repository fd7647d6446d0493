import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { importsOf } from "./imports.ts";

/** What they prove about NATS is worth something only as long as they could be anybody's programs. */
it.each(["plain-nats-client", "plain-nats-thief", "plain-nats-listener", "plain-nats-subscriber", "heard-event", "nats-orders"])(
  "%s uses nothing of the service",
  (name) => {
    const imports = importsOf(readFileSync(new URL(`./${name}.ts`, import.meta.url), "utf8"));
    const allowed = /^(node:.+|nats|@nats-io\/jetstream|\.\/(nats-orders|heard-event)\.ts)$/;
    expect(imports.filter((specifier) => !allowed.test(specifier))).toEqual([]);
  },
);
