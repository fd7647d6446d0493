/** The routes of the admin port that look and change nothing. */
import { Fault, type Json } from "../../runtime/index.ts";
import type { AdminRoute } from "./admin-route.ts";
import type { Inspected } from "./inspected.ts";
import { Top } from "./top-look.ts";

const LIMIT_MAX = 1_000;
const LIMIT_DEFAULT = 50;
const TOP_MAX = 100;
const TOP_DEFAULT = 10;

/** `GET /tree`, `GET /actors?type=&after=&limit=`, `GET /top?limit=`. */
export function lookRoutes(system: Inspected): readonly AdminRoute[] {
  const top = new Top(system);
  return [
    { method: "GET", path: "/tree", answer: async () => jsonOf(system.tree()) },
    {
      method: "GET",
      path: "/actors",
      answer: async ({ query: { type = null, after = null, limit } }) => {
        const page = await system.peek({ type, after, limit: limitOf(limit, LIMIT_DEFAULT, LIMIT_MAX) });
        const { entities, hasMore, partial } = page;
        return jsonOf({ items: entities, next: hasMore ? (entities.at(-1)?.address ?? null) : null, partial });
      },
    },
    { method: "GET", path: "/top", answer: async ({ query }) => jsonOf(await top.look(limitOf(query.limit, TOP_DEFAULT, TOP_MAX))) },
  ];
}

function limitOf(text: string | undefined, byDefault: number, max: number): number {
  const limit = text === undefined ? byDefault : /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= max) return limit;
  throw new Fault("validation_failed", `limit is ${JSON.stringify(text)}; expected a whole number from 1 to ${max}`);
}

/** Looks are plain data: what TypeScript cannot see of interfaces without an index signature. */
const jsonOf = (look: object): Json => look as unknown as Json;
