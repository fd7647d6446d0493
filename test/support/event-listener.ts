/** Who listens to events with the plain client of NATS: nothing of the service is used here. And what the journal says must have left, by plain SQL. */
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import Database from "better-sqlite3";
import { type ConnectionOptions, connect } from "nats";

export interface HeardEvent {
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, unknown>>;
  /** Of the stream. */
  readonly sequence: number;
}

const STREAM = "TROUPE_EVENTS";
const WAIT_MS = 5_000;

/** All that the stream holds, in its order. */
export async function eventsIn(connection: ConnectionOptions): Promise<readonly HeardEvent[]> {
  const nats = await connect(connection);
  try {
    const { state } = await (await jetstreamManager(nats)).streams.info(STREAM);
    const heard: HeardEvent[] = [];
    if (state.messages === 0) return heard;
    const consumer = await jetstream(nats).consumers.get(STREAM, { deliver_policy: DeliverPolicy.All });
    const messages = await consumer.consume({ expires: WAIT_MS });
    for await (const message of messages) {
      const headers = Object.fromEntries([...(message.headers ?? [])].map(([name, values]) => [name, values.join(", ")]));
      heard.push({ subject: message.subject, headers, data: message.json(), sequence: message.seq });
      if (message.seq >= state.last_seq) break;
    }
    return heard;
  } finally {
    await nats.close();
  }
}

/** What is wrong with the order: an event of an entity that comes first after a later one of it. */
export function disorderIn(heard: readonly HeardEvent[]): readonly string[] {
  const last = new Map<string, string>();
  const seen = new Set<string>();
  return heard.flatMap(({ subject, headers }) => {
    const id = headers["ce-id"] ?? "";
    if (seen.has(id)) return [];
    seen.add(id);
    const entity = `${subject.split(".")[2]}/${headers["ce-subject"]}`;
    const [before, now] = [last.get(entity) ?? "", headers["ce-sequence"] ?? ""];
    last.set(entity, now);
    return now > before ? [] : [`${id} of ${entity} (${now}) came after ${before}`];
  });
}

/** `account/<id> <transfer>` for each money entry of a client's account, and `transfer/<id>` for each one that is over. */
export function owedBy(journalPath: string): ReadonlySet<string> {
  const db = new Database(journalPath, { readonly: true });
  try {
    const owed = new Set<string>();
    for (const body of db.prepare<[], string>("SELECT body FROM records ORDER BY seq").pluck().iterate()) {
      for (const { entity, events = [] } of JSON.parse(body) as ReadonlyArray<{ entity: string; events?: readonly JournalEvent[] }>) {
        for (const { kind, transfer } of events) {
          const isMoney = kind === "debited" || kind === "credited" || kind === "refunded";
          if (entity.startsWith("account/") && !entity.startsWith("account/world-") && isMoney) owed.add(`${entity} ${transfer}`);
          if (entity.startsWith("transfer/") && (kind === "completed" || kind === "failed")) owed.add(entity);
        }
      }
    }
    return owed;
  } finally {
    db.close();
  }
}
interface JournalEvent {
  readonly kind: string;
  readonly transfer?: string;
}

/** The same of what was heard. */
export function paidBy(heard: readonly HeardEvent[]): ReadonlySet<string> {
  return new Set(
    heard.flatMap(({ subject, headers, data }) => {
      const [, , type, name] = subject.split(".");
      const entity = `${type}/${decodeURIComponent(headers["ce-subject"] ?? "")}`;
      if (type === "transfer") return [entity];
      return name === "entry-posted" ? [`${entity} ${data.transferId}`] : [];
    }),
  );
}
