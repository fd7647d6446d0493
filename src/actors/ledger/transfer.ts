/**
 * A movement of money between two accounts, as a saga. Its invariants:
 *
 * T1. No money moves before the destination said that it would take it.
 * T2. The destination is credited only after the source's debit is kept; a refused credit is followed by a refund of the source.
 * T3. It ends COMPLETED with both legs or FAILED with none (R-LED-4), with one outcome whose bytes never change (L3).
 * T4. A refused refund is a fault that no rule of the domain causes: the transfer stays PENDING, visibly, and its money in transit.
 *
 *   request -> checking -> debiting -> crediting -> COMPLETED
 *                 |           |            |
 *                 v           v            v
 *               FAILED      FAILED     refunding -> FAILED
 */
import {
  type Answer,
  accept,
  answered,
  type Decision,
  defineEntity,
  type Effect,
  type Info,
  ignore,
  type Reject,
  reject,
  reply,
  STATUS_OF_CODE,
} from "../../runtime/index.ts";
import { isReservedAccountId, worldAccountIdBeside } from "./account-id.ts";
import { accounts, type BalanceReply, type KindReply } from "./account-schema.ts";
import { scaleOf } from "./currency.ts";
import { AMOUNT_MINOR_MAX, decodeMinor, encodeMinor } from "./money.ts";
import type { HttpOutcome } from "./outcome.ts";
import {
  type Refused,
  type RequestBody,
  type TransferEvent,
  type TransferOutcome,
  type TransferReply,
  transferEvents,
  transfers,
} from "./transfer-schema.ts";
import { type Pending, type Transfer, transferEvolve, transferSnapshot } from "./transfer-state.ts";
import { completedBody, failedBody, replyOf, viewBody } from "./transfer-view.ts";

type Decided<Reply> = Decision<TransferEvent, Reply>;

/** The transfer entity, type "transfer". Its id is `transferIdOf(caller, key)`. */
export const transfer = defineEntity({
  ...transfers,
  version: 1,
  events: transferEvents,
  initial: (): Transfer | null => null,
  decide: { request, get, outcome },
  answers: {
    checked: answered(accounts, "check", checked),
    debited: answered(accounts, "debit", debited),
    credited: answered(accounts, "credit", credited),
    refunded: answered(accounts, "refund", refunded),
  },
  evolve: transferEvolve,
  snapshot: transferSnapshot,
  isFinished: (state) => state !== null && (state.phase === "completed" || state.phase === "failed"),
});

function request(state: Transfer | null, body: RequestBody, info: Info): Decided<TransferReply> {
  if (state !== null) return requestAgain(state, body);
  const flaw = whyNotStarted(body);
  if (flaw !== null) return flaw;
  const { kind: transferKind, amount, currency, caller, key } = body;
  // After the check above exactly one side is missing, or none.
  const from = body.from ?? worldAccountIdBeside(body.to ?? "", currency, info.shardCount);
  const to = body.to ?? worldAccountIdBeside(from, currency, info.shardCount);
  return accept([{ kind: "started", transferKind, from, to, amount, currency, caller, key, startedAt: info.at }], {
    isAnsweredLater: true,
    effects: [accounts.ask(to).check({ currency }, { answerTo: "checked" })],
  });
}

function requestAgain(state: Transfer, body: RequestBody): Decided<TransferReply> {
  const { terms } = state;
  const isSame =
    terms.kind === body.kind &&
    // The world account was chosen here, not asked for.
    (terms.kind === "deposit" ? null : terms.from) === body.from &&
    (terms.kind === "withdrawal" ? null : terms.to) === body.to &&
    terms.amount === decodeMinor(body.amount) &&
    terms.currency === body.currency &&
    terms.caller === body.caller;
  if (!isSame) return reject("key_reused", "the key began another transfer");
  if (state.phase === "completed" || state.phase === "failed") return reply(replyOf(state, true));
  return reject("key_in_progress", "the transfer with this key is still running");
}

/** Refusals that need no account: nothing is written, and the key stays free. */
function whyNotStarted({ kind, from, to, amount, currency }: RequestBody): Reject | null {
  if ((from === null) !== (kind === "deposit") || (to === null) !== (kind === "withdrawal")) {
    return reject("validation_failed", "a transfer has from and to, a deposit to alone, a withdrawal from alone");
  }
  if (from === to) return reject("same_account", "a transfer is between two accounts");
  if ((from !== null && isReservedAccountId(from)) || (to !== null && isReservedAccountId(to))) {
    return reject("validation_failed", 'accounts whose ids begin with "world-" or "in-transit-" are reserved');
  }
  if (scaleOf(currency) === null) return reject("validation_failed", `${currency} is no active ISO 4217 code`);
  const minor = decodeMinor(amount);
  if (minor <= 0n || minor > AMOUNT_MINOR_MAX) return reject("amount_invalid", "an amount is above 0 and has at most 18 digits");
  return null;
}

function get(state: Transfer | null, _body: object, info: Info): Decided<HttpOutcome> {
  if (state === null) return reject("transfer_not_found", `transfer ${info.key} does not exist`);
  return reply({ status: 200, body: viewBody(info.key, state), replayed: false });
}

function outcome(state: Transfer | null, _body: object, info: Info): Decided<TransferOutcome> {
  if (state === null) return reject("transfer_not_found", `transfer ${info.key} does not exist`);
  if (state.phase === "completed" || state.phase === "failed") {
    const { status, body, replayed, code } = replyOf(state, true);
    return reply({ status, body, replayed, code });
  }
  return reply({ status: 202, body: viewBody(info.key, state), replayed: false, code: null });
}

function checked(state: Transfer | null, answer: Answer<KindReply>, info: Info): Decided<never> {
  if (state?.phase !== "checking") return ignore;
  if (!answer.ok) return fail(answer, info);
  return accept([{ kind: "checked" }], { effects: [tellOf(state, info, "debit", "debited")] });
}

function debited(state: Transfer | null, answer: Answer<BalanceReply>, info: Info): Decided<never> {
  if (state?.phase !== "debiting") return ignore;
  if (!answer.ok) return fail(answer, info);
  const { balance } = answer.value;
  return accept([{ kind: "debited", balance }], { effects: [tellOf(state, info, "credit", "credited")] });
}

function credited(state: Transfer | null, answer: Answer<BalanceReply>, info: Info): Decided<never> {
  if (state?.phase !== "crediting" || state.sourceBalance === null) return ignore;
  if (!answer.ok) {
    const { code, detail } = answer;
    return accept([{ kind: "credit-refused", code, detail }], { effects: [tellOf(state, info, "refund", "refunded")] });
  }
  const { balance } = answer.value;
  const end = { sourceBalance: state.sourceBalance, destinationBalance: decodeMinor(balance), at: info.at };
  const event = { kind: "completed" as const, status: 201, body: completedBody(info.key, state, end) };
  return accept([event], { settle: replyOf({ phase: "completed", terms: state.terms, status: event.status, body: event.body }, false) });
}

function refunded(state: Transfer | null, answer: Answer<BalanceReply>, info: Info): Decided<never> {
  if (state?.phase !== "refunding" || state.creditRefused === null) return ignore;
  if (answer.ok) return fail(state.creditRefused, info);
  return accept([{ kind: "refund-refused", code: answer.code, detail: answer.detail }]);
}

/** Ends the transfer with no leg kept. */
function fail({ code, detail }: Refused, info: Info): Decided<never> {
  const status = STATUS_OF_CODE[code];
  const body = failedBody(info.key, { code, detail }, info.at);
  const settle: TransferReply = { status, body, replayed: false, state: "FAILED", code };
  return accept([{ kind: "failed", code, finishedAt: info.at, status, body }], { settle });
}

type Step = "debit" | "credit" | "refund";

function tellOf({ terms }: Pending, info: Info, command: Step, answerTo: "debited" | "credited" | "refunded"): Effect {
  const movement = { transfer: info.key, amount: encodeMinor(terms.amount), currency: terms.currency };
  return accounts.tell(command === "credit" ? terms.to : terms.from)[command](movement, { answerTo });
}
