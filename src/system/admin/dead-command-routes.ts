/** The routes of the admin port for durable commands of NATS that are dead letters. */
import { Fault, type Json } from "../../runtime/index.ts";
import type { AdminRoute } from "./admin-route.ts";

/** A dead letter without what the client said. `id` is its own, and names no entity. */
export interface DeadCommandLook {
  readonly id: string;
  /** Where the command was published. */
  readonly subject: string;
  readonly key: string | null;
  /** Of the entity that it named beside its body. */
  readonly entity: string | null;
  readonly code: string;
  readonly detail: string;
  /** Times that it was given. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bodyBytes: number;
  /** It was too large to be kept whole and cannot be replayed. */
  readonly isCut: boolean;
}
export interface DeadCommandPage {
  readonly items: readonly DeadCommandLook[];
  /** To continue after; null when there is no more. */
  readonly next: string | null;
}
/** Where they are kept. All reject with a Fault: `not_found`, or `OVERLOADED` while it cannot be asked. */
export interface DeadCommandSource {
  page(asked: { readonly after: string | null; readonly limit: number }): Promise<DeadCommandPage>;
  look(id: string): Promise<DeadCommandLook & { readonly body: string }>;
  /** Publishes the command again, then removes the dead letter. */
  replay(id: string): Promise<void>;
  drop(id: string): Promise<void>;
}

const LIMIT_MAX = 1_000;
const LIMIT_DEFAULT = 50;

/** `GET /dead-commands?after=&limit=`, `GET /dead-commands/:id`, `POST /dead-commands/:id/replay` and `/drop`. Without NATS (null) there are none. */
export function deadCommandRoutes(source: DeadCommandSource | null): readonly AdminRoute[] {
  const acted =
    (action: "replay" | "drop"): AdminRoute["answer"] =>
    async ({ params: { id = "" } }) => {
      await known(source)[action](id);
      return { id, action };
    };
  return [
    {
      method: "GET",
      path: "/dead-commands",
      answer: async ({ query: { after = null, limit } }) =>
        jsonOf(source === null ? NONE : await source.page({ after, limit: limitOf(limit) })),
    },
    { method: "GET", path: "/dead-commands/:id", answer: async ({ params: { id = "" } }) => jsonOf(await known(source).look(id)) },
    { method: "POST", path: "/dead-commands/:id/replay", answer: acted("replay") },
    { method: "POST", path: "/dead-commands/:id/drop", answer: acted("drop") },
  ];
}

const NONE: DeadCommandPage = { items: [], next: null };

function known(source: DeadCommandSource | null): DeadCommandSource {
  if (source !== null) return source;
  throw new Fault("not_found", "this server takes no durable commands: nats.servers is not set, or nats.durable is false");
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? LIMIT_DEFAULT : /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new Fault("validation_failed", `limit is ${JSON.stringify(text)}; expected a whole number from 1 to ${LIMIT_MAX}`);
}

/** Looks are plain data: what TypeScript cannot see of interfaces without an index signature. */
const jsonOf = (look: object): Json => look as unknown as Json;
