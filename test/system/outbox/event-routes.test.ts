/** The admin port's routes for events: what they refuse, by name. Over a real node and broker they are tested in nats/events.test.ts. */
import { expect, it } from "vitest";
import { eventRoutes } from "../../../src/system/outbox/event-routes.ts";

type Node = Parameters<typeof eventRoutes>[0];
const NOTHING = { params: {}, query: {} };
const routeOf = (events: Node["events"], path: string) => {
  const route = eventRoutes({ events }).find((known) => known.path === path);
  if (route === undefined) throw new Error(`there is no ${path}`);
  return route;
};

it.each(["/events", "/events/held", "/events/held/:entity/skip", "/events/replay"])(
  "%s says that no events leave, and what to set",
  async (path) => {
    const answer = routeOf(null, path).answer({ ...NOTHING, query: { from: "1" } });
    await expect(answer).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining("nats.servers") });
  },
);

it("a page ends with the way to more, and has a limit", async () => {
  const held = async (after: string, limit: number) => Array.from({ length: limit }, (_, i) => ({ entity: `${after}${i}` }));
  const { answer } = routeOf({ held } as unknown as Node["events"], "/events/held");
  expect(await answer({ params: {}, query: { after: "a", limit: "2" } })).toEqual({
    items: [{ entity: "a0" }, { entity: "a1" }],
    next: "a1",
  });
  for (const limit of ["0", "1001", "-1", "x"])
    await expect(answer({ params: {}, query: { limit } })).rejects.toMatchObject({ code: "validation_failed" });
});

it("a replay begins at a record or a time, and at nothing else", async () => {
  const asked: unknown[] = [];
  const replay = async (from: number) => {
    asked.push(from);
    return { from, to: 9 };
  };
  const { answer } = routeOf({ replayFrom: replay, replaySince: replay } as unknown as Node["events"], "/events/replay");
  for (const from of ["7", "2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+01:00"])
    await answer({ params: {}, query: { from } });
  expect(asked).toEqual([7, Date.UTC(2026, 0, 31), Date.UTC(2026, 0, 31, 12), Date.UTC(2026, 0, 31, 11, 0, 0, 500)]);
  for (const from of ["", "-1", "1.5", "now", "2026-13-01", "2026-01-31 12:00", "9".repeat(16)])
    await expect(answer({ params: {}, query: { from } })).rejects.toMatchObject({ code: "validation_failed" });
});
