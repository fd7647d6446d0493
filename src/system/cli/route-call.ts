import { type CommandSpec, paramsOf, pathOf } from "../ingress/command-table.ts";
import type { JsonObject } from "../ingress/json-body.ts";
import { CliError } from "./cli-error.ts";

/** A command as a request of HTTP. */
export interface RouteCall {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Null when the method has none. */
  readonly fields: JsonObject | null;
}

/**
 * Puts the id, and the fields that HTTP wants in the path or the query, where HTTP wants them. `id` null = none was named.
 * @throws CliError `USAGE` when the command needs an id, takes none, or lacks a field of its path.
 */
export function routeCall(spec: CommandSpec, id: string | null, fields: JsonObject): RouteCall {
  const { name, method, template } = spec;
  const isOfOne = template.includes("{id}");
  if (isOfOne && id === null) throw new CliError("USAGE", `${name} is about one ${spec.type}: name it instead of "-"`);
  if (!isOfOne && id !== null && spec.command !== "open")
    throw new CliError("USAGE", `${name} is about no ${spec.type} in particular: write "-"`);
  const params = Object.fromEntries(paramsOf(spec).map((param) => [param, paramIn(name, fields, param)]));
  const left = Object.fromEntries(Object.entries(fields).filter(([field]) => !Object.hasOwn(params, field)));
  const path = pathOf(spec, { ...params, id: id ?? "" });
  if (method === "POST") return { method, path, fields: isOfOne || id === null ? left : { ...left, id } };
  const query = new URLSearchParams(
    Object.fromEntries(Object.entries(left).map(([field, value]) => [field, typeof value === "string" ? value : JSON.stringify(value)])),
  );
  return { method, path: query.size === 0 ? path : `${path}?${query}`, fields: null };
}

function paramIn(name: string, fields: JsonObject, param: string): string {
  const value = fields[param];
  if (typeof value !== "string") throw new CliError("USAGE", `${name} needs a field ${param}, for example '{"${param}":"..."}'`);
  return value;
}
