/** An outbox on a real journal and a real file of its own, with a broker that a test commands. */
import { join } from "node:path";
import { type Json, packEntries } from "../../src/runtime/index.ts";
import type { EventMessage } from "../../src/system/outbox/event-message.ts";
import type { EventPort, Sent } from "../../src/system/outbox/event-port.ts";
import { Outbox } from "../../src/system/outbox/outbox.ts";
import { openJournalReader } from "../../src/system/sqlite/journal-file.ts";
import { SqliteOutbox } from "../../src/system/sqlite/outbox-store.ts";
import { openJournal } from "./journal-bench.ts";

const FILES = { busyTimeoutMs: 200, cacheKiB: 1024 };

/** A broker that keeps what it acknowledged, in order. */
export class FakeBroker implements EventPort {
  isUp = true;
  whyDown: string | null = null;
  readonly kept: EventMessage[] = [];
  /** All that was sent, acknowledged or not. */
  readonly sent: EventMessage[] = [];
  /** Most that was under way at once, in all and of one entity. */
  inFlightHigh = 0;
  perEntityHigh = 0;
  /** Says what becomes of a message; asked at each attempt. */
  answer: (message: EventMessage) => Sent | Promise<Sent> = () => ({ kind: "acknowledged" });
  readonly #inFlight = new Map<string, number>();

  async send(message: EventMessage): Promise<Sent> {
    const subject = subjectOf(message);
    const mine = (this.#inFlight.get(subject) ?? 0) + 1;
    this.#inFlight.set(subject, mine);
    this.perEntityHigh = Math.max(this.perEntityHigh, mine);
    this.inFlightHigh = Math.max(
      this.inFlightHigh,
      this.#inFlight.values().reduce((sum, count) => sum + count, 0),
    );
    this.sent.push(message);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2));
    const sent = await this.answer(message);
    if (sent.kind === "acknowledged") this.kept.push(message);
    this.#inFlight.set(subject, mine - 1);
    return sent;
  }

  /** What it kept of an entity, by ids in order, each once. */
  idsOf(entity: string): readonly string[] {
    return [...new Set(this.kept.filter((message) => subjectOf(message) === entity).map(({ id }) => id))];
  }
}

/** `type/id` of whom an event is about. */
export const subjectOf = ({ type, headers }: EventMessage): string => `${type}/${decodeURIComponent(headers["ce-subject"] ?? "")}`;

export interface OutboxBench extends AsyncDisposable {
  outbox: Outbox;
  store: SqliteOutbox;
  readonly broker: FakeBroker;
  readonly troubles: ReadonlyArray<readonly [fields: object, text: string]>;
  /** Commits a record in which each account is frozen or unfrozen, in turns, or has the event that is given. */
  commit(...accounts: ReadonlyArray<string | readonly [account: string, ...events: readonly Json[]]>): number;
  /** A new outbox on the files as they are; the old one was closed, or had crashed. */
  reopen(how: "closed" | "crashed"): Promise<void>;
}

/** Nothing runs before `outbox.start()`. */
export function openOutbox(dir: string, eventsMax = 16): OutboxBench {
  const journal = openJournal(dir);
  const committed = new BigInt64Array(new SharedArrayBuffer(8));
  committed[0] = BigInt(journal.lastSeq);
  const reader = openJournalReader({ path: join(dir, "journal.db"), synchronous: "normal", ...FILES });
  const broker = new FakeBroker();
  const troubles: Array<readonly [object, string]> = [];
  const entries = new Map<string, number>();
  let number = journal.lastSeq;
  let shardSeq = 0;
  const open = () => {
    const store = new SqliteOutbox({ path: join(dir, "outbox.db"), meta: reader.meta, ...FILES });
    const onTrouble = (fields: object, text: string): void => void troubles.push([fields, text]);
    const outbox = new Outbox({ journal: reader, store, port: broker, committed, eventsMax, onTrouble, during: (call) => call() });
    return { store, outbox };
  };
  const bench: OutboxBench = {
    ...open(),
    broker,
    troubles,
    commit(...accounts) {
      number++;
      const packed = accounts.map((given) => {
        const [account, ...events] = typeof given === "string" ? [given] : given;
        const count = (entries.get(account) ?? 0) + 1;
        entries.set(account, count);
        const told = events.length > 0 ? events : [{ kind: count % 2 === 1 ? "frozen" : "unfrozen" }];
        return { shard: 0, seq: ++shardSeq, entity: `account/${account}`, version: count, at: number * 1_000, events: told };
      });
      const body = packEntries(packed);
      journal.append([{ domain: 0, incarnation: 1, number, time: number * 1_000, count: packed.length, body }], 1);
      committed[0] = BigInt(journal.lastSeq);
      Atomics.notify(committed, 0);
      return journal.lastSeq;
    },
    async reopen(how) {
      if (how === "crashed") bench.store.saveTo = () => undefined; // What it knew is lost; what it had sent may still arrive.
      await bench.outbox.close(how === "crashed" ? 0 : 1_000);
      bench.store.close();
      Object.assign(bench, open());
    },
    async [Symbol.asyncDispose]() {
      await bench.outbox.close(0);
      bench.store.close();
      reader.close();
      journal.close();
    },
  };
  return bench;
}
