/** The routes, one name each: server, handlers, OpenAPI document and its test all read this list. */
const KEYS = [
  "POST /v1/accounts",
  "GET /v1/accounts/{id}",
  "POST /v1/accounts/{id}/freeze",
  "POST /v1/accounts/{id}/unfreeze",
  "POST /v1/accounts/{id}/close",
  "GET /v1/accounts/{id}/entries",
  "POST /v1/deposits",
  "POST /v1/withdrawals",
  "POST /v1/transfers",
  "POST /v1/transfers/bulk",
  "GET /v1/transfers/{id}",
  "GET /v1/ledger/trial-balance",
  "POST /v1/conversations",
  "GET /v1/conversations/{id}",
  "DELETE /v1/conversations/{id}",
  "POST /v1/conversations/{id}/messages",
  "GET /v1/conversations/{id}/messages",
  "GET /v1/conversations/{id}/messages/{messageId}",
  "GET /v1/conversations/{id}/summary",
  "GET /v1/conversations/{id}/events",
  "GET /v1/conversations/{id}/socket",
  "POST /v1/conversations/{id}/stop",
  "POST /v1/conversations/{id}/replies/{replyId}/regenerate",
  "POST /v1/chat/completions",
  "GET /livez",
  "GET /readyz",
  "GET /metrics",
  "GET /openapi.json",
  "GET /docs",
] as const;
/** Method and path as OpenAPI writes them. */
export type RouteKey = (typeof KEYS)[number];

type Method = "GET" | "POST" | "DELETE";

export interface Route {
  readonly key: RouteKey;
  readonly method: Method;
  /** As the router writes it: `:id`. */
  readonly path: string;
  /** As OpenAPI writes it: `{id}`. */
  readonly openApiPath: string;
  /** Matches a path of a request. */
  readonly pattern: RegExp;
}

const PARAM = /\{(\w+)\}/g;

export const routes: readonly Route[] = KEYS.map((key) => {
  const [method, openApiPath] = key.split(" ") as [Method, string]; // As every key is written.
  return {
    key,
    method,
    path: openApiPath.replaceAll(PARAM, ":$1"),
    openApiPath,
    pattern: new RegExp(`^${openApiPath.replaceAll(".", "\\.").replaceAll(PARAM, "[^/]+")}$`),
  };
});
