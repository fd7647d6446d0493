/** `troupe effects`: effects that are not over, and what a person decides about them. */
import { z } from "zod";
import type { EffectAction, EffectLook } from "../../runtime/index.ts";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { counted, type Result, type Run, say, tableOf } from "./command.ts";

const lookSchema = z.object({
  id: z.string(),
  kind: z.enum(["tell", "ask", "call", "compute", "publish"]),
  from: z.string(),
  to: z.string(),
  command: z.string(),
  openedAt: z.number().nullable(),
  attempts: z.number(),
  nextAt: z.number().nullable(),
  lastError: z.string().nullable(),
  state: z.enum(["open", "resting", "dead"]),
}) satisfies z.ZodType<EffectLook>;
export const effectPageSchema = z.object({ items: z.array(lookSchema), next: z.string().nullable(), partial: z.array(z.string()) });
const actionSchema = z.object({ id: z.string(), action: z.string() });

export interface EffectsListOptions extends AdminOptions {
  readonly state?: EffectLook["state"];
  readonly after?: string;
  readonly limit: number;
}

/** One page. @throws CliError of `AdminClient`. */
export async function runEffectsList(run: Run, { state, after, limit, ...options }: EffectsListOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const query = new URLSearchParams({
    limit: String(limit),
    ...(state === undefined ? {} : { state }),
    ...(after === undefined ? {} : { after }),
  });
  const page = await client.get(`/effects?${query}`, effectPageSchema);
  const rows = page.items.map(({ id, kind, from, to, command, attempts, state: now, nextAt, lastError }) => [
    id,
    now === "resting" && nextAt !== null ? `resting until ${timeOf(nextAt)}` : now,
    from,
    `${kind} ${to} ${command}`,
    counted(attempts),
    lastError ?? "",
  ]);
  if (rows.length === 0) say(run, "None.");
  else for (const line of tableOf([["effect", "state", "from", "what", "failed", "last error"], ...rows])) say(run, line);
  if (page.next !== null) say(run, `  more: --after ${page.next}`);
  if (page.partial.length > 0) say(run, `  incomplete: ${page.partial.join(", ")} did not answer`);
  return { ok: true, ...page, from: client.url };
}

/** @throws CliError `not_found` when it is over, or never was. */
export async function runEffectShow(run: Run, id: string, options: AdminOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const effect = await client.get(`/effects/${encodeURIComponent(id)}`, lookSchema);
  for (const [name, value] of Object.entries(effect)) {
    const shown = typeof value === "number" && name.endsWith("At") ? timeOf(value) : (value ?? "-");
    say(run, `  ${name.padEnd(14)} ${shown}`);
  }
  return { ok: true, effect, from: client.url };
}

/** One after the other; what was done before one is refused stays done. @throws CliError `EFFECT_CLOSED`, `illegal_transition` and others. */
export async function runEffectActions(
  run: Run,
  { ids, action, ...options }: AdminOptions & { readonly ids: readonly string[]; readonly action: EffectAction },
): Promise<Result> {
  const client = new AdminClient(run, options);
  for (const id of ids) {
    await client.post(`/effects/${encodeURIComponent(id)}/${action}`, actionSchema);
    say(run, `  ${id}  ${DONE[action]}`);
  }
  return { ok: true, action, ids, from: client.url };
}

const DONE: Readonly<Record<EffectAction, string>> = {
  replay: "begins anew",
  drop: "dropped",
  cancel: "cancelled; it may have been carried out before",
};
const timeOf = (ms: number): string => new Date(ms).toISOString();
