/**
 * An account of one currency. Its invariants:
 *
 * A1. The balance never goes below the overdraft limit by a debit, nor beyond 18 digits by a debit or credit.
 * A2. Every debit, credit and refund is one event with the balance after it; its opposite leg is the in-transit account (L8).
 * A3. A refund is never refused: the money it gives back was taken by a debit of the same account.
 * A4. World accounts are open from the start, have no limit, and nobody outside opens, freezes or closes them.
 */
import { accept, type Decision, defineEntity, type Info, type Reject, reject, reply } from "../../runtime/index.ts";
import { isReservedAccountId } from "./account-id.ts";
import {
  type AccountEntry,
  type AccountEvent,
  type AccountView,
  accountEvents,
  accounts,
  type BalanceReply,
  type ChangeBody,
  type KindReply,
  type Movement,
  type OpenBody,
} from "./account-schema.ts";
import { type Account, accountEvolve, accountSnapshot, accountView, initialAccount, withStatus } from "./account-state.ts";
import { scaleOf } from "./currency.ts";
import { AMOUNT_MINOR_MAX, decodeMinor, encodeMinor } from "./money.ts";
import { type HttpOutcome, refusedOutcome } from "./outcome.ts";

type Decided<Reply> = Decision<AccountEvent, Reply>;

/** The account entity, type "account". Its id is what the client chose or the door derived. */
export const account = defineEntity({
  ...accounts,
  version: 1,
  events: accountEvents,
  initial: initialAccount,
  decide: { open, get, opening, check, debit, credit, refund, freeze, unfreeze, close },
  evolve: accountEvolve,
  snapshot: accountSnapshot,
});

function open(state: Account | null, body: OpenBody, info: Info): Decided<HttpOutcome> {
  if (isReservedAccountId(info.key)) return reservedId(info.key);
  if (state !== null) return openAgain(state, body, info);
  if (scaleOf(body.currency) === null) return reject("validation_failed", `${body.currency} is no active ISO 4217 code`);
  const { kind, ...said } = body;
  const unanswered = { kind: "opened" as const, accountKind: kind, ...said, openedAt: info.at, body: "" };
  // The answer shows the account as this event leaves it, and is part of the event.
  const answer = JSON.stringify(accountView(info.key, accountEvolve.opened(null, unanswered)));
  return accept([{ ...unanswered, body: answer }], { reply: { status: 201, body: answer, replayed: false } });
}

/** The same caller saying the same gets the first answer, under any key: there is still one account, as asked for. */
function openAgain(state: Account, body: OpenBody, info: Info): Decided<HttpOutcome> {
  const { opening } = state;
  const isSame =
    opening.caller === body.caller &&
    opening.currency === body.currency &&
    opening.kind === body.kind &&
    opening.owner === body.owner &&
    opening.overdraftLimit === (body.overdraftLimit === null ? null : decodeMinor(body.overdraftLimit));
  if (isSame) return reply({ status: 201, body: opening.body, replayed: true });
  if (body.key !== null && opening.key === body.key && opening.caller === body.caller) {
    return reject("key_reused", "the key opened this account with other fields");
  }
  return reject("already_exists", `account ${info.key} exists with other fields`);
}

function get(state: Account | null, _body: object, info: Info): Decided<AccountView> {
  return state === null ? unknown(info) : reply(accountView(info.key, state));
}

function opening(
  state: Account | null,
  { caller, key }: { readonly caller: string; readonly key: string },
  info: Info,
): Decided<HttpOutcome> {
  if (state === null) return unknown(info);
  const { opening: first } = state;
  if (first.key !== key || first.caller !== caller) return reject("not_found", `account ${info.key} was not opened under this key`);
  return reply({ status: 201, body: first.body, replayed: true });
}

function check(state: Account | null, body: { readonly currency: string }, info: Info): Decided<KindReply> {
  if (state === null) return unknown(info);
  return whyUnmovable(state, body.currency, info) ?? reply({ kind: state.opening.kind });
}

function debit(state: Account | null, body: Movement, info: Info): Decided<BalanceReply> {
  if (state === null) return unknown(info);
  const flaw = whyUnmovable(state, body.currency, info);
  if (flaw !== null) return flaw;
  const balance = state.balance - decodeMinor(body.amount);
  const { overdraftLimit } = state.opening;
  if (overdraftLimit !== null && balance < -overdraftLimit) {
    return reject("insufficient_funds", `account ${info.key} has less than the amount available`);
  }
  return balance < -AMOUNT_MINOR_MAX ? beyondLimit(info) : enter("debited", state, body, balance);
}

function credit(state: Account | null, body: Movement, info: Info): Decided<BalanceReply> {
  if (state === null) return unknown(info);
  const flaw = whyUnmovable(state, body.currency, info);
  if (flaw !== null) return flaw;
  const balance = state.balance + decodeMinor(body.amount);
  return balance > AMOUNT_MINOR_MAX ? beyondLimit(info) : enter("credited", state, body, balance);
}

function refund(state: Account | null, body: Movement, info: Info): Decided<BalanceReply> {
  // Only a fault elsewhere sends a refund to an account that never was; there is nothing here to give the money to.
  if (state === null) return unknown(info);
  return enter("refunded", state, body, state.balance + decodeMinor(body.amount));
}

function enter(kind: AccountEntry["kind"], state: Account, { transfer, amount, currency }: Movement, after: bigint): Decided<BalanceReply> {
  const balance = encodeMinor(after);
  return accept([{ kind, transfer, amount, balance, currency, sequence: state.sequence + 1 }], { reply: { balance } });
}

function freeze(state: Account | null, body: ChangeBody, info: Info): Decided<HttpOutcome> {
  return change(state, body, info, { command: "freeze", from: "open", to: "frozen", event: "frozen" });
}

function unfreeze(state: Account | null, body: ChangeBody, info: Info): Decided<HttpOutcome> {
  return change(state, body, info, { command: "unfreeze", from: "frozen", to: "open", event: "unfrozen" });
}

function close(state: Account | null, body: ChangeBody, info: Info): Decided<HttpOutcome> {
  return change(state, body, info, { command: "close", from: "open", to: "closed", event: "closed" });
}

interface Change {
  readonly command: "freeze" | "unfreeze" | "close";
  readonly from: Account["status"];
  readonly to: Account["status"];
  readonly event: "frozen" | "unfrozen" | "closed";
}

function change(state: Account | null, body: ChangeBody, info: Info, wanted: Change): Decided<HttpOutcome> {
  const changed = changedOrWhyNot(state, body, info, wanted);
  if ("code" in changed) {
    const instance = `/v1/accounts/${encodeURIComponent(info.key)}/${wanted.command}`;
    return reply(refusedOutcome({ code: changed.code, detail: changed.detail, instance, at: info.at }));
  }
  const answer = JSON.stringify(accountView(info.key, changed));
  return accept([{ kind: wanted.event }], { reply: { status: 200, body: answer, replayed: false } });
}

/** The account as the change leaves it, or why it is refused. */
function changedOrWhyNot(state: Account | null, body: ChangeBody, info: Info, { from, to }: Change): Account | Reject {
  if (isReservedAccountId(info.key)) return reservedId(info.key);
  if (state === null) return unknown(info);
  const stale = whyStale(state, body);
  if (stale !== null) return stale;
  if (state.status !== from) return reject("illegal_transition", `account ${info.key} is ${state.status}, not ${from}`);
  if (to === "closed" && state.balance !== 0n) return reject("illegal_transition", `account ${info.key} can be closed at balance 0 only`);
  return withStatus(state, to);
}

/** Why no money moves to or from the account now, or null. */
function whyUnmovable(state: Account, currency: string, info: Info): Reject | null {
  if (state.status === "closed") return reject("account_closed", `account ${info.key} is closed`);
  if (state.status === "frozen") return reject("account_frozen", `account ${info.key} is frozen`);
  if (state.opening.currency !== currency) {
    return reject("currency_mismatch", `account ${info.key} is in ${state.opening.currency}, not in ${currency}`);
  }
  return null;
}

function whyStale(state: Account, { expectedVersion }: ChangeBody): Reject | null {
  if (expectedVersion === undefined || expectedVersion === state.version) return null;
  return reject("version_conflict", `the account has version ${state.version}, not ${expectedVersion}`);
}

const unknown = (info: Info): Reject => reject("account_not_found", `account ${info.key} does not exist`);
const reservedId = (id: string): Reject =>
  reject("validation_failed", `${id} is reserved: ids do not begin with "world-" or "in-transit-"`);
const beyondLimit = (info: Info): Reject => reject("limit_exceeded", `the balance of account ${info.key} would have more than 18 digits`);
