/** A durable command that could not be done as a message of its own stream: its headers and body as they came, and why it is there. */
import { type MsgHdrs, headers as newHeaders } from "nats";
import type { Refusal } from "../../runtime/index.ts";
import { inHeader } from "./command-message.ts";
import { commandOfDurable, deadSubject } from "./subjects.ts";

export interface DeadMessage {
  readonly subject: string;
  readonly headers: MsgHdrs;
  readonly body: Uint8Array;
}
export interface Dying {
  readonly subject: string;
  /** Null when they cannot be read. */
  readonly headers: MsgHdrs | null;
  readonly data: Uint8Array;
}
/** Why a command is dead, as its headers tell. */
export interface Death {
  readonly code: string;
  readonly detail: string;
  /** Times that it was given. */
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Where it was published. */
  readonly subject: string;
  /** Bytes of its body, when they did not fit into a message together with the reason: the body is empty then. */
  readonly cutBytes: number | null;
  /** Whether its headers could not be read and are lost: it cannot be replayed. */
  readonly isHeadless: boolean;
}

export function deadMessageOf(
  { subject, headers: original, data }: Dying,
  { code, detail }: Refusal,
  { attempts, at, bytesMax }: { readonly attempts: number; readonly at: number; readonly bytesMax: number },
): DeadMessage {
  const { type, command } = commandOfDurable(subject) ?? UNKNOWN;
  const isCut = data.byteLength + bytesOf(original) + OWN_BYTES_MAX > bytesMax;
  const headers = newHeaders();
  for (const [name, values] of original ?? []) {
    // Headers may be what is too large: of a command that is cut, those stay by which it is looked for.
    if (!isForeign(name) || (isCut && !KEPT.has(name.toLowerCase()))) continue;
    for (const value of values) headers.append(name, isCut ? value.slice(0, VALUE_CHARS_MAX) : value);
  }
  headers.set("Troupe-Dead-Code", code);
  headers.set("Troupe-Dead-Detail", inHeader(detail));
  headers.set("Troupe-Dead-Attempts", String(attempts));
  headers.set("Troupe-Dead-At", new Date(at).toISOString());
  headers.set("Troupe-Dead-Subject", inHeader(subject));
  // Without its headers it has no key: published again it would be another command, or none.
  if (original === null) headers.set("Troupe-Dead-Headers", "unreadable");
  if (isCut) headers.set("Troupe-Dead-Cut", String(data.byteLength));
  return { subject: deadSubject(type, command), headers, body: isCut ? new Uint8Array() : data };
}

export function deathOf(headers: MsgHdrs): Death {
  const cut = headers.get("Troupe-Dead-Cut");
  return {
    code: headers.get("Troupe-Dead-Code"),
    detail: headers.get("Troupe-Dead-Detail"),
    attempts: Number(headers.get("Troupe-Dead-Attempts")),
    at: Date.parse(headers.get("Troupe-Dead-At")),
    subject: headers.get("Troupe-Dead-Subject"),
    cutBytes: cut === "" ? null : Number(cut),
    isHeadless: headers.has("Troupe-Dead-Headers"),
  };
}

/** The headers of the command as it was published, to be published again: a deadline has passed, and whoever replays it wants it done all the same. */
export function headersAgain(dead: MsgHdrs): MsgHdrs {
  const headers = newHeaders();
  for (const [name, values] of dead) {
    if (!isForeign(name) || name.toLowerCase() === "troupe-deadline") continue;
    for (const value of values) headers.append(name, value);
  }
  return headers;
}

const UNKNOWN = { type: "unknown", command: "unknown" };
const KEPT: ReadonlySet<string> = new Set(["idempotency-key", "troupe-id"]);
const VALUE_CHARS_MAX = 1_024;
/** More than the headers that are added here. */
const OWN_BYTES_MAX = 4_096;

/** Neither ours nor the server's: `Nats-Msg-Id` would have a replay taken for a duplicate. */
const isForeign = (name: string): boolean => !/^(nats-|troupe-dead-)/i.test(name);

function bytesOf(headers: MsgHdrs | null): number {
  let bytes = 0;
  for (const [name, values] of headers ?? [])
    for (const value of values) bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + SEPARATORS_BYTES;
  return bytes;
}
const SEPARATORS_BYTES = 4;
