import { connect, errors, headers as newHeaders } from "nats";
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

/** Why a call has no answer: its outcome is open when the command may have arrived. */
export class NatsCallError extends Error {
  readonly isOutcomeOpen: boolean;

  constructor(message: string, { cause, isOutcomeOpen }: { readonly cause: unknown; readonly isOutcomeOpen: boolean }) {
    super(message, { cause });
    this.name = "NatsCallError";
    this.isOutcomeOpen = isOutcomeOpen;
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
    throw failed(`there is no connection to NATS (${config.servers}): ${connectionTroubleOf(cause)}`, cause, false);
  });
  const headers = newHeaders();
  if (call.id !== null) headers.set(HEADERS.id, encodeURIComponent(call.id));
  if (call.key !== null) headers.set(HEADERS.key, call.key);
  const subject = subjectOf(call);
  try {
    const answer = await connection.request(subject, call.body, { headers, timeout: answerMsMax });
    const status = Number(answer.headers?.get("Troupe-Status") ?? Number.NaN);
    if (!Number.isInteger(status)) throw failed(`who answered on ${subject} is no Troupe`, null, true);
    return { status, body: answer.string(), isReplayed: answer.headers?.get("Idempotency-Replayed") === "true" };
  } catch (cause) {
    if (cause instanceof NatsCallError) throw cause;
    if (cause instanceof errors.NoRespondersError || (cause instanceof errors.RequestError && cause.isNoResponders()))
      throw failed(`nobody takes ${subject}: is a node connected to ${config.servers}?`, cause, false);
    const denied = denialOf(cause);
    if (denied !== null) throw failed(denied.sentence, cause, denied.isOutcomeOpen);
    throw failed(`no answer on ${subject}: ${textOf(cause)}`, cause, true);
  } finally {
    await connection.close();
  }
}

/** What the server does not let this user do: a command that it may not publish reached nobody. */
function denialOf(cause: unknown): { readonly sentence: string; readonly isOutcomeOpen: boolean } | null {
  const error = cause instanceof Error && cause.cause instanceof errors.PermissionViolationError ? cause.cause : cause;
  if (!(error instanceof errors.PermissionViolationError)) return null;
  const { operation, subject } = error;
  if (operation === "publish")
    return {
      sentence: `the user of NATS may not publish ${subject}; nothing was sent. Use one with the role of a client`,
      isOutcomeOpen: false,
    };
  return { sentence: `the user of NATS may not hear answers on ${subject}`, isOutcomeOpen: true };
}

const CLIENT_INBOX = "_INBOX";

function subjectOf({ type, command }: NatsCall): string {
  try {
    return commandSubject(type, command);
  } catch (cause) {
    throw new Fault("validation_failed", textOf(cause), { cause });
  }
}

const failed = (message: string, cause: unknown, isOutcomeOpen: boolean): NatsCallError =>
  new NatsCallError(message, { cause, isOutcomeOpen });
const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
