/** `troupe top`: what is busy, again and again at a terminal, once elsewhere. */
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { counted, type Result, type Run, say, tableOf } from "./command.ts";
import { StopSignal } from "./stop-signal.ts";

const topSchema = z.object({
  sinceMs: z.number().nullable(),
  types: z.array(z.object({ type: z.string(), handled: z.number(), handledPerSecond: z.number().nullable() })),
  busiest: z.array(z.object({ address: z.string(), thread: z.string(), handledPerSecond: z.number() })),
  fullest: z.array(z.object({ address: z.string(), thread: z.string(), waiting: z.number() })),
  unanswered: z.array(z.string()),
});
type TopLook = z.output<typeof topSchema>;

export interface TopOptions extends AdminOptions {
  readonly once?: boolean;
  readonly limit: number;
}

/** Between two looks: rates are of this time. */
const EVERY_MS = 1_000;

/** @throws CliError of `AdminClient`. */
export async function runTop(run: Run, { once = false, limit, ...options }: TopOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const look = (): Promise<TopLook> => client.get(`/top?limit=${limit}`, topSchema);
  await look(); // The server counts from the last look, whoever made it; from here on that is this one.
  const isRefreshing = !once && !run.isJson && process.stdout.isTTY === true;
  using signal = new StopSignal();
  for (;;) {
    await Promise.race([delay(EVERY_MS), signal.arrived]);
    const top = await look();
    if (isRefreshing) process.stdout.write("\x1b[H\x1b[2J");
    for (const line of linesOf(top, client.url)) say(run, line);
    if (!isRefreshing || signal.hasArrived) return { ok: true, ...top, from: client.url };
  }
}

function linesOf({ sinceMs, types, busiest, fullest, unanswered }: TopLook, url: string): readonly string[] {
  const rate = (perSecond: number | null): string => (perSecond === null ? "-" : counted(perSecond));
  const table = (head: readonly string[], rows: ReadonlyArray<readonly string[]>): readonly string[] =>
    rows.length === 0 ? [] : ["", ...tableOf([head, ...rows])];
  return [
    `Messages of the last ${sinceMs === null ? "-" : (sinceMs / 1000).toFixed(1)} s  (${url})`,
    ...table(
      ["type", "handled/s", "handled"],
      types.map(({ type, handled, handledPerSecond }) => [type, rate(handledPerSecond), counted(handled)]),
    ),
    ...table(
      ["busiest (estimated)", "thread", "handled/s"],
      busiest.map(({ address, thread, handledPerSecond }) => [address, thread, rate(handledPerSecond)]),
    ),
    ...table(
      ["fullest mailbox", "thread", "waiting"],
      fullest.map(({ address, thread, waiting }) => [address, thread, counted(waiting)]),
    ),
    ...(unanswered.length > 0 ? ["", `  did not answer: ${unanswered.join(", ")}`] : []),
  ];
}
