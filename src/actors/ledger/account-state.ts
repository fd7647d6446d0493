/** The state of an account, how events change it, and how a snapshot keeps it. */
import type { Json } from "../../runtime/index.ts";
import { worldCurrencyOf } from "./account-id.ts";
import type { AccountEntry, AccountEvent, AccountKind, AccountView } from "./account-schema.ts";
import { decodeMinor, encodeMinor, formatAmount } from "./money.ts";
import { isoTime } from "./outcome.ts";

/** An account that exists. What a movement changes stands beside `opening`, so that a copy per movement is five fields. */
export interface Account {
  readonly opening: Opening;
  readonly status: AccountView["status"];
  /** Minor units. */
  readonly balance: bigint;
  /** Money entries so far. */
  readonly sequence: number;
  /** Events so far. */
  readonly version: number;
}

/** What was said when the account was opened; it never changes. */
export interface Opening {
  readonly kind: AccountKind;
  readonly currency: string;
  /** Minor units; null = unlimited. */
  readonly overdraftLimit: bigint | null;
  readonly owner: string | null;
  readonly caller: string;
  readonly key: string | null;
  readonly openedAt: number;
  /** The body of the first answer; "" for a world account, which nobody opened. */
  readonly body: string;
}

/** No account yet, but for the world's: those are there from the start, because a deposit must not wait for somebody to open one. */
export function initialAccount(key: string): Account | null {
  const currency = worldCurrencyOf(key);
  return currency === null ? null : newAccount({ ...WORLD_OPENING, currency });
}

const WORLD_OPENING: Omit<Opening, "currency"> = {
  kind: "world",
  overdraftLimit: null,
  owner: null,
  caller: "",
  key: null,
  openedAt: 0,
  body: "",
};

const newAccount = (opening: Opening): Account => ({ opening, status: "open", balance: 0n, sequence: 0, version: 0 });

type EventNamed<Kind extends AccountEvent["kind"]> = Extract<AccountEvent, { kind: Kind }>;

/** Applies an event. @throws Error for a history that no account writes; the runtime then names the entity as failed. */
export const accountEvolve = {
  opened(_state: Account | null, event: EventNamed<"opened">): Account {
    const { currency, owner, caller, key, openedAt, body } = event;
    const overdraftLimit = event.overdraftLimit === null ? null : decodeMinor(event.overdraftLimit);
    return { ...newAccount({ kind: event.accountKind, currency, overdraftLimit, owner, caller, key, openedAt, body }), version: 1 };
  },
  debited: withEntry,
  credited: withEntry,
  refunded: withEntry,
  frozen: (state: Account | null): Account => withStatus(state, "frozen"),
  unfrozen: (state: Account | null): Account => withStatus(state, "open"),
  closed: (state: Account | null): Account => withStatus(state, "closed"),
};

function withEntry(state: Account | null, event: AccountEntry): Account {
  const { opening, status, version } = existing(state);
  return { opening, status, balance: decodeMinor(event.balance), sequence: event.sequence, version: version + 1 };
}

/** The account with another status, one event later. */
export function withStatus(state: Account | null, status: Account["status"]): Account {
  const { opening, balance, sequence, version } = existing(state);
  return { opening, status, balance, sequence, version: version + 1 };
}

function existing(state: Account | null): Account {
  if (state === null) throw new Error("an account's first event is opened");
  return state;
}

/** The account as the wire shows it. */
export function accountView(id: string, account: Account): AccountView {
  const { kind, currency, owner, overdraftLimit, openedAt } = account.opening;
  return {
    id,
    currency,
    kind,
    owner,
    balance: formatAmount(account.balance, currency),
    available: overdraftLimit === null ? null : formatAmount(account.balance + overdraftLimit, currency),
    overdraftLimit: overdraftLimit === null ? null : formatAmount(overdraftLimit, currency),
    status: account.status,
    version: account.version,
    openedAt: isoTime(openedAt),
  };
}

/** A state in a snapshot: JSON with amounts as decimal strings. */
export const accountSnapshot = {
  encode(state: Account | null): Json {
    if (state === null) return null;
    const { overdraftLimit } = state.opening;
    return {
      ...state,
      balance: encodeMinor(state.balance),
      opening: { ...state.opening, overdraftLimit: overdraftLimit === null ? null : encodeMinor(overdraftLimit) },
    };
  },
  decode(json: Json): Account | null {
    if (json === null) return null;
    const { opening, status, balance, sequence, version } = json as unknown as StoredAccount;
    const overdraftLimit = opening.overdraftLimit === null ? null : decodeMinor(opening.overdraftLimit);
    return { opening: { ...opening, overdraftLimit }, status, balance: decodeMinor(balance), sequence, version };
  },
};

type StoredAccount = Omit<Account, "balance" | "opening"> & {
  readonly balance: string;
  readonly opening: Omit<Opening, "overdraftLimit"> & { readonly overdraftLimit: string | null };
};
