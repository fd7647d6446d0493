/** What a service says of itself on the nine subjects of discovery (ADR-32), asked by a plain client. */
import type { NatsConnection } from "nats";
import { ask } from "./nats-client.ts";

export const VERBS = ["PING", "INFO", "STATS"] as const;
export type Verb = (typeof VERBS)[number];
export interface MicroAnswer {
  readonly verb: Verb;
  readonly subject: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks all services, those of the name, and the one instance that a PING finds. */
export async function microAnswers(connection: NatsConnection, name: string): Promise<readonly MicroAnswer[]> {
  const asked = async (verb: Verb, subject: string): Promise<MicroAnswer> => ({
    verb,
    subject,
    body: JSON.parse((await ask(connection, subject)).text) as MicroAnswer["body"],
  });
  const { id } = (await asked("PING", `$SRV.PING.${name}`)).body;
  const subjects = VERBS.flatMap((verb) =>
    ["", `.${name}`, `.${name}.${String(id)}`].map((rest) => [verb, `$SRV.${verb}${rest}`] as const),
  );
  return await Promise.all(subjects.map(([verb, subject]) => asked(verb, subject)));
}
