import { CONVERSATION_TABLES } from "./conversation-views.ts";
import type { FileFormat } from "./store-meta.ts";

/**
 * Entries lie in the order in which they came, each with the row number of the one before it on its account, so that a batch is appended to the
 * end of the file whatever accounts it touches. In key order every entry dirtied a page of its own: 10 us a row at 400,000 rows and growing
 * with history, against 2 us that stay. Every `MARK_EVERY`th entry of an account is marked, so that a page of a statement is found from
 * the nearest mark above it and not from the account's newest entry.
 *
 * Amounts and balances fit 64 bits; sums over accounts need not, so they are decimal text. `findings` are the auditor's. `legs` are the
 * debits whose credit or refund had not come by the position; most come in the same batch and are never written.
 */
const LEDGER_TABLES = `
    CREATE TABLE entries(id INTEGER PRIMARY KEY, previous INTEGER NOT NULL, sequence INTEGER NOT NULL, transfer TEXT NOT NULL,
      amount INTEGER NOT NULL, balance INTEGER NOT NULL, currency TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE marks(account INTEGER NOT NULL, sequence INTEGER NOT NULL, entry INTEGER NOT NULL,
      PRIMARY KEY(account, sequence)) STRICT, WITHOUT ROWID;
    CREATE TABLE accounts(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, currency TEXT NOT NULL, kind TEXT NOT NULL,
      balance INTEGER NOT NULL, sequence INTEGER NOT NULL, newest INTEGER NOT NULL) STRICT;
    CREATE TABLE totals(currency TEXT PRIMARY KEY, in_transit TEXT NOT NULL, customer TEXT NOT NULL, system TEXT NOT NULL,
      world TEXT NOT NULL, accounts INTEGER NOT NULL, entries INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE legs(transfer TEXT PRIMARY KEY, currency TEXT NOT NULL, amount INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE findings(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
`;

/** `views.db`. `position` is the journal's record up to which all of it is filled. A file of another format is made anew from the journal. */
export const VIEW_FILE: FileFormat = {
  name: "views",
  format: 6,
  schema: `
    ${LEDGER_TABLES}
    ${CONVERSATION_TABLES}
    CREATE TABLE position(seq INTEGER NOT NULL) STRICT;
    INSERT INTO position(seq) VALUES (0);
  `,
};
