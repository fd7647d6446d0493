/** Asks all nodes on a NATS who they are, by the question of discovery (`$SRV.PING`). */
import { createInbox, type NatsConnection } from "nats";
import { isStronger, type Presence, presenceIn } from "./presence.ts";
import { pingSubject } from "./subjects.ts";

export interface RollCallOptions {
  /** Of the service. */
  readonly name: string;
  /** Of this process: it answers too. */
  readonly instance: string;
  readonly storeId: string;
  readonly inboxPrefix: string;
}
export type RollCall =
  /** No other store takes or claims the commands. */
  | { readonly kind: "alone" }
  /** The strongest of those that do. */
  | { readonly kind: "other"; readonly other: Presence }
  /** Not even our own answer came. */
  | { readonly kind: "unheard" };

/**
 * Our own answer proves that questions and answers get through, and how long they take; others get a little longer. A node that is stalled for longer than
 * that is not heard. Never rejects; on a connection that ends nothing is heard.
 */
export async function rollCall(connection: NatsConnection, { name, instance, storeId, inboxPrefix }: RollCallOptions): Promise<RollCall> {
  let strongest: Presence | null = null;
  const { promise: heardOurselves, resolve } = Promise.withResolvers<boolean>();
  const inbox = createInbox(inboxPrefix);
  try {
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) return resolve(false);
        if (message.data.byteLength === 0) return; // The server says that nobody is there, not even we.
        const presence = presenceIn(message.data);
        if (presence.instance === instance) return resolve(true);
        if (presence.store === storeId || presence.commands === "left") return;
        if (strongest === null || isStronger(presence, strongest)) strongest = presence;
      },
    });
    connection.publish(pingSubject(name), "", { reply: inbox });
    const isHeard = await Promise.race([heardOurselves, rest(OWN_MS_MAX).then(() => false)]);
    if (isHeard) await hearOthers(connection);
    subscription.unsubscribe();
    if (!isHeard) return { kind: "unheard" };
    return strongest === null ? { kind: "alone" } : { kind: "other", other: strongest };
  } catch {
    return { kind: "unheard" };
  }
}

/** Longest wait for our own answer. */
const OWN_MS_MAX = 2_000;
/** How long others may answer after us. */
const OTHERS_MS = 200;
const SLICES = 4;

/** In slices, each with what the server has for us by then: when this thread stalls, that is one slice and not the whole wait. */
async function hearOthers(connection: NatsConnection): Promise<void> {
  for (let slice = 0; slice < SLICES; slice++) {
    await rest(OTHERS_MS / SLICES);
    await connection.flush();
  }
}

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
