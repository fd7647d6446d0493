/**
 * Reads conversations and their summaries from a journal with plain SQL, and opens their texts with plain AES. No code of the service is used here: a mistake
 * shared by writer and reader would prove nothing. `records.body` is a JSON array of entries {entity, events, ...}; a sealed text is `s1.` and the base64url
 * of nonce (12), ciphertext and tag (16) under the conversation's key in `keys.db`, bound to the conversation's id.
 */
import { createDecipheriv } from "node:crypto";
import { join } from "node:path";
import Database from "better-sqlite3";

export interface TurnStory {
  readonly turn: number;
  readonly messageId: string;
  /** Opened, or what the role is called by. */
  readonly speaker: string;
  /** Opened. */
  readonly text: string;
  readonly wantsReply: boolean;
  /** Ids of replies that began, in order. */
  readonly begun: string[];
  readonly ends: ReplyStory[];
}
export interface ReplyStory {
  readonly kind: string;
  readonly replyId: string;
  /** Opened. */
  readonly text: string;
}
export interface SummaryStory {
  readonly fromTurn: number;
  readonly toTurn: number;
  readonly messageCount: number;
  /** Opened. */
  readonly text: string;
  /** Messages that the built-in summarizer says it took since it began; null = an endpoint made the summary. */
  readonly taken: number | null;
  /** Turns that the conversation had when it was recorded. */
  readonly turnsThen: number;
}
export interface ConversationStory {
  opened: number;
  /** In the order of the journal. */
  readonly turns: TurnStory[];
  readonly summaries: SummaryStory[];
}
export interface TurnBooks {
  readonly records: number;
  readonly conversations: ReadonlyMap<string, ConversationStory>;
  /** One sentence each: what no journal may say. */
  readonly findings: readonly string[];
}

interface StoredEvent {
  readonly kind: string;
  readonly turn?: number;
  readonly messageId?: string;
  readonly role?: string;
  readonly speaker?: string | null;
  readonly wantsReply?: boolean;
  readonly replyId?: string;
  readonly text?: string;
  readonly parts?: readonly string[];
  readonly isOver?: boolean;
  readonly fromTurn?: number;
  readonly toTurn?: number;
  readonly messageCount?: number;
  readonly memory?: string | null;
}
interface StoredEntry {
  readonly entity: string;
  readonly events?: readonly StoredEvent[];
}

/** Reads the whole journal of a store on which nobody runs. @throws Error when SQLite cannot read it. */
export function readTurns(dataDir: string): TurnBooks {
  const journal = new Database(join(dataDir, "journal.db"), { readonly: true, fileMustExist: true });
  const keys = new Database(join(dataDir, "keys.db"), { readonly: true, fileMustExist: true });
  try {
    const rows = keys.prepare<[], { name: string; key: Buffer }>("SELECT name, key FROM keys").all();
    const books = new Books(new Map(rows.map(({ name, key }) => [name, key])));
    for (const row of journal.prepare<[], { body: string | Buffer }>("SELECT body FROM records ORDER BY seq").iterate()) {
      books.add(JSON.parse(row.body.toString()) as readonly StoredEntry[]);
    }
    return books;
  } finally {
    journal.close();
    keys.close();
  }
}

const ENDS: ReadonlySet<string> = new Set(["replied", "replyStopped", "replyInterrupted", "replyFailed"]);

class Books implements TurnBooks {
  readonly conversations = new Map<string, ConversationStory>();
  readonly findings: string[] = [];
  records = 0;
  readonly #keys: ReadonlyMap<string, Buffer>;

  constructor(keys: ReadonlyMap<string, Buffer>) {
    this.#keys = keys;
  }

  add(entries: readonly StoredEntry[]): void {
    this.records++;
    for (const { entity, events = [] } of entries) {
      const slash = entity.indexOf("/");
      const [type, id] = [entity.slice(0, slash), entity.slice(slash + 1)];
      if (type === "conversation") for (const event of events) this.#said(id, event);
      else if (type === "summary") for (const event of events) this.#summarized(id, event);
    }
  }

  #said(id: string, event: StoredEvent): void {
    const story = this.#storyOf(id);
    const { kind, turn = 0, replyId = "" } = event;
    if (kind === "opened") story.opened++;
    else if (kind === "posted") {
      const { messageId = "", role = "", wantsReply = false } = event;
      const speaker = typeof event.speaker === "string" ? this.#opened(id, event.speaker) : role;
      if (turn !== story.turns.length + 1) this.#find(`${id}: turn ${turn} stands where turn ${story.turns.length + 1} belongs`);
      story.turns.push({ turn, messageId, speaker, text: this.#textOf(id, event), wantsReply, begun: [], ends: [] });
    } else if (kind === "replyBegun") this.#turnOf(id, turn, kind)?.begun.push(replyId);
    else if (ENDS.has(kind) && event.isOver !== false)
      this.#turnOf(id, turn, kind)?.ends.push({ kind, replyId, text: this.#textOf(id, event) });
  }

  #summarized(id: string, event: StoredEvent): void {
    if (event.kind !== "summarized") return;
    const { turns, summaries } = this.#storyOf(id);
    const { fromTurn = 0, toTurn = 0, messageCount = 0 } = event;
    const [text, taken] = [this.#textOf(id, event), this.#takenBy(id, event)];
    summaries.push({ fromTurn, toTurn, messageCount, text, taken, turnsThen: turns.length });
  }

  #takenBy(id: string, { memory }: StoredEvent): number | null {
    if (typeof memory !== "string") return null;
    const json = this.#opened(id, memory);
    return json === "" ? 0 : (JSON.parse(json) as { readonly messages: number }).messages;
  }

  #turnOf(id: string, turn: number, what: string): TurnStory | null {
    const story = this.#storyOf(id).turns[turn - 1];
    if (story === undefined) this.#find(`${id}: ${what} of turn ${turn}, which does not exist`);
    return story ?? null;
  }

  #textOf(id: string, { text, parts = [] }: StoredEvent): string {
    return (text === undefined ? parts : [text]).map((sealed) => this.#opened(id, sealed)).join("");
  }

  #opened(id: string, sealed: string): string {
    const key = this.#keys.get(id);
    const bytes = Buffer.from(sealed.slice("s1.".length), "base64url");
    if (key === undefined || !sealed.startsWith("s1.")) {
      this.#find(`${id}: ${key === undefined ? "there is no key for its texts" : "a text is not sealed"}`);
      return "";
    }
    const cipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12), { authTagLength: 16 }).setAAD(Buffer.from(id));
    cipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([cipher.update(bytes.subarray(12, -16)), cipher.final()]).toString();
  }

  #storyOf(id: string): ConversationStory {
    const found = this.conversations.get(id);
    if (found !== undefined) return found;
    const story: ConversationStory = { opened: 0, turns: [], summaries: [] };
    this.conversations.set(id, story);
    return story;
  }

  #find(what: string): void {
    this.findings.push(what);
  }
}
