/** The routes of the admin port for events that leave. */
import { Fault, type Json } from "../../runtime/index.ts";
import type { AdminRoute } from "../admin/admin-route.ts";
import type { OutboxControl } from "../outbox-worker.ts";
import type { Control } from "../threads/control.ts";

const LIMIT_MAX = 1_000;
const LIMIT_DEFAULT = 50;

/**
 * `GET /events`, `GET /events/held?after=&limit=`, `POST /events/held/:entity/skip`, `POST /events/replay?from=`. Refusals: `not_found` (404) where no events
 * leave and for an entity that is not held, `illegal_transition` (409) while it is tried again, `validation_failed` (400) for a position that is not there.
 */
export function eventRoutes(node: { readonly events: Control<OutboxControl> | null }): readonly AdminRoute[] {
  const outbox = (): Control<OutboxControl> => {
    if (node.events === null)
      throw new Fault("not_found", "no events leave here: set nats.servers, and nats.events to true, to send them to NATS");
    return node.events;
  };
  return [
    { method: "GET", path: "/events", answer: async () => jsonOf(await outbox().figures()) },
    {
      method: "GET",
      path: "/events/held",
      answer: async ({ query: { after = "", limit } }) => {
        const wanted = limitOf(limit);
        const found = await outbox().held(after, wanted + 1);
        const items = found.slice(0, wanted);
        return jsonOf({ items, next: found.length > wanted ? (items.at(-1)?.entity ?? null) : null });
      },
    },
    {
      method: "POST",
      path: "/events/held/:entity/skip",
      answer: async ({ params: { entity = "" } }) => jsonOf(await outbox().skip(entity)),
    },
    { method: "POST", path: "/events/replay", answer: async ({ query: { from } }) => jsonOf(await replay(outbox(), from ?? "")) },
  ];
}

/** From a record's sequence or a time. */
async function replay(outbox: Control<OutboxControl>, from: string): Promise<object> {
  if (/^\d{1,15}$/.test(from)) return await outbox.replayFrom(Number(from));
  const time = /^\d{4}-\d{2}-\d{2}(T[\d:.]{5,12}(Z|[+-]\d{2}:\d{2}))?$/.test(from) ? Date.parse(from) : Number.NaN;
  if (!Number.isNaN(time)) return await outbox.replaySince(time);
  throw new Fault(
    "validation_failed",
    `from is ${JSON.stringify(from.slice(0, 100))}; expected a record of the journal, as \`troupe journal tail\` shows it, or a time like 2026-01-31T12:00:00Z`,
  );
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? LIMIT_DEFAULT : /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new Fault("validation_failed", `limit is ${JSON.stringify(text)}; expected a whole number from 1 to ${LIMIT_MAX}`);
}

/** Looks are plain data: what TypeScript cannot see of interfaces without an index signature. */
const jsonOf = (look: object): Json => look as unknown as Json;
