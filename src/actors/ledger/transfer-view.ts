/** Transfers as the wire shows them, and the outcomes that their finishing events store. */

import { formatAmount } from "./money.ts";
import { isoTime, problemBody } from "./outcome.ts";
import type { Refused, TransferReply, TransferView } from "./transfer-schema.ts";
import type { Completed, Failed, Pending, Transfer } from "./transfer-state.ts";

/** The view of a transfer whose two legs are kept. Balances are those after each leg, in minor units. */
export function completedBody(
  id: string,
  { terms, key, startedAt }: Pending,
  end: { readonly sourceBalance: bigint; readonly destinationBalance: bigint; readonly at: number },
): string {
  const { kind, from, to, currency } = terms;
  const amount = formatAmount(terms.amount, currency);
  const view: TransferView = {
    id,
    kind,
    status: "COMPLETED",
    from,
    to,
    amount,
    currency,
    legs: [
      { accountId: from, amount: `-${amount}`, balance: formatAmount(end.sourceBalance, currency) },
      { accountId: to, amount, balance: formatAmount(end.destinationBalance, currency) },
    ],
    startedAt: isoTime(startedAt),
    finishedAt: isoTime(end.at),
    idempotencyKey: key,
  };
  return JSON.stringify(view);
}

/** The problem document of a transfer that moved nothing, or gave back what it took. */
export const failedBody = (id: string, refused: Refused, at: number): string =>
  problemBody({ code: refused.code, detail: refused.detail, instance: `/v1/transfers/${id}`, at });

/** The body of a view of any state: of a completed transfer the very bytes of its outcome. */
export function viewBody(id: string, state: Transfer): string {
  return state.phase === "completed" ? state.body : JSON.stringify(legless(id, state));
}

function legless(id: string, state: Pending | Failed): TransferView {
  const { kind, from, to, amount, currency } = state.terms;
  const isFailed = state.phase === "failed";
  return {
    id,
    kind,
    status: isFailed ? "FAILED" : "PENDING",
    ...(isFailed ? { code: state.code } : {}),
    from,
    to,
    amount: formatAmount(amount, currency),
    currency,
    legs: [],
    startedAt: isoTime(state.startedAt),
    finishedAt: isFailed ? isoTime(state.finishedAt) : null,
    idempotencyKey: state.key,
    ...(isFailed || state.refundRefused === null ? {} : { refundRefused: state.refundRefused }),
  };
}

/** The stored outcome of a finished transfer: the same bytes for whoever waits and for every repeat. */
export function replyOf(state: Completed | Failed, isReplayed: boolean): TransferReply {
  const { status, body } = state;
  return state.phase === "completed"
    ? { status, body, replayed: isReplayed, state: "COMPLETED", code: null }
    : { status, body, replayed: isReplayed, state: "FAILED", code: state.code };
}
