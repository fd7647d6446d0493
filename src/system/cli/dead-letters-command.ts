/** `troupe deadletters`: what waits for a person's decision, effects and durable commands of NATS. */
import { z } from "zod";
import type { DeadCommandLook } from "../admin/dead-command-routes.ts";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { CliError } from "./cli-error.ts";
import { counted, type Result, type Run, say, tableOf } from "./command.ts";
import { effectPageSchema, runEffectActions, runEffectShow } from "./effects-command.ts";

const lookSchema = z.object({
  id: z.string(),
  subject: z.string(),
  key: z.string().nullable(),
  entity: z.string().nullable(),
  code: z.string(),
  detail: z.string(),
  attempts: z.number(),
  at: z.number(),
  bodyBytes: z.number(),
  isCut: z.boolean(),
}) satisfies z.ZodType<DeadCommandLook>;
const pageSchema = z.object({ items: z.array(lookSchema), next: z.string().nullable() });
const showSchema = lookSchema.extend({ body: z.string() });
const actionSchema = z.object({ id: z.string(), action: z.string() });

/** Where ids of commands begin, and in a list what comes after the last effect. */
const COMMANDS_FIRST = "nats-0";
const isCommand = (id: string): boolean => id.startsWith("nats-");

export interface DeadLettersListOptions extends AdminOptions {
  readonly after?: string;
  readonly limit: number;
}
type Item = { readonly source: "effect" | "nats"; readonly row: readonly string[]; readonly look: object };
interface Page {
  readonly items: readonly Item[];
  readonly next: string | null;
  /** Who did not answer. */
  readonly partial: readonly string[];
}

/** One page: first effects, then commands. @throws CliError of `AdminClient`. */
export async function runDeadLetters(run: Run, { after, limit, ...options }: DeadLettersListOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const effects = after !== undefined && isCommand(after) ? NO_PAGE : await deadEffects(client, after, limit);
  const left = limit - effects.items.length;
  const isFull = effects.next !== null || left === 0;
  const first = after !== undefined && isCommand(after) ? after : COMMANDS_FIRST;
  const commands = isFull ? NO_PAGE : await deadCommands(client, first, left);
  const items = [...effects.items, ...commands.items];
  const next = isFull ? (effects.next ?? COMMANDS_FIRST) : commands.next;
  const partial = [...effects.partial, ...commands.partial];
  const head = ["dead letter", "source", "what", "from or key", "attempts", "last error"];
  if (items.length === 0) say(run, "None.");
  else for (const line of tableOf([head, ...items.map(({ row }) => row)])) say(run, line);
  if (next !== null) say(run, `  more: --after ${next}`);
  if (partial.length > 0) say(run, `  incomplete: ${partial.join(", ")} did not answer`);
  return { ok: true, items: items.map(({ source, look }) => ({ source, ...look })), next, partial, from: client.url };
}

/** @throws CliError `not_found` when it is over, or never was. */
export async function runDeadLetterShow(run: Run, id: string, options: AdminOptions): Promise<Result> {
  if (!isCommand(id)) return await runEffectShow(run, id, options);
  const client = new AdminClient(run, options);
  const command = await client.get(`/dead-commands/${encodeURIComponent(id)}`, showSchema);
  for (const [name, value] of Object.entries({ ...command, at: new Date(command.at).toISOString() }))
    say(run, `  ${name.padEnd(14)} ${printable(String(value ?? "-"))}`);
  return { ok: true, command, from: client.url };
}

/** One after the other, of both kinds; what was done before one is refused stays done. @throws CliError as `runEffectActions`. */
export async function runDeadLetterActions(
  run: Run,
  { ids, action, ...options }: AdminOptions & { readonly ids: readonly string[]; readonly action: "replay" | "drop" },
): Promise<Result> {
  const client = new AdminClient(run, options);
  for (const id of ids) {
    if (!isCommand(id)) {
      await runEffectActions(run, { ids: [id], action, ...options });
      continue;
    }
    await client.post(`/dead-commands/${encodeURIComponent(id)}/${action}`, actionSchema);
    say(run, `  ${id}  ${action === "replay" ? "published again" : "dropped"}`);
  }
  return { ok: true, action, ids, from: client.url };
}

/** What a client wrote must not steer the terminal. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, "?");

const NO_PAGE: Page = { items: [], next: null, partial: [] };

async function deadEffects(client: AdminClient, after: string | undefined, limit: number): Promise<Page> {
  const query = new URLSearchParams({ state: "dead", limit: String(limit), ...(after === undefined ? {} : { after }) });
  const { items, next, partial } = await client.get(`/effects?${query}`, effectPageSchema);
  const shown = items.map((look): Item => {
    const { id, kind, from, to, command, attempts, lastError } = look;
    return { source: "effect", row: [id, "effect", `${kind} ${to} ${command}`, from, counted(attempts), lastError ?? ""], look };
  });
  return { items: shown, next, partial };
}

async function deadCommands(client: AdminClient, after: string, limit: number): Promise<Page> {
  try {
    const { items, next } = await client.get(`/dead-commands?${new URLSearchParams({ limit: String(limit), after })}`, pageSchema);
    const shown = items.map((look): Item => {
      const { id, subject, key, attempts, code, detail } = look;
      return { source: "nats", row: [id, "nats", ...[subject, key ?? "", counted(attempts), `${code}: ${detail}`].map(printable)], look };
    });
    return { items: shown, next, partial: [] };
  } catch (cause) {
    // Without NATS the effects are worth showing.
    if (cause instanceof CliError && cause.code === "OVERLOADED") return { ...NO_PAGE, partial: ["NATS"] };
    throw cause;
  }
}
