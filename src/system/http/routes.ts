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
  "GET /livez",
  "GET /readyz",
  "GET /metrics",
  "GET /openapi.json",
  "GET /docs",
] as const;
/** Method and path as OpenAPI writes them. */
export type RouteKey = (typeof KEYS)[number];

export interface Route {
  readonly key: RouteKey;
  readonly method: "GET" | "POST";
  /** As the router writes it: `:id`. */
  readonly path: string;
  /** As OpenAPI writes it: `{id}`. */
  readonly openApiPath: string;
  /** Matches a path of a request. */
  readonly pattern: RegExp;
}

export const routes: readonly Route[] = KEYS.map((key) => {
  const [method, openApiPath = ""] = key.split(" ");
  return {
    key,
    method: method === "POST" ? "POST" : "GET",
    path: openApiPath.replaceAll("{id}", ":id"),
    openApiPath,
    pattern: new RegExp(`^${openApiPath.replaceAll(".", "\\.").replaceAll("{id}", "[^/]+")}$`),
  };
});
