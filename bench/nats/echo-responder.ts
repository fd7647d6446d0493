/** The least that a service on NATS does: `echo-responder.ts <URL of NATS> <subject> <bytes of an answer>`. Nothing is read and nothing is kept. */
import { connect } from "nats";
import { cpuByThread } from "../harness/machine.ts";
import { serveQuestions } from "../http/servers.ts";

const [url = "", subject = "", bytes = "0"] = process.argv.slice(2);
const answer = "x".repeat(Number(bytes));
const connection = await connect({ servers: url });
connection.subscribe(subject, {
  callback: (error, message) => {
    if (error === null) message.respond(answer);
  },
});
await connection.flush();
serveQuestions({ url, look: async () => null, audit: async () => undefined, threads: cpuByThread, stop: () => connection.close() });
