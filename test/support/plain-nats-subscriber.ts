/**
 * Hears the events of the service by a plain subscription, with no stream behind it: everything that is published comes, repeats too, and what was published
 * while it was away never does. Plain NATS, no code of the service. Its argument is the URL. Tells its parent every event in the order in which it came.
 */
import { connect } from "nats";
import { type HeardEvent, heardEventOf, Teller } from "./heard-event.ts";

export interface SubscribedEvent extends HeardEvent {
  /** Of the connection on which it came: 0, 1, 2 ... Between two of them something may have been missed. */
  readonly life: number;
}

const [url = ""] = process.argv.slice(2);
process.once("disconnect", () => process.exit(1));

const teller = new Teller<SubscribedEvent>();
const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
let life = 0;
connection.subscribe("troupe.events.>", {
  callback: (_error, message) => teller.tell({ ...heardEventOf(message), life }),
});
await connection.flush();
process.send?.("listens"); // Nothing is missed from now on.
for await (const { type } of connection.status()) if (type === "disconnect") life++;
