import { connect, createInbox, errors, type NatsConnection, headers as newHeaders } from "nats";
import { Fault } from "../../runtime/index.ts";
import { HEADERS } from "./command-message.ts";
import { connectionOptionsOf } from "./connection-options.ts";
import { connectionTroubleOf } from "./connection-trouble.ts";
import type { NatsConfig } from "./nats-secrets.ts";
import { commandSubject } from "./subjects.ts";

export interface NatsCall {
  readonly type: string;
  readonly command: string;
  /** Null = none is named. */
  readonly id: string | null;
  readonly key: string | null;
  /** Empty = none. */
  readonly body: string;
}
export interface NatsCallAnswer {
  readonly status: number;
  readonly body: string;
  readonly isReplayed: boolean;
}

interface CallFailure {
  readonly cause: unknown;
  readonly isOutcomeOpen: boolean;
  readonly isDenied?: boolean;
}

/** Why a call has no answer: its outcome is open when the command may have arrived. */
export class NatsCallError extends Error {
  readonly isOutcomeOpen: boolean;
  /** The server's permissions say no: the same call fails until they are changed. */
  readonly isDenied: boolean;

  constructor(message: string, { cause, isOutcomeOpen, isDenied = false }: CallFailure) {
    super(message, { cause });
    this.name = "NatsCallError";
    this.isOutcomeOpen = isOutcomeOpen;
    this.isDenied = isDenied;
  }
}

/**
 * Sends one command to whichever node takes it, on a connection of its own.
 * @throws NatsCallError when no answer came; Fault `CONFIG_INVALID` when a file or variable of the configuration is not there.
 */
export async function callOverNats(config: NatsConfig, call: NatsCall, answerMsMax: number): Promise<NatsCallAnswer> {
  // A client's own inbox: the node's is closed to clients by their roles.
  const options = { ...connectionOptionsOf(config, process.env), inboxPrefix: CLIENT_INBOX };
  const connection = await connect({ ...options, name: `${config.name}-call`, reconnect: false }).catch((cause: unknown) => {
    const message = `there is no connection to NATS (${config.servers}): ${connectionTroubleOf(cause)}`;
    throw new NatsCallError(message, { cause, isOutcomeOpen: false });
  });
  try {
    return await answered(connection, { config, call, answerMsMax });
  } finally {
    await connection.close();
  }
}

interface Asked {
  readonly config: NatsConfig;
  readonly call: NatsCall;
  readonly answerMsMax: number;
}

async function answered(connection: NatsConnection, { config, call, answerMsMax }: Asked): Promise<NatsCallAnswer> {
  const headers = newHeaders();
  if (call.id !== null) headers.set(HEADERS.id, encodeURIComponent(call.id));
  if (call.key !== null) headers.set(HEADERS.key, call.key);
  const subject = subjectOf(call);
  const reply = await heardInbox(connection);
  const asked = connection.request(subject, call.body, { headers, timeout: answerMsMax, noMux: true, reply }).catch((cause: unknown) => {
    throw failureOf(cause, subject, config);
  });
  // With an inbox of its own the library's request never ends when its connection does.
  const answer = await Promise.race([asked, lost(connection)]);
  const status = Number(answer.headers?.get("Troupe-Status") ?? Number.NaN);
  if (!Number.isInteger(status)) throw new NatsCallError(`who answered on ${subject} is no Troupe`, { cause: null, isOutcomeOpen: true });
  return { status, body: answer.string(), isReplayed: answer.headers?.get("Idempotency-Replayed") === "true" };
}

async function lost(connection: NatsConnection): Promise<never> {
  const cause = await connection.closed();
  const why = cause instanceof Error ? connectionTroubleOf(cause) : "the server closed it";
  throw new NatsCallError(`the connection to NATS was lost before the answer came: ${why}`, { cause, isOutcomeOpen: true });
}

/** A subject on which this user may hear an answer, made sure before the command is sent: else it would be done, and nobody could say so. */
async function heardInbox(connection: NatsConnection): Promise<string> {
  const inbox = createInbox(CLIENT_INBOX);
  const refusals: Error[] = [];
  const probe = connection.subscribe(inbox, { callback: (error) => void (error === null || refusals.push(error)) });
  await connection.flush().catch((cause: unknown) => {
    throw new NatsCallError(`the connection to NATS was lost before anything was sent: ${textOf(cause)}`, { cause, isOutcomeOpen: false });
  });
  const [cause] = refusals;
  if (cause === undefined) {
    probe.unsubscribe();
    return inbox;
  }
  const way = "Nothing was sent. Use one with the role of a client (config/nats/client-role.conf)";
  const message = `the user of NATS may not subscribe to ${CLIENT_INBOX}.>, where it would hear the answer: ${cause.message}. ${way}`;
  throw new NatsCallError(message, { cause, isOutcomeOpen: false, isDenied: true });
}

function failureOf(cause: unknown, subject: string, { servers }: NatsConfig): NatsCallError {
  if (cause instanceof errors.NoRespondersError || (cause instanceof errors.RequestError && cause.isNoResponders()))
    return new NatsCallError(`nobody takes ${subject}: is a node connected to ${servers}?`, { cause, isOutcomeOpen: false });
  const denial = cause instanceof Error && cause.cause instanceof errors.PermissionViolationError ? cause.cause : cause;
  if (!(denial instanceof errors.PermissionViolationError) || denial.operation !== "publish")
    return new NatsCallError(`no answer on ${subject}: ${textOf(cause)}`, { cause, isOutcomeOpen: true });
  const way = "nothing was sent. Use one with the role of a client (config/nats/client-role.conf)";
  const message = `the user of NATS may not publish ${denial.subject}; ${way}`;
  return new NatsCallError(message, { cause, isOutcomeOpen: false, isDenied: true });
}

const CLIENT_INBOX = "_INBOX";

function subjectOf({ type, command }: NatsCall): string {
  try {
    return commandSubject(type, command);
  } catch (cause) {
    throw new Fault("validation_failed", textOf(cause), { cause });
  }
}

const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
