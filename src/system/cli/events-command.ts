/** `troupe events`: how events leave, which entities are held, and what a person decides about them. */
import { z } from "zod";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { counted, type Result, type Run, say, seconds, tableOf } from "./command.ts";

const statusSchema = z.object({
  position: z.number(),
  end: z.number(),
  lagRecords: z.number(),
  lagMs: z.number(),
  held: z.number(),
  inFlight: z.number(),
  waiting: z.number(),
  trouble: z.string().nullable(),
  remadeBecause: z.string().nullable(),
  counts: z.record(z.string(), z.number()),
});
const heldSchema = z.object({
  entity: z.string(),
  place: z.object({ seq: z.number(), index: z.number() }),
  eventId: z.string().nullable(),
  why: z.string(),
  attempts: z.number(),
  since: z.number(),
  nextAt: z.number(),
});
const heldPageSchema = z.object({ items: z.array(heldSchema), next: z.string().nullable() });
const replaySchema = z.object({ from: z.number(), to: z.number() });

/** @throws CliError of `AdminClient`; `not_found` when the server sends none. */
export async function runEventsStatus(run: Run, options: AdminOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const status = await client.get("/events", statusSchema);
  const { position, end, lagRecords, lagMs, held, inFlight, waiting, trouble, remadeBecause, counts } = status;
  say(
    run,
    `  sent up to record ${counted(position)} of ${counted(end)}; ${counted(lagRecords)} behind, the oldest event waits for ${seconds(lagMs)}`,
  );
  say(run, `  ${counted(inFlight)} under way, ${counted(waiting)} in memory; entities held: ${counted(held)}`);
  say(
    run,
    `  since its start: ${Object.entries(counts)
      .map(([outcome, count]) => `${counted(count)} ${outcome}`)
      .join(", ")}`,
  );
  if (trouble !== null) say(run, `  nothing leaves now: ${trouble}`);
  if (remadeBecause !== null) say(run, `  outbox.db was made anew at the start: ${remadeBecause}`);
  return { ok: true, ...status, from: client.url };
}

/** One page, by address. @throws CliError of `AdminClient`. */
export async function runEventsHeld(
  run: Run,
  { after, limit, ...options }: AdminOptions & { readonly after?: string; readonly limit: number },
): Promise<Result> {
  const client = new AdminClient(run, options);
  const query = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) });
  const page = await client.get(`/events/held?${query}`, heldPageSchema);
  const rows = page.items.map(({ entity, place, attempts, since, nextAt, why }) => [
    entity,
    counted(place.seq),
    counted(attempts),
    timeOf(since),
    timeOf(nextAt),
    why,
  ]);
  if (rows.length === 0) say(run, "None.");
  else for (const line of tableOf([["entity", "record", "attempts", "since", "next", "why"], ...rows])) say(run, line);
  if (page.next !== null) say(run, `  more: --after ${page.next}`);
  return { ok: true, ...page, from: client.url };
}

/** One after the other. @throws CliError `not_found` for one that is not held, `illegal_transition` while it is tried again. */
export async function runEventsSkip(run: Run, entities: readonly string[], options: AdminOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const skipped: Array<z.output<typeof heldSchema>> = [];
  for (const entity of entities) {
    const held = await client.post(`/events/held/${encodeURIComponent(entity)}/skip`, heldSchema);
    skipped.push(held);
    say(run, `  ${entity}  gave up the event ${held.eventId} of record ${counted(held.place.seq)}; its later ones go on`);
  }
  return { ok: true, skipped, from: client.url };
}

/** @throws CliError `validation_failed` for a position that is not there. */
export async function runEventsReplay(run: Run, { from, ...options }: AdminOptions & { readonly from: string }): Promise<Result> {
  const client = new AdminClient(run, options);
  const replay = await client.post(`/events/replay?${new URLSearchParams({ from })}`, replaySchema);
  say(
    run,
    `  The events of the records ${counted(replay.from)} to ${counted(replay.to)} are sent again, with the same ids; new ones follow them.`,
  );
  return { ok: true, replay, from: client.url };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
