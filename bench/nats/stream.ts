/**
 * Deposits that the stream TROUPE_COMMANDS keeps until they are done, from the publish to the result, and beside them what publishing to a stream on files
 * alone takes. NATS acknowledges a publish before its fsync (its default); the outcome of a deposit is synced by the journal.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { createInbox, headers, type Msg, type MsgHdrs, type NatsConnection } from "nats";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { ANSWER_MS_MAX, measured, measuredServer, type Work, withNats } from "./load.ts";

const RAW = "bench.publish";
const STREAM_MS_MAX = 10_000;

export const raw: RunVariant = (mode) =>
  withNats(async (connection) => {
    await (await jetstreamManager(connection)).streams.add({ name: "BENCH", subjects: [RAW], storage: "file" });
    const stream = jetstream(connection);
    const { figures } = await measured(mode, {
      one: async ({ body, headers }) => {
        const { seq } = await stream.publish(RAW, body, { headers, timeout: ANSWER_MS_MAX });
        assertResult(seq > 0, "a publish was not stored");
      },
    });
    return { figures };
  });

export const deposits: RunVariant = (mode) =>
  withNats((connection, url) => {
    const results = new Results(connection);
    return measuredServer(mode, { url, flags: [], one: deposit(connection, results), headersOf: () => results.newAddress() });
  });

/** Of each command the one message that says what came of it. */
class Results {
  readonly #inbox = createInbox();
  readonly #waiting = new Map<string, (message: Msg) => void>();
  #addresses = 0;

  constructor(connection: NatsConnection) {
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (_, message) => {
        this.#waiting.get(message.subject)?.(message);
        this.#waiting.delete(message.subject);
      },
    });
  }

  newAddress(): MsgHdrs {
    const all = headers();
    all.set("Troupe-Reply-To", `${this.#inbox}.${this.#addresses++}`);
    return all;
  }

  of(subject: string): Promise<Msg> {
    return new Promise((resolve) => this.#waiting.set(subject, resolve));
  }
}

function deposit(connection: NatsConnection, results: Results): Work["one"] {
  const stream = jetstream(connection);
  let isThere: Promise<void> | null = null;
  return async ({ body, headers }) => {
    isThere ??= streamIsThere(connection);
    await isThere;
    const result = results.of(headers.get("Troupe-Reply-To"));
    const [, answer] = await Promise.all([
      stream.publish("troupe.durable.v1.transfer.deposit", body, { headers, timeout: ANSWER_MS_MAX }),
      result,
    ]);
    assertResult(answer.headers?.get("Troupe-Status") === "201", `a deposit was answered ${answer.string()}`);
  };
}

/** The node makes the stream when it is connected. */
async function streamIsThere(connection: NatsConnection): Promise<void> {
  const { streams } = await jetstreamManager(connection);
  for (const until = performance.now() + STREAM_MS_MAX; ; await delay(20)) {
    try {
      await streams.info("TROUPE_COMMANDS");
      return;
    } catch (cause) {
      if (performance.now() > until) throw cause;
    }
  }
}
