import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StoredMsg,
} from "@nats-io/jetstream";
import type { MsgHdrs, NatsConnection } from "nats";
import { Fault } from "../../runtime/index.ts";
import type { DeadCommandLook, DeadCommandPage, DeadCommandSource } from "../admin/dead-command-routes.ts";
import { DEAD } from "./command-streams.ts";
import { deathOf, headersAgain } from "./dead-message.ts";
import { commandOfDurable, DEAD_SUBJECTS, durableSubject } from "./subjects.ts";

/** Durable commands that could not be done, and what a person decides about them. Their ids are `nats-` and the sequence in their stream. */
export class DeadCommands implements DeadCommandSource {
  readonly #connection: () => NatsConnection | null;

  constructor(connection: () => NatsConnection | null) {
    this.#connection = connection;
  }

  /** Oldest first. */
  async page({ after, limit }: { readonly after: string | null; readonly limit: number }): Promise<DeadCommandPage> {
    const manager = await this.#manager();
    const items: DeadCommandLook[] = [];
    let seq = (after === null ? 0 : sequenceOf(after)) + 1;
    while (items.length <= limit) {
      const found = await asked(manager.streams.getMessage(DEAD, { seq, next_by_subj: DEAD_SUBJECTS } as { seq: number }));
      if (found === null) break;
      items.push(lookOf(found));
      seq = found.seq + 1;
    }
    const shown = items.slice(0, limit);
    return { items: shown, next: items.length > limit ? (shown.at(-1)?.id ?? null) : null };
  }

  async look(id: string): Promise<DeadCommandLook & { readonly body: string }> {
    const message = await this.#find(await this.#manager(), id);
    return { ...lookOf(message), body: Buffer.from(message.data).toString() };
  }

  /** After a crash in between the dead letter is still there; a second replay is the same command with the same key. */
  async replay(id: string): Promise<void> {
    const manager = await this.#manager();
    const { header, data } = await this.#find(manager, id);
    const { subject, cutBytes, isHeadless } = deathOf(header);
    const named = commandOfDurable(subject);
    if (named === null || cutBytes !== null)
      throw new Fault(
        "illegal_transition",
        `${id} cannot be replayed: it was ${cutBytes === null ? "no command" : "too large to be kept whole"}; drop it`,
      );
    if (isHeadless)
      throw new Fault(
        "illegal_transition",
        `${id} cannot be replayed: its headers, and its key with them, could not be read; send it again with a key, and drop it`,
      );
    const client = jetstream(this.#there());
    await asked(client.publish(durableSubject(named.type, named.command), data, { headers: headersAgain(header) }));
    await this.#remove(manager, id);
  }

  async drop(id: string): Promise<void> {
    const manager = await this.#manager();
    await this.#find(manager, id);
    await this.#remove(manager, id);
  }

  async #find(manager: JetStreamManager, id: string): Promise<StoredMsg> {
    const message = await asked(manager.streams.getMessage(DEAD, { seq: sequenceOf(id) }));
    if (message === null) throw new Fault("not_found", `there is no dead letter ${id}; it was replayed or dropped, or never was`);
    return message;
  }

  async #remove(manager: JetStreamManager, id: string): Promise<void> {
    await asked(manager.streams.deleteMessage(DEAD, sequenceOf(id)));
  }

  async #manager(): Promise<JetStreamManager> {
    return await asked(jetstreamManager(this.#there(), { checkAPI: false }));
  }

  #there(): NatsConnection {
    const connection = this.#connection();
    if (connection !== null) return connection;
    throw new Fault("OVERLOADED", "there is no connection to NATS, where dead letters of durable commands are kept", { isRetryable: true });
  }
}

function sequenceOf(id: string): number {
  const [, seq] = /^nats-(\d{1,15})$/.exec(id) ?? [];
  if (seq !== undefined) return Number(seq);
  throw new Fault("not_found", `${JSON.stringify(id.slice(0, 80))} is no dead letter of NATS; their ids look like nats-12`);
}

function lookOf({ seq, header, data }: StoredMsg): DeadCommandLook {
  const { cutBytes, isHeadless: _, ...death } = deathOf(header);
  const isCut = cutBytes !== null;
  return {
    id: `nats-${seq}`,
    ...death,
    key: headerOf(header, "idempotency-key"),
    entity: headerOf(header, "troupe-id"),
    bodyBytes: cutBytes ?? data.byteLength,
    isCut,
  };
}

function headerOf(headers: MsgHdrs, lower: string): string | null {
  for (const [name, [value]] of headers) if (name.toLowerCase() === lower) return value ?? null;
  return null;
}

/** What the stream answers. @throws Fault `OVERLOADED` with the server's words. */
async function asked<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof JetStreamApiError && cause.code === JetStreamApiCodes.NoMessageFound)
      throw new Fault("not_found", cause.message, { cause });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("OVERLOADED", `NATS does not do it now: ${why}`, { cause, isRetryable: true });
  }
}
