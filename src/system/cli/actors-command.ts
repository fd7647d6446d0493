/** `troupe actors [type]`: entities in memory. A look wakes none. */
import { z } from "zod";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { counted, type Result, type Run, say, seconds, tableOf } from "./command.ts";

const pageSchema = z.object({
  items: z.array(
    z.object({
      address: z.string(),
      type: z.string(),
      thread: z.string(),
      status: z.string(),
      waiting: z.number(),
      seq: z.number(),
      version: z.number(),
      idleMs: z.number(),
    }),
  ),
  next: z.string().nullable(),
  partial: z.array(z.string()),
});

export interface ActorsOptions extends AdminOptions {
  readonly type?: string;
  readonly after?: string;
  readonly limit: number;
}

/** One page, by address. @throws CliError of `AdminClient`. */
export async function runActors(run: Run, { type, after, limit, ...options }: ActorsOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const query = new URLSearchParams({
    limit: String(limit),
    ...(type === undefined ? {} : { type }),
    ...(after === undefined ? {} : { after }),
  });
  const page = await client.get(`/actors?${query}`, pageSchema);
  const rows = page.items.map(({ address, thread, status, waiting, seq, version, idleMs }) => [
    address,
    thread,
    status,
    counted(waiting),
    counted(seq),
    counted(version),
    seconds(idleMs),
  ]);
  for (const line of tableOf([["entity", "thread", "state", "waiting", "seq", "events", "idle"], ...rows])) say(run, line);
  if (page.next !== null) say(run, `  more: --after ${page.next}`);
  if (page.partial.length > 0) say(run, `  incomplete: ${page.partial.join(", ")} did not answer in full`);
  return { ok: true, ...page, from: client.url };
}
