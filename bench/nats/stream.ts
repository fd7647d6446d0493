/**
 * Deposits that the stream TROUPE_COMMANDS keeps until they are done, from the publish to the result, and beside them what publishing to a stream on files
 * alone takes, and an echo behind one. NATS acknowledges a publish before its fsync (its default); the outcome of a deposit is synced by the journal.
 */
import { setTimeout as delay } from "node:timers/promises";
import { jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { createInbox, headers, type Msg, type MsgHdrs, type NatsConnection } from "nats";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { startServer } from "../http/servers.ts";
import { ANSWER_BYTES, ANSWER_MS_MAX, measured, measuredServer, type Work, withNats } from "./load.ts";

const STREAM = "BENCH";
const SUBJECT = "bench.publish";
const STREAM_MS_MAX = 10_000;

/** Published, and nobody takes it. */
export const raw: RunVariant = (mode) =>
  withNats(async (connection) => {
    await addStream(connection, RetentionPolicy.Limits);
    const stream = jetstream(connection);
    const { figures } = await measured(mode, {
      one: async ({ body, headers }) => {
        const { seq } = await stream.publish(SUBJECT, body, { headers, timeout: ANSWER_MS_MAX });
        assertResult(seq > 0, "a publish was not stored");
      },
    });
    return { figures };
  });

/** Published, and answered by a consumer that does nothing. */
export const echo: RunVariant = (mode) =>
  withNats(async (connection, url) => {
    await addStream(connection, RetentionPolicy.Workqueue);
    await using _consumer = await startServer(new URL("./echo-consumer.ts", import.meta.url), [url, STREAM, String(ANSWER_BYTES)]);
    const results = new Results(connection);
    const one = throughStream(connection, results, SUBJECT, ({ data }) => data.byteLength === ANSWER_BYTES);
    const { figures } = await measured(mode, { one, headersOf: () => results.newAddress() });
    return { figures };
  });

export const deposits: RunVariant = (mode) =>
  withNats((connection, url) => {
    const results = new Results(connection);
    const send = throughStream(
      connection,
      results,
      "troupe.durable.v1.transfer.deposit",
      (answer) => answer.headers?.get("Troupe-Status") === "201",
    );
    let isThere: Promise<void> | null = null;
    const one: Work["one"] = async (command) => {
      isThere ??= streamIsThere(connection);
      await isThere;
      await send(command);
    };
    return measuredServer(mode, { url, flags: [], one, headersOf: () => results.newAddress() });
  });

async function addStream(connection: NatsConnection, retention: RetentionPolicy): Promise<void> {
  const { streams } = await jetstreamManager(connection);
  await streams.add({ name: STREAM, subjects: [SUBJECT], storage: StorageType.File, retention });
}

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

function throughStream(connection: NatsConnection, results: Results, subject: string, isRight: (answer: Msg) => boolean): Work["one"] {
  const stream = jetstream(connection);
  return async ({ body, headers }) => {
    const result = results.of(headers.get("Troupe-Reply-To"));
    const [, answer] = await Promise.all([stream.publish(subject, body, { headers, timeout: ANSWER_MS_MAX }), result]);
    assertResult(isRight(answer), () => `a message was answered ${answer.string()}`);
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
