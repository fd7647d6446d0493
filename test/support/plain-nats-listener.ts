/**
 * Hears the events of the service as anybody may: an ordered consumer of the stream TROUPE_EVENTS, which goes on where it stood after each fault. Plain NATS,
 * no code of the service. Its argument is the URL. Tells its parent every event in the order of the stream.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type ConsumerMessages, jetstream } from "@nats-io/jetstream";
import { connect } from "nats";
import { type HeardEvent, heardEventOf, Teller } from "./heard-event.ts";

const [url = ""] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));
const AGAIN_MS = 100;

const teller = new Teller<HeardEvent>();
const connection = await connect({ servers: url, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
const stream = jetstream(connection);
let hearing: ConsumerMessages | null = null;
/** The consumer is gone with the server that had it in memory; the library looks for it for half a minute. */
async function beginAnewAfterFaults(): Promise<void> {
  for await (const { type } of connection.status()) if (type === "reconnect") hearing?.stop();
}
void beginAnewAfterFaults();
for (let heard = 0; ; await delay(AGAIN_MS)) {
  try {
    const from = heard === 0 ? {} : ({ deliver_policy: "by_start_sequence", opt_start_seq: heard + 1 } as const);
    const consumer = await stream.consumers.get("TROUPE_EVENTS", from);
    hearing = await consumer.consume();
    for await (const message of hearing) {
      heard = message.seq;
      teller.tell(heardEventOf(message));
    }
  } catch {
    // The stream is not there yet, or its server is not; it is asked again.
  }
}
