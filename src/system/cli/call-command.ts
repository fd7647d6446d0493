/** `troupe call`: one command of the service, over HTTP or NATS, as any other client sends it. */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { runFileOf } from "../data-dir.ts";
import { type CommandSpec, commandTable, statusSpec } from "../ingress/command-table.ts";
import { isJsonObject, type JsonObject } from "../ingress/json-body.ts";
import { CliError, errnoOf } from "./cli-error.ts";
import { configOf, type Result, type Run, say, tableOf } from "./command.ts";
import { HttpConnections } from "./http-connections.ts";
import { routeCall } from "./route-call.ts";

export interface CallOptions {
  readonly type: string;
  /** `-` = none. */
  readonly id: string;
  readonly command: string;
  /** JSON; empty = none. */
  readonly text: string;
  readonly key?: string;
  readonly url?: string;
  /** Servers of NATS, as `nats.servers` has them. */
  readonly nats?: string;
  readonly dataDir?: string;
}
interface Answered {
  readonly status: number;
  readonly body: string;
  readonly isReplayed: boolean;
  readonly from: string;
}
/** Every command: those with a route, and the one that has none. */
const CALLABLE = [...commandTable, statusSpec] as const;
type Callable = CommandSpec | typeof statusSpec;

/** What is sent, whatever carries it. */
interface Sent {
  readonly spec: Callable;
  readonly id: string | null;
  readonly key: string | null;
  readonly fields: JsonObject;
}

/**
 * Prints the answer's body. A command that changes something has a key, so that it can be sent again: `--key`, or one that is made here and told.
 * @throws CliError `USAGE`, `SERVER_NOT_RUNNING`, `SERVER_UNREACHABLE`, `OUTCOME_UNKNOWN`, `forbidden` (NATS does not let this user).
 */
export async function runCall(run: Run, options: CallOptions): Promise<Result> {
  if (options.url !== undefined && options.nats !== undefined)
    throw new CliError("USAGE", "--url and --nats are two ways; name one of them");
  const spec = specOf(options);
  const id = options.id === "-" ? null : options.id;
  const key = options.key ?? (needsKey(spec, id) ? randomUUID() : null);
  const sent: Sent = { spec, id, key, fields: fieldsOf(options.text) };
  const isMade = key !== null && options.key === undefined;
  if (isMade && !run.isJson) process.stderr.write(`key: ${key} (send it again with --key, and nothing is done twice)\n`);
  const answer = options.nats === undefined ? await overHttp(run, sent, options) : await overNats(run, sent, options.nats);
  if (answer.body !== "") say(run, answer.body);
  const body = jsonOf(answer.body);
  const code = isJsonObject(body) && answer.status >= 400 && typeof body.code === "string" ? { code: body.code } : {};
  const { status, isReplayed, from } = answer;
  return { ok: status < 400, ...code, status, body, isReplayed, ...(key === null ? {} : { key }), from };
}

/** Every command with its route. */
export function runCallList(run: Run): Result {
  const rows = CALLABLE.map((spec) => [spec.type, spec.command, routeOf(spec) ?? "-", spec.about]);
  for (const line of tableOf([["type", "command", "over HTTP", "what it does"], ...rows])) say(run, line);
  return { ok: true, commands: CALLABLE };
}

async function overHttp(run: Run, { spec, id, key, fields }: Sent, { url, dataDir }: CallOptions): Promise<Answered> {
  if (!hasRoute(spec)) throw new CliError("USAGE", `${spec.name} has no route of HTTP: send it with --nats`);
  const call = routeCall(spec, id, fields);
  const base = (url ?? urlOf(run, dataDir)).replace(/\/+$/, "");
  const headers: Record<string, string> = {};
  if (call.fields !== null) headers["content-type"] = "application/json";
  if (key !== null) headers["idempotency-key"] = key;
  const connections = new HttpConnections(base);
  try {
    const body = call.fields === null ? "" : JSON.stringify(call.fields);
    const answer = await connections.send(base + call.path, { method: call.method, headers, body });
    return { status: answer.status, body: answer.body, isReplayed: answer.headers["idempotency-replayed"] === "true", from: base };
  } catch (cause) {
    const why = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    throw new CliError("SERVER_UNREACHABLE", `the server at ${base} does not answer (${why}). Is it running there?${again(key)}`, {
      cause,
      isRetryable: true,
    });
  } finally {
    connections.close();
  }
}

async function overNats(run: Run, { spec, id, key, fields }: Sent, servers: string): Promise<Answered> {
  const config = configOf({ ...run, flags: [...run.flags, "--nats.servers", servers] });
  const { callOverNats, NatsCallError } = await import("../nats/nats-call.ts"); // Only here: nothing else of a command line needs it.
  const body = Object.keys(fields).length === 0 ? "" : JSON.stringify(fields);
  const { type, command } = spec;
  try {
    const answer = await callOverNats(config.nats, { type, command, id, key, body }, config.http.answerMsMax + ANSWER_MS_MORE);
    return { ...answer, from: servers };
  } catch (cause) {
    if (!(cause instanceof NatsCallError)) throw cause;
    if (cause.isDenied) throw new CliError("forbidden", cause.message, { cause });
    if (!cause.isOutcomeOpen) throw new CliError("SERVER_UNREACHABLE", cause.message, { cause, isRetryable: true });
    throw new CliError("OUTCOME_UNKNOWN", `${cause.message}. It may have been done.${again(key)}`, { cause, isRetryable: true });
  }
}

/** More than the node takes before it answers that nobody knows. */
const ANSWER_MS_MORE = 5_000;
const again = (key: string | null): string => (key === null ? "" : ` The same with --key ${key} does nothing twice.`);

function specOf({ type, command }: CallOptions): Callable {
  const spec = CALLABLE.find((each) => each.type === type && each.command === command);
  if (spec !== undefined) return spec;
  const ofType = CALLABLE.filter((each) => each.type === type);
  const known = ofType.length === 0 ? [...new Set(CALLABLE.map((each) => each.type))] : ofType.map((each) => each.command);
  const what = ofType.length === 0 ? `type ${JSON.stringify(type)}` : `command ${JSON.stringify(command)} of ${type}`;
  throw new CliError("USAGE", `there is no ${what}; expected one of ${known.join(", ")} (see troupe call --list)`);
}

/** An account or conversation that is opened by its id is its own key. */
const needsKey = (spec: Callable, id: string | null): boolean =>
  hasRoute(spec) && spec.method === "POST" && !(spec.command === "open" && id !== null);

const hasRoute = (spec: Callable): spec is CommandSpec => spec.name !== "command.status";
const routeOf = (spec: Callable): string | null => (hasRoute(spec) ? `${spec.method} ${spec.template}` : null);

function fieldsOf(text: string): JsonObject {
  if (text === "") return {};
  const value = jsonOf(text);
  if (isJsonObject(value)) return value;
  throw new CliError("USAGE", `the body is ${JSON.stringify(text.slice(0, 60))}; expected a JSON object, for example '{"currency":"CZK"}'`);
}

function urlOf(run: Run, dataDir: string | undefined): string {
  const dir = resolve(configOf(run, dataDir).data.dir);
  const url = runFileOf(dir)?.urls[0];
  if (url !== undefined) return url;
  throw new CliError("SERVER_NOT_RUNNING", `no server runs on ${dir}. Name its folder with --data-dir, or a server with --url or --nats.`);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // An answer without a body, or none of ours.
  }
}
