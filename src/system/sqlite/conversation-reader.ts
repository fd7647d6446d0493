import { statSync } from "node:fs";
import { Fault } from "../../runtime/index.ts";
import type { TurnRange, TurnText } from "../conversation-reads.ts";
import { type Connection, isCorruption, openConnection, type Statement, sqliteCodeOf } from "./connection.ts";
import { ConversationViews } from "./conversation-views.ts";
import { isBlank, readMeta } from "./store-meta.ts";
import { VIEW_FILE } from "./view-file.ts";
import type { SqliteViewsOptions } from "./view-store.ts";

interface OpenView {
  readonly db: Connection;
  /** Number of the file that it reads: one that was made anew has another. */
  readonly file: bigint | null;
  readonly position: Statement<[], number>;
  readonly conversations: ConversationViews;
}

/**
 * What was said in conversations, read from `views.db` on a connection of its own that cannot write: for threads beside the one that fills it. It
 * never waits: what is not there yet is null, and a file that was made anew meanwhile is opened anew.
 */
export class ConversationReader implements Disposable {
  readonly #options: SqliteViewsOptions;
  #view: OpenView | null = null;

  /** Opens nothing yet: the file may not be there. */
  constructor(options: SqliteViewsOptions) {
    this.#options = options;
  }

  /**
   * As `ConversationReads.turnTexts`, with everything up to the journal's record `seq`; a deleted conversation has none. Null while the view is not
   * there yet: to be asked again some milliseconds later.
   * @throws RangeError for more than 1,000 turns; SqliteError when the disk fails.
   */
  turnTexts(seq: number, conversation: string, turns: TurnRange): readonly TurnText[] | null {
    try {
      const view = this.#open();
      if (view === null) return null;
      const { db, position, conversations } = view;
      // One transaction: rows and position of one moment.
      const texts = db.transaction(() => ((position.get() ?? 0) < seq ? null : conversations.turnTexts(conversation, turns)))();
      if (texts === null && !isStillThere(this.#options.path, view.file)) this.close();
      return texts;
    } catch (cause) {
      this.close();
      if (willBeMadeAnew(cause)) return null;
      throw cause;
    }
  }

  close(): void {
    this.#view?.db.close();
    this.#view = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): OpenView | null {
    if (this.#view !== null) return this.#view;
    const file = fileNumberOf(this.#options.path);
    if (file === null) return null;
    const db = openConnection({ ...this.#options, synchronous: "normal", walAutocheckpointPages: 0, isReadOnly: true });
    try {
      if (!isBlank(db) && readMeta(db, VIEW_FILE).storeId === this.#options.meta.storeId) {
        this.#view = {
          db,
          file,
          position: db.prepare<[], number>("SELECT seq FROM position").pluck(),
          conversations: new ConversationViews(db),
        };
      }
      return this.#view;
    } finally {
      if (this.#view === null) db.close();
    }
  }
}

/** The thread that fills the view makes such a file anew; between removing and making it there is none. */
const willBeMadeAnew = (cause: unknown): boolean =>
  isCorruption(cause) || sqliteCodeOf(cause)?.startsWith("SQLITE_CANTOPEN") === true || cause instanceof Fault;

const fileNumberOf = (path: string): bigint | null => statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null;
const isStillThere = (path: string, file: bigint | null): boolean => file !== null && fileNumberOf(path) === file;
