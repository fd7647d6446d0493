/** The least that a service behind a stream does: `echo-consumer.ts <URL of NATS> <stream> <bytes of an answer>`. Answers each message, acknowledges it, keeps nothing. */
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "nats";
import { cpuByThread } from "../harness/machine.ts";
import { serveQuestions } from "../http/servers.ts";

const [url = "", stream = "", bytes = "0"] = process.argv.slice(2);
const answer = "x".repeat(Number(bytes));
const connection = await connect({ servers: url });
const { consumers } = await jetstreamManager(connection);
await consumers.add(stream, { durable_name: "echo", ack_policy: AckPolicy.Explicit, max_ack_pending: 2_048 });
const consumer = await jetstream(connection).consumers.get(stream, "echo");
await consumer.consume({
  max_messages: 512,
  callback: (message) => {
    connection.publish(message.headers?.get("Troupe-Reply-To") ?? "", answer);
    message.ack();
  },
});
serveQuestions({ url, look: async () => null, audit: async () => undefined, threads: cpuByThread, stop: () => connection.close() });
