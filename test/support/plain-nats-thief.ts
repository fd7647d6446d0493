/**
 * Takes commands out of the stream TROUPE_COMMANDS as one of its consumers would, and acknowledges none: whoever started it ends it by kill -9, and the stream
 * must give them to somebody else. Plain NATS, no code of the service. Arguments: the URL and the greatest number.
 */
import { jetstream } from "@nats-io/jetstream";
import { connect } from "nats";

const [url = "", countMax = "1"] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));
const connection = await connect({ servers: url, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
const consumer = await jetstream(connection).consumers.get("TROUPE_COMMANDS", "troupe");
const taken = await consumer.consume({ max_messages: Number(countMax) });
process.send?.("takes");
for await (const { seq } of taken) process.send?.({ seq });
