/** The routes of the admin port for effects that are not over, dead letters among them. */
import { type EffectAction, type EffectLook, type EffectPage, Fault, type Json } from "../../runtime/index.ts";
import type { AdminRoute } from "../admin/admin-route.ts";
import type { OpenEffects } from "./open-effects.ts";

const LIMIT_MAX = 1_000;
const LIMIT_DEFAULT = 50;
const STATES = ["open", "resting", "dead"] as const satisfies readonly EffectLook["state"][];
const ACTIONS = ["replay", "drop", "cancel"] as const satisfies readonly EffectAction[];

/**
 * `GET /effects?state=&after=&limit=`, `GET /effects/:id`, `POST /effects/:id/replay`, `/drop` and `/cancel`. An action is answered when it is in
 * the journal. Refusals: `EFFECT_CLOSED` (409) for an action on what is over, `illegal_transition` (409) for one that does not fit its state, `not_found`
 * (404) for a look at what is over, `NOT_OWNER` (503) while its shard thread is being recovered.
 */
export function effectRoutes({ effects }: { readonly effects: OpenEffects }): readonly AdminRoute[] {
  return [
    {
      method: "GET",
      path: "/effects",
      answer: async ({ query: { state, after = null, limit } }) =>
        jsonOf(await effects.page({ state: stateOf(state), after, limit: limitOf(limit) })),
    },
    { method: "GET", path: "/effects/:id", answer: async ({ params: { id = "" } }) => jsonOf(await effects.look(id)) },
    ...ACTIONS.map(
      (action): AdminRoute => ({
        method: "POST",
        path: `/effects/:id/${action}`,
        answer: async ({ params: { id = "" } }) => {
          const answer = await effects.resolve(id, action);
          if (!answer.ok) throw new Fault(answer.code, answer.detail);
          return answer.value;
        },
      }),
    ),
  ];
}

function stateOf(text: string | undefined): EffectPage["state"] {
  if (text === undefined) return null;
  const state = STATES.find((known) => known === text);
  if (state !== undefined) return state;
  throw new Fault("validation_failed", `state is ${JSON.stringify(text)}; expected ${STATES.join(", ")}`);
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? LIMIT_DEFAULT : /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new Fault("validation_failed", `limit is ${JSON.stringify(text)}; expected a whole number from 1 to ${LIMIT_MAX}`);
}

/** Looks are plain data: what TypeScript cannot see of interfaces without an index signature. */
const jsonOf = (look: object): Json => look as unknown as Json;
