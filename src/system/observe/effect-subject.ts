import type { PerformEffect } from "../../runtime/index.ts";
import { isJsonObject } from "../ingress/json-body.ts";

/** Ports of every node, so no module's, whose requests say whose conversation they are for. */
const PORTS: ReadonlySet<string> = new Set(["reply", "summary"]);
const IDS = ["user", "conversation"] as const;
const TURNS = ["turn", "fromTurn", "toTurn"] as const;

/** What may be logged of an effect's body: for whom a reply or summary is made, by ids and numbers (R-CON-8); of all other effects nothing. */
export function subjectOf({ to, body }: Pick<PerformEffect, "to" | "body">): Readonly<Record<string, string | number>> {
  if (!PORTS.has(to) || !isJsonObject(body)) return {};
  const subject: Record<string, string | number> = {};
  for (const name of IDS) {
    const id = body[name];
    if (typeof id === "string") subject[name] = id;
  }
  for (const name of TURNS) {
    const turn = body[name];
    if (typeof turn === "number") subject[name] = turn;
  }
  return subject;
}
