/** What the service can be told, by name, as data: for doors that carry a name instead of a route, for discovery and for `troupe call`. */

/** Type, name, the route of HTTP that does the same, and words for people; in the order in which discovery shows them. */
const TABLE = [
  ["account", "open", "POST /v1/accounts", "Opens an account"],
  ["account", "get", "GET /v1/accounts/{id}", "Shows an account"],
  ["account", "entries", "GET /v1/accounts/{id}/entries", "Lists the entries of an account"],
  ["account", "freeze", "POST /v1/accounts/{id}/freeze", "Freezes an account"],
  ["account", "unfreeze", "POST /v1/accounts/{id}/unfreeze", "Unfreezes an account"],
  ["account", "close", "POST /v1/accounts/{id}/close", "Closes an account"],
  ["transfer", "create", "POST /v1/transfers", "Moves money between two accounts"],
  ["transfer", "deposit", "POST /v1/deposits", "Brings money in"],
  ["transfer", "withdraw", "POST /v1/withdrawals", "Takes money out"],
  ["transfer", "get", "GET /v1/transfers/{id}", "Shows a transfer"],
  ["ledger", "trial-balance", "GET /v1/ledger/trial-balance", "Adds up the books"],
  ["conversation", "open", "POST /v1/conversations", "Opens a conversation"],
  ["conversation", "get", "GET /v1/conversations/{id}", "Shows a conversation"],
  ["conversation", "post", "POST /v1/conversations/{id}/messages", "Posts a message and waits for its reply"],
  ["conversation", "outcome", "GET /v1/conversations/{id}/messages/{messageId}", "Shows what came of a post"],
  ["conversation", "messages", "GET /v1/conversations/{id}/messages", "Lists the messages"],
  ["conversation", "summary", "GET /v1/conversations/{id}/summary", "Shows the summary"],
  ["conversation", "stop", "POST /v1/conversations/{id}/stop", "Stops the reply under way"],
  ["conversation", "regenerate", "POST /v1/conversations/{id}/replies/{replyId}/regenerate", "Makes another reply"],
  ["conversation", "delete", "DELETE /v1/conversations/{id}", "Deletes a conversation"],
] as const;
type Row = (typeof TABLE)[number];

/** `<type>.<command>` of every command. */
export type CommandName = Row extends infer Each ? (Each extends Row ? `${Each[0]}.${Each[1]}` : never) : never;

export interface CommandSpec {
  readonly name: CommandName;
  readonly type: string;
  readonly command: string;
  readonly method: string;
  /** Path of HTTP: `{id}` is the entity's; every other name in braces is a field of the body here. */
  readonly template: string;
  /** For people and for discovery. */
  readonly about: string;
}

export const commandTable: readonly CommandSpec[] = TABLE.map(([type, command, route, about]) => {
  const [method = "", template = ""] = route.split(" ");
  return { name: `${type}.${command}` as CommandName, type, command, method, template, about };
});

/** Of doors that carry names only: over HTTP the same request with the same key tells the same. */
export const statusSpec = {
  name: "command.status",
  type: "command",
  command: "status",
  template: "",
  about: "Shows what became of a command by its key",
} as const;

/** Names in braces, but for the entity's id. */
export const paramsOf = ({ template }: CommandSpec): readonly string[] =>
  [...template.matchAll(/\{(\w+)\}/g)].flatMap(([, name = ""]) => (name === "id" ? [] : [name]));

/** The path of HTTP; what `params` lacks is left empty. */
export const pathOf = ({ template }: CommandSpec, params: Readonly<Record<string, string>>): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
