/** The OpenAPI 3.1 document. The type of `OPERATIONS` makes it complete: a route without an operation does not compile. */
import type { Code } from "../../runtime/index.ts";
import { CONVERSATION_OPERATIONS } from "./openapi-conversations.ts";
import {
  body,
  ID,
  json,
  KEY,
  KEY_OR_ID,
  KEYED,
  LOCATION,
  made,
  type Node,
  type Operation,
  PAGE,
  problems,
  REPLAYED,
  ref,
  shown,
  TRACE,
  WORK,
} from "./openapi-parts.ts";
import { STREAM_OPERATIONS } from "./openapi-streams.ts";
import { type RouteKey, routes } from "./routes.ts";
import { schemas } from "./schemas.ts";

export interface OpenApiDocument {
  readonly openapi: "3.1.0";
  readonly info: Node & { readonly title: string; readonly version: string; readonly description: string };
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description: string }>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Node>> };
}

const ACCOUNT_STATE: readonly Code[] = ["account_not_found", "account_frozen", "account_closed", "currency_mismatch", "limit_exceeded"];
const MOVEMENT: readonly Code[] = [...KEYED, ...ACCOUNT_STATE, "amount_invalid", "key_in_progress"];
const CHANGE: readonly Code[] = [...KEYED, "account_not_found", "version_conflict", "illegal_transition", "keys_exhausted"];

const PENDING: Node = {
  description: "Accepted and durable, not finished yet. Read the transfer at Location, or repeat with the same key.",
  headers: LOCATION,
  content: json(ref("Transfer")),
};

const change = (operationId: string, summary: string, description: string): Operation => ({
  operationId,
  tags: ["accounts"],
  summary,
  description: `${description} The key is the command's id: a repeat gets the first answer, a refusal by the account too, byte for byte and marked with Idempotency-Replayed.`,
  parameters: [ID, KEY, TRACE],
  requestBody: { required: false, content: json(ref("AccountChange")) },
  responses: { 200: { ...shown("The account after the change.", "Account"), headers: REPLAYED }, ...problems(...CHANGE) },
});

const OPERATIONS: Readonly<Record<RouteKey, Operation>> = {
  "POST /v1/accounts": {
    operationId: "openAccount",
    tags: ["accounts"],
    summary: "Open an account",
    description:
      "With the same fields again, the first answer comes again; with other fields it is refused: `key_reused` when the key is the one that opened the account, else `already_exists`. An account with an `id` of yours is known by that id: one key with two ids opens two accounts.",
    parameters: [KEY_OR_ID, TRACE],
    requestBody: body("NewAccount"),
    responses: { 201: made("The account is open.", "Account"), ...problems(...KEYED, "amount_invalid", "already_exists") },
  },
  "GET /v1/accounts/{id}": {
    operationId: "getAccount",
    tags: ["accounts"],
    summary: "Read an account",
    parameters: [ID, TRACE],
    responses: { 200: shown("The account after every commit up to now.", "Account"), ...problems(...WORK, "account_not_found") },
  },
  "POST /v1/accounts/{id}/freeze": change("freezeAccount", "Freeze an account", "No money moves in or out until it is unfrozen."),
  "POST /v1/accounts/{id}/unfreeze": change("unfreezeAccount", "Unfreeze an account", "Money moves again."),
  "POST /v1/accounts/{id}/close": change("closeAccount", "Close an account", "For ever; its balance must be 0."),
  "GET /v1/accounts/{id}/entries": {
    operationId: "listEntries",
    tags: ["accounts"],
    summary: "Read an account's statement",
    description: "Oldest first. `next` is the `after` of the next page; null at the end. New entries never change earlier pages.",
    parameters: [ID, ...PAGE, TRACE],
    responses: { 200: shown("One page.", "EntryPage"), ...problems(...WORK, "account_not_found", "VIEW_BEHIND") },
  },
  "POST /v1/deposits": {
    operationId: "deposit",
    tags: ["movements"],
    summary: "Pay money in",
    description: "A transfer from the world account of the currency.",
    parameters: [KEY, TRACE],
    requestBody: body("Movement"),
    responses: { 201: made("Done.", "Transfer"), 202: PENDING, ...problems(...MOVEMENT) },
  },
  "POST /v1/withdrawals": {
    operationId: "withdraw",
    tags: ["movements"],
    summary: "Pay money out",
    description: "A transfer to the world account of the currency.",
    parameters: [KEY, TRACE],
    requestBody: body("Movement"),
    responses: { 201: made("Done.", "Transfer"), 202: PENDING, ...problems(...MOVEMENT, "insufficient_funds") },
  },
  "POST /v1/transfers": {
    operationId: "transfer",
    tags: ["movements"],
    summary: "Move money between two accounts",
    description: "Both legs are kept or neither is. A refusal by an account is kept under the key too: a repeat gets it again.",
    parameters: [KEY, TRACE],
    requestBody: body("NewTransfer"),
    responses: { 201: made("Done.", "Transfer"), 202: PENDING, ...problems(...MOVEMENT, "insufficient_funds", "same_account") },
  },
  "POST /v1/transfers/bulk": {
    operationId: "bulk",
    tags: ["movements"],
    summary: "Many movements in one stream",
    description:
      "One JSON object a line, each with a key of its own; one answer line for each, in the same order, written as soon as it is ready. Read while you write: with a reader that stands still the server stops reading too. Lines of one stream run side by side; what must come after something else belongs in a later stream. A bad line is answered and the rest goes on. If the connection breaks, send everything again: the keys make it safe.",
    parameters: [TRACE],
    requestBody: { required: true, content: { "application/x-ndjson": { schema: ref("BulkLine") } } },
    responses: {
      200: { description: "Answers, one a line.", content: { "application/x-ndjson": { schema: ref("BulkAnswer") } } },
      ...problems("SHUTTING_DOWN"),
    },
  },
  "GET /v1/transfers/{id}": {
    operationId: "getTransfer",
    tags: ["movements"],
    summary: "Read a transfer, deposit or withdrawal",
    parameters: [ID, TRACE],
    responses: { 200: shown("The transfer; both legs or none.", "Transfer"), ...problems(...WORK, "transfer_not_found") },
  },
  "GET /v1/ledger/trial-balance": {
    operationId: "trialBalance",
    tags: ["ledger"],
    summary: "Sum all accounts by currency",
    description: "All sums are of one position of the journal. `total` is 0 when the books are right.",
    responses: { 200: shown("The sums.", "TrialBalance"), ...problems("VIEW_BEHIND", "JOURNAL_UNAVAILABLE", "SHUTTING_DOWN") },
  },
  ...CONVERSATION_OPERATIONS,
  ...STREAM_OPERATIONS,
  "GET /livez": {
    operationId: "livez",
    tags: ["service"],
    summary: "Does the process answer",
    responses: { 200: shown("It does.", "Live"), ...problems() },
  },
  "GET /readyz": {
    operationId: "readyz",
    tags: ["service"],
    summary: "Does the service take work",
    description:
      "Looks at progress: commits, the oldest command, read models, event loops, disk. With `verbose` every check is listed, also in a 503, and `failing` names those that fail.",
    parameters: [
      { name: "verbose", in: "query", required: false, description: "List every check.", schema: { type: "string", enum: ["", "true"] } },
    ],
    responses: { 200: shown("It does.", "Ready"), ...problems("JOURNAL_UNAVAILABLE", "OVERLOADED", "VIEW_BEHIND", "SHUTTING_DOWN") },
  },
  "GET /metrics": {
    operationId: "metrics",
    tags: ["service"],
    summary: "Figures of all threads",
    description: "Prometheus text format. Nothing is labelled by an account, a transfer or a caller.",
    responses: {
      200: { description: "The figures.", content: { "text/plain": { schema: { type: "string" } } } },
      ...problems(),
    },
  },
  "GET /openapi.json": {
    operationId: "openapi",
    tags: ["service"],
    summary: "This document",
    responses: { 200: { description: "OpenAPI 3.1.", content: json({ type: "object" }) }, ...problems() },
  },
  "GET /docs": {
    operationId: "docs",
    tags: ["service"],
    summary: "This document, to read",
    responses: {
      200: { description: "A page that loads nothing else.", content: { "text/html": { schema: { type: "string" } } } },
      ...problems(),
    },
  },
};

/** The document of all routes. */
export function openApiDocument(): OpenApiDocument {
  const byPath = Map.groupBy(routes, ({ openApiPath }) => openApiPath);
  const paths = [...byPath].map(
    ([path, of]) => [path, Object.fromEntries(of.map(({ key, method }) => [method.toLowerCase(), OPERATIONS[key]]))] as const,
  );
  return {
    openapi: "3.1.0",
    info: {
      title: "Troupe",
      version: "0.1.0",
      description:
        "An account ledger and conversations that never acknowledge what they can lose. Amounts are decimals in JSON strings with the currency's scale. Every refusal is a problem (RFC 9457) with a stable `code`; a 503, or a 504 OUTCOME_UNKNOWN, may be repeated with the same key.",
    },
    tags: [
      { name: "accounts", description: "Open, read, freeze, close; statements." },
      { name: "movements", description: "Deposits, withdrawals, transfers: each keyed, each double entry." },
      { name: "ledger", description: "The books as a whole." },
      { name: "conversations", description: "Messages, replies, summaries; texts and names of speakers are sealed at rest." },
      { name: "service", description: "Health and this description." },
    ],
    paths: Object.fromEntries(paths),
    components: { schemas },
  };
}
