/** The state of a transfer, how events change it, and how a snapshot keeps it. */
import { type Code, type Json, unreachable } from "../../runtime/index.ts";
import { decodeMinor, encodeMinor } from "./money.ts";
import type { Refused, TransferEvent, TransferKind } from "./transfer-schema.ts";

/** A transfer that was started. Finished ones are kept for ever, so a state holds no more than its next reader needs. */
export type Transfer = Pending | Completed | Failed;

/** What was asked for, with the chosen world account: what a repeat is compared with. */
export interface Terms {
  readonly kind: TransferKind;
  readonly from: string;
  readonly to: string;
  /** Minor units. */
  readonly amount: bigint;
  readonly currency: string;
  readonly caller: string;
}

/** `phase` names the answer that is waited for; "refund-refused" waits for a person. */
export interface Pending {
  readonly phase: "checking" | "debiting" | "crediting" | "refunding" | "refund-refused";
  readonly terms: Terms;
  readonly key: string;
  readonly startedAt: number;
  /** The source's balance after the debit, in minor units. */
  readonly sourceBalance: bigint | null;
  /** Why the credit, and later the refund, was refused. */
  readonly creditRefused: Refused | null;
  readonly refundRefused: Refused | null;
}

/** `status` and `body` are the outcome; the body is the view too: it holds key, times and legs. */
export interface Completed {
  readonly phase: "completed";
  readonly terms: Terms;
  readonly status: number;
  readonly body: string;
}

export interface Failed {
  readonly phase: "failed";
  readonly terms: Terms;
  readonly key: string;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly code: Code;
  readonly status: number;
  readonly body: string;
}

type EventNamed<Kind extends TransferEvent["kind"]> = Extract<TransferEvent, { kind: Kind }>;

/** Applies an event. @throws Error for a history that no transfer writes; the runtime then names the entity as failed. */
export const transferEvolve = {
  started(_state: Transfer | null, event: EventNamed<"started">): Transfer {
    const { transferKind: kind, from, to, currency, caller, key, startedAt } = event;
    const terms: Terms = { kind, from, to, amount: decodeMinor(event.amount), currency, caller };
    return { phase: "checking", terms, key, startedAt, sourceBalance: null, creditRefused: null, refundRefused: null };
  },
  checked: (state: Transfer | null): Transfer => ({ ...pending(state), phase: "debiting" }),
  debited: (state: Transfer | null, event: EventNamed<"debited">): Transfer => ({
    ...pending(state),
    phase: "crediting",
    sourceBalance: decodeMinor(event.balance),
  }),
  "credit-refused": (state: Transfer | null, { code, detail }: EventNamed<"credit-refused">): Transfer => ({
    ...pending(state),
    phase: "refunding",
    creditRefused: { code, detail },
  }),
  "refund-refused": (state: Transfer | null, { code, detail }: EventNamed<"refund-refused">): Transfer => ({
    ...pending(state),
    phase: "refund-refused",
    refundRefused: { code, detail },
  }),
  completed: (state: Transfer | null, { status, body }: EventNamed<"completed">): Transfer => ({
    phase: "completed",
    terms: pending(state).terms,
    status,
    body,
  }),
  failed(state: Transfer | null, { code, finishedAt, status, body }: EventNamed<"failed">): Transfer {
    const { terms, key, startedAt } = pending(state);
    return { phase: "failed", terms, key, startedAt, finishedAt, code, status, body };
  },
};

function pending(state: Transfer | null): Pending {
  if (state === null) throw new Error("a transfer's first event is started");
  if (state.phase === "completed" || state.phase === "failed") throw new Error(`a ${state.phase} transfer has no further events`);
  return state;
}

/** A state in a snapshot: JSON with amounts as decimal strings. */
export const transferSnapshot = {
  encode(state: Transfer | null): Json {
    if (state === null) return null;
    const terms = { ...state.terms, amount: encodeMinor(state.terms.amount) };
    switch (state.phase) {
      case "completed":
      case "failed":
        return { ...state, terms };
      case "checking":
      case "debiting":
      case "crediting":
      case "refunding":
      case "refund-refused":
        return { ...state, terms, sourceBalance: state.sourceBalance === null ? null : encodeMinor(state.sourceBalance) };
      default:
        return unreachable(state);
    }
  },
  decode(json: Json): Transfer | null {
    if (json === null) return null;
    const stored = json as unknown as Stored<Pending> | Stored<Completed> | Stored<Failed>;
    const terms: Terms = { ...stored.terms, amount: decodeMinor(stored.terms.amount) };
    if (stored.phase === "completed" || stored.phase === "failed") return { ...stored, terms };
    return { ...stored, terms, sourceBalance: stored.sourceBalance === null ? null : decodeMinor(stored.sourceBalance) };
  },
};

type Stored<State> = State extends { readonly sourceBalance: bigint | null }
  ? Omit<State, "terms" | "sourceBalance"> & { readonly terms: StoredTerms; readonly sourceBalance: string | null }
  : Omit<State, "terms"> & { readonly terms: StoredTerms };
type StoredTerms = Omit<Terms, "amount"> & { readonly amount: string };
