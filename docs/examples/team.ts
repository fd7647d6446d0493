import { z } from "zod";
import { accept, answered, defineEntity, entityProtocol, reply } from "../../src/runtime/index.ts";

export const members = entityProtocol("member", {
  score: {
    body: z.strictObject({ team: z.string(), points: z.int().positive() }),
    reply: z.object({ points: z.int() }),
    repeats: "recorded",
  },
  cheer: { body: z.strictObject({ total: z.int() }), reply: z.null() },
  get: { body: z.strictObject({}), reply: z.object({ points: z.int(), counted: z.int(), cheers: z.int() }) },
});
export const teams = entityProtocol("team", {
  count: { body: z.strictObject({ member: z.string(), points: z.int() }), reply: z.object({ total: z.int() }) },
  get: { body: z.strictObject({}), reply: z.object({ total: z.int() }) },
});
const GOAL = 100;

/** Scores points and tells its team. `counted` are those that the team has confirmed. */
export const member = defineEntity({
  ...members,
  version: 1,
  events: { scored: z.object({ points: z.int() }), counted: z.object({ points: z.int() }), cheered: z.object({ total: z.int() }) },
  initial: () => ({ points: 0, counted: 0, cheers: 0 }),
  decide: {
    score: (state, { team, points }, info) =>
      accept([{ kind: "scored", points }], {
        reply: { points: state.points + points },
        effects: [teams.tell(team).count({ member: info.key, points }, { answerTo: "counted" })],
      }),
    cheer: (_state, { total }) => accept([{ kind: "cheered", total }]),
    get: (state) => reply(state),
  },
  answers: {
    counted: answered(teams, "count", ({ points }: { readonly points: number }, _answer) => accept([{ kind: "counted", points }])),
  },
  evolve: {
    scored: (state, { points }) => ({ ...state, points: state.points + points }),
    counted: (state, { points }) => ({ ...state, counted: points }),
    cheered: (state) => ({ ...state, cheers: state.cheers + 1 }),
  },
  snapshot: { encode: (state) => state, decode: (json) => json as { points: number; counted: number; cheers: number } },
});

/** Adds up what its members score, and cheers the one who brings it to each 100. */
export const team = defineEntity({
  ...teams,
  version: 1,
  events: { counted: z.object({ points: z.int() }) },
  initial: () => ({ total: 0 }),
  decide: {
    count(state, body) {
      const total = state.total + body.points;
      const isGoal = Math.floor(total / GOAL) > Math.floor(state.total / GOAL);
      return accept([{ kind: "counted", points: body.points }], {
        reply: { total },
        effects: isGoal ? [members.tell(body.member).cheer({ total })] : [],
      });
    },
    get: (state) => reply(state),
  },
  evolve: { counted: ({ total }, { points }) => ({ total: total + points }) },
  snapshot: { encode: (state) => state, decode: (json) => json as { total: number } },
});

export const registry = [member, team];
