/**
 * The only place where subjects are made (TRAPS 42): every token is checked against an allow-list, so a CRLF, a blank, a wildcard, an empty token or
 * another token than was meant never reaches a subject. Ids of entities stand in no subject: they may hold any character.
 */
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

/** One token. @throws RangeError for anything but 1 to 64 letters, digits, `-` and `_`. */
function token(text: string): string {
  if (!TOKEN.test(text))
    throw new RangeError(`${JSON.stringify(text.slice(0, 80))} is no token of a subject: expected 1 to 64 of A-Z a-z 0-9 _ -`);
  return text;
}

/** Of a command that is answered at once. */
export const commandSubject = (type: string, command: string): string => `troupe.v1.${token(type)}.${token(command)}`;

/** Of a command that a stream keeps until it is done. */
export const durableSubject = (type: string, command: string): string => `troupe.durable.v1.${token(type)}.${token(command)}`;
export const DURABLE_SUBJECTS = "troupe.durable.v1.*.*";

/** The command that a subject of `durableSubject` names; null for any other subject. */
export function commandOfDurable(subject: string): { readonly type: string; readonly command: string } | null {
  const [, type, command] = /^troupe\.durable\.v1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})$/.exec(subject) ?? [];
  return type === undefined || command === undefined ? null : { type, command };
}

/** Of a command of that stream that could not be done. */
export const deadSubject = (type: string, command: string): string => `troupe.dead.${token(type)}.${token(command)}`;
export const DEAD_SUBJECTS = "troupe.dead.*.*";

/** Of an event that leaves. */
export const eventSubject = (type: string, event: string): string => `troupe.events.${token(type)}.${token(event)}`;
export const EVENT_SUBJECTS = "troupe.events.*.*";

/** Of discovery (ADR-32): asks all nodes of the service. */
export const pingSubject = (name: string): string => `$SRV.PING.${token(name)}`;

/** Of discovery: all services, those of a name, one instance. */
export const serviceSubjects = (verb: "PING" | "INFO" | "STATS", name: string, id: string): readonly string[] => [
  `$SRV.${verb}`,
  `$SRV.${verb}.${token(name)}`,
  `$SRV.${verb}.${token(name)}.${token(id)}`,
];

const INBOX = /^_INBOX[A-Za-z0-9_-]{0,64}(\.[A-Za-z0-9_-]{1,64}){1,8}$/;

/** Whether it is an inbox, of a client or of a node. */
export const isInbox = (subject: string): boolean => INBOX.test(subject);

/**
 * Whether an answer may be sent there. A client says where its answer goes, and we send it with our rights: anything but an inbox would let it publish
 * where it may not, on commands and events for example. Nor the inboxes of nodes: what comes there is what the server and other nodes say to us. With the
 * prefix `_INBOX` they cannot be told from those of clients.
 */
export const isReplySubject = (subject: string, ownPrefix: string): boolean =>
  isInbox(subject) && (ownPrefix === CLIENT_PREFIX || !subject.startsWith(`${ownPrefix}.`));
const CLIENT_PREFIX = "_INBOX";
