/** `troupe tree`: the parts of a running node. */
import { z } from "zod";
import { AdminClient, type AdminOptions } from "./admin-client.ts";
import { counted, type Result, type Run, say, tableOf } from "./command.ts";

const partSchema = z.object({
  address: z.string(),
  type: z.string(),
  state: z.string(),
  restarts: z.number(),
  mailbox: z.number(),
  oldestMessageMs: z.number(),
  doing: z.string().nullable(),
  get children() {
    return z.array(partSchema);
  },
});
type Part = z.output<typeof partSchema>;

/** @throws CliError of `AdminClient`. */
export async function runTree(run: Run, options: AdminOptions): Promise<Result> {
  const client = new AdminClient(run, options);
  const tree = await client.get("/tree", partSchema);
  const head = ["part", "type", "state", "restarts", "waiting", "oldest ms", "doing"];
  for (const line of tableOf([head, ...rowsOf(tree, 0)])) say(run, line);
  return { ok: true, tree, from: client.url };
}

/** A part and those below it, indented. */
function rowsOf({ address, type, state, restarts, mailbox, oldestMessageMs, doing, children }: Part, depth: number): string[][] {
  const name = depth === 0 ? address : address.slice(address.lastIndexOf("/") + 1);
  const row = [
    "  ".repeat(depth) + name,
    type,
    state,
    counted(restarts),
    counted(mailbox),
    counted(Math.round(oldestMessageMs)),
    doing ?? "",
  ];
  return [row, ...children.flatMap((child) => rowsOf(child, depth + 1))];
}
