/** Deposits by request and reply over NATS, and beside them an echo under the same load: client, NATS and responder are processes of their own on the same cores. */
import type { NatsConnection } from "nats";
import { assertResult, type RunVariant } from "../harness/suite.ts";
import { startServer } from "../http/servers.ts";
import { ANSWER_BYTES, ANSWER_MS_MAX, measured, measuredServer, type Work, withNats } from "./load.ts";

const ECHO = "bench.echo";

export const raw: RunVariant = (mode) =>
  withNats(async (connection, url) => {
    await using _responder = await startServer(new URL("./echo-responder.ts", import.meta.url), [url, ECHO, String(ANSWER_BYTES)]);
    const { figures } = await measured(mode, {
      one: async ({ body, headers }) => {
        const { data } = await connection.request(ECHO, body, { headers, timeout: ANSWER_MS_MAX });
        assertResult(data.byteLength === ANSWER_BYTES, () => `the echo has ${data.byteLength} bytes`);
      },
    });
    return { figures };
  });

/** As shipped: each deposit also makes events, which leave for a stream meanwhile. */
export const deposits: RunVariant = (mode) =>
  withNats((connection, url) => measuredServer(mode, { url, flags: [], one: deposit(connection) }));
export const withoutEvents: RunVariant = (mode) =>
  withNats((connection, url) => measuredServer(mode, { url, flags: ["--nats.events", "false"], one: deposit(connection) }));

const deposit =
  (connection: NatsConnection): Work["one"] =>
  async ({ body, headers }) => {
    const answer = await connection.request("troupe.v1.transfer.deposit", body, { headers, timeout: ANSWER_MS_MAX });
    assertResult(answer.headers?.get("Troupe-Status") === "201", () => `a deposit was answered ${answer.string()}`);
  };
