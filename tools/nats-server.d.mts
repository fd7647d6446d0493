/** A line of versions of nats-server: 2.9.10 and 2.10.27. */
export type NatsLine = "2.9" | "2.10";
export const natsLines: readonly NatsLine[];
export function findNatsServer(line?: NatsLine): string | undefined;
export function obtainNatsServer(line: NatsLine): string;
