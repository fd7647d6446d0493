/** The ledger as the commands see it, whether it runs in this process or behind HTTP. Both forms share the door's words for input. */
import { transferIdOf } from "../../actors/index.ts";
import type { JsonObject } from "../ingress/json-body.ts";
import { LOCAL_CALLER, type MovementKind } from "../ingress/ledger-door.ts";

/** How a command that was sent ended. `body` is the JSON of the stored answer. */
export type Outcome =
  | { readonly ok: true; readonly isReplayed: boolean; readonly body: string }
  | {
      readonly ok: false;
      /** HTTP's status for the code; 0 when no answer came. */
      readonly status: number;
      readonly code: string;
      readonly detail: string;
      readonly isReplayed: boolean;
      /** Not done, or not known: the same command with the same key may be sent again, after this many milliseconds at least. */
      readonly repeatAfterMs: number | null;
    };

/** Amounts are signed minor units. */
export interface LedgerEntry {
  readonly transferId: string;
  readonly amount: bigint;
  readonly balance: bigint;
}
export interface EntryPage {
  readonly entries: readonly LedgerEntry[];
  /** What the next page continues after; null when this is the last. */
  readonly next: number | null;
}
/** Signed minor units. */
export interface TrialTotal {
  readonly currency: string;
  /** 0 when the books are right. */
  readonly total: bigint;
  /** Between debit and credit; 0 when nothing is pending. */
  readonly inTransit: bigint;
}

/** Rejections are CliErrors for people. */
export interface LedgerTarget extends AsyncDisposable {
  /** For people: where the ledger is. */
  readonly name: string;
  /** Fields as `POST /v1/accounts` takes them; the client names the account, so no key is needed. */
  open(fields: JsonObject): Promise<Outcome>;
  /** Fields as `POST /v1/deposits`, `/v1/withdrawals` and `/v1/transfers` take them. */
  move(kind: MovementKind, fields: JsonObject, key: string): Promise<Outcome>;
  /** The JSON of an account. */
  account(id: string): Promise<Outcome>;
  /** Entries after the cursor, oldest first, at most 200. `currency` is the account's. */
  entries(account: string, currency: string, after: number): Promise<EntryPage>;
  trialBalance(): Promise<readonly TrialTotal[]>;
}

export const ENTRIES_PAGE = 200;

/** The transfer that a key makes when the command line asks. */
export const transferIdOfKey = (key: string): string => transferIdOf(LOCAL_CALLER, key);
