/**
 * What the journal says to the rest of the world: a pure projection of one event of an entity at a time.
 *
 * I1. A name and the fields of its data are public: a change that listeners notice is another `INTEGRATION_VERSION`.
 * I2. Of conversations only ids, turns and counts: never a text, sealed or not, nor a name of anybody. What is sent cannot be deleted.
 * I3. What is on its way (a transfer between its legs, chunks of a reply) and what only the entity needs is nobody else's.
 */
import type { Json } from "../../runtime/index.ts";
import { accountEvent } from "./account-event.ts";
import { conversationEvent } from "./conversation-event.ts";
import type { IntegrationEvent } from "./integration-event.ts";
import { transferEvent } from "./transfer-event.ts";

export const INTEGRATION_VERSION = 1;

/** Of an event of the entity `type/id` at a time (milliseconds since 1970). Null when it is not public. */
type Projection = (id: string, event: Json, at: number) => IntegrationEvent | null;
const PROJECTIONS: ReadonlyMap<string, Projection> = new Map<string, Projection>([
  ["account", accountEvent],
  ["transfer", transferEvent],
  ["conversation", conversationEvent],
]);

/** What leaves of one event of an entity; null when nothing does. @throws Error for an event of a newer program: to guess would tell the world what is not so. */
export const integrationEvent = (
  { type, id }: { readonly type: string; readonly id: string },
  event: Json,
  at: number,
): IntegrationEvent | null => PROJECTIONS.get(type)?.(id, event, at) ?? null;
