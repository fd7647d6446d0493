/** An event as anybody hears it who listens to NATS: no code of the service. */
import type { MsgHdrs } from "nats";

export interface HeardEvent {
  readonly subject: string;
  /** CloudEvents attributes by their names without `ce-`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Message {
  readonly subject: string;
  readonly headers?: MsgHdrs | undefined;
  readonly data: Uint8Array;
}

export function heardEventOf({ subject, headers, data }: Message): HeardEvent {
  const names = (headers?.keys() ?? []).filter((name) => name.startsWith("ce-"));
  const attributes = Object.fromEntries(names.map((name) => [name.slice("ce-".length), headers?.get(name) ?? ""]));
  return { subject, attributes, body: Buffer.from(data).toString("utf8") };
}

/** Its type and id. */
export const entityOf = ({ subject, attributes }: HeardEvent): string =>
  `${subject.split(".")[2]}/${decodeURIComponent(attributes.subject ?? "")}`;

/** All that a repeat must have in common with the first one. */
export const faceOf = ({ subject, attributes, body }: HeardEvent): string =>
  JSON.stringify([subject, Object.entries(attributes).sort(), body]);

/** Sequence of the record and index in it, the last two numbers of an id. */
export type Position = readonly [seq: bigint, index: bigint];

export function positionOf({ attributes }: HeardEvent): Position {
  const [, seq = "0", index = "0"] = /(\d+)\D(\d+)$/.exec(attributes.id ?? "") ?? [];
  return [BigInt(seq), BigInt(index)];
}
export const isAfter = ([seq, index]: Position, [previous, at]: Position): boolean => seq > previous || (seq === previous && index > at);

/** Tells the parent of this process many at once. */
export class Teller<Told> {
  #untold: Told[] = [];

  tell(one: Told): void {
    this.#untold.push(one);
    if (this.#untold.length > 1) return;
    setTimeout(() => {
      process.send?.(this.#untold);
      this.#untold = [];
    }, TOLD_AT_ONCE_MS);
  }
}
const TOLD_AT_ONCE_MS = 5;
