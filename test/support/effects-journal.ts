/**
 * Reads what a journal says of effects that leave, with plain SQL and no code of the service: a mistake shared by writer and reader would prove nothing.
 * What it knows is what the file says: `records.body` is a JSON array of entries {entity, events, opens, closes, attempts, deadEffects, ...}.
 */
import Database from "better-sqlite3";

export interface EffectStory {
  readonly id: string;
  readonly kind: string;
  /** Name of the port. */
  readonly to: string;
  /** Of the parcel. */
  readonly name: string;
  readonly mode: string;
  readonly isAnswered: boolean;
  closes: number;
  /** Times that the entity heard of it. */
  heard: number;
  deaths: number;
  replays: number;
}
export interface EffectBooks {
  readonly storeId: string;
  /** By id. */
  readonly effects: ReadonlyMap<string, EffectStory>;
  readonly attemptsFailed: number;
  readonly findings: readonly string[];
}

interface StoredEntry {
  readonly events?: ReadonlyArray<{ readonly kind: string; readonly id?: string }>;
  readonly opens?: ReadonlyArray<{
    readonly id: string;
    readonly kind: string;
    readonly to: string;
    readonly body: { readonly name: string; readonly mode: string };
    readonly answerTo?: string;
  }>;
  readonly closes?: readonly string[];
  readonly attempts?: ReadonlyArray<{ readonly id: string; readonly attempt: number }>;
  readonly deadEffects?: ReadonlyArray<{ readonly id: string }>;
  readonly replays?: readonly string[];
}

/** Reads the whole journal of a store on which nobody runs. @throws Error when SQLite cannot read it. */
export function readEffects(path: string): EffectBooks {
  const db = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const storeId = String(db.prepare("SELECT value FROM meta WHERE key = 'store_id'").pluck().get());
    const books = new Books();
    for (const row of db.prepare("SELECT body FROM records ORDER BY seq").iterate()) {
      books.add(JSON.parse(String((row as { readonly body: unknown }).body)) as readonly StoredEntry[]);
    }
    return { storeId, ...books };
  } finally {
    db.close();
  }
}

class Books {
  readonly effects = new Map<string, EffectStory>();
  readonly findings: string[] = [];
  attemptsFailed = 0;
  /** Attempts that failed since the opening or the last replay, by effect. */
  readonly #attempts = new Map<string, number>();

  add(entries: readonly StoredEntry[]): void {
    for (const { opens = [] } of entries) {
      for (const { id, kind, to, body, answerTo } of opens) {
        if (this.effects.has(id)) this.findings.push(`${id} is opened twice`);
        const isAnswered = answerTo !== undefined;
        this.effects.set(id, { id, kind, to, ...body, isAnswered, closes: 0, heard: 0, deaths: 0, replays: 0 });
      }
    }
    for (const { events = [], closes = [], attempts = [], deadEffects = [], replays = [] } of entries) {
      for (const { kind, id = "" } of events) if (kind === "heard") this.#of(id, "heard of", (story) => story.heard++);
      for (const { id } of deadEffects) this.#of(id, "dead", (story) => story.deaths++);
      for (const id of replays) {
        this.#of(id, "replayed", (story) => story.replays++);
        this.#attempts.delete(id);
      }
      for (const { id, attempt } of attempts) this.#attempt(id, attempt);
      for (const id of closes) this.#of(id, "closed", (story) => story.closes++);
    }
  }

  #attempt(id: string, attempt: number): void {
    this.attemptsFailed++;
    const before = this.#attempts.get(id) ?? 0;
    if (attempt !== before + 1) this.findings.push(`attempt ${attempt} of ${id} follows ${before}`);
    this.#attempts.set(id, attempt);
  }

  #of(id: string, what: string, change: (story: EffectStory) => void): void {
    const story = this.effects.get(id);
    if (story === undefined) this.findings.push(`${id} is ${what} and was never opened`);
    else change(story);
  }
}
