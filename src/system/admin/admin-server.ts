/**
 * The admin port: looks and repairs for the person at this machine.
 *
 * P1. It listens on the loopback only, whatever the configuration says of the other doors: nobody is authenticated.
 * P2. A browser must not be a way in: a request whose Host is not the loopback (a name that was made to point here), or that a page of another
 *     origin makes, is refused. No CORS header is ever sent.
 * P3. It works while the service is overloaded or drains: it takes no command, has few connections of its own, and every answer has a deadline.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { problemBody } from "../../actors/index.ts";
import { type Code, Fault, STATUS_OF_CODE } from "../../runtime/index.ts";
import type { AdminRoute } from "./admin-route.ts";

export interface StartAdminOptions {
  readonly port: number;
  readonly routes: readonly AdminRoute[];
  readonly metrics: { readonly contentType: string; text(): Promise<string> };
  readonly log: { error(fields: object, message: string): void };
}
export interface AdminServer extends AsyncDisposable {
  readonly url: string;
  close(): Promise<void>;
}

export const ADMIN_HOST = "127.0.0.1";
const CONNECTIONS_MAX = 64;
const REQUEST_MS_MAX = 10_000;
const ANSWER_MS_MAX = 30_000;

/** Listens on the loopback. @throws what `listen` throws, for example when the port is taken. */
export async function startAdmin({ port, routes, metrics, log }: StartAdminOptions): Promise<AdminServer> {
  const doors = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  const server = createServer({ requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX }, (request, response) => {
    request.resume(); // A body is read by nobody; unread it would hold the connection.
    respond(request).then(
      (answer) => write(response, answer),
      (error: unknown) => write(response, problemOf(error, request, log)),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;

  async function respond(request: IncomingMessage): Promise<Answer> {
    assertFromHere(request);
    const { pathname, searchParams } = new URL(request.url ?? "/", `http://${ADMIN_HOST}`);
    if (request.method === "GET" && pathname === "/metrics") {
      return { status: 200, type: metrics.contentType, body: await inTime(metrics.text()) };
    }
    if (request.method === "GET" && pathname === "/")
      return json(["GET /metrics", ...routes.map(({ method, path }) => `${method} ${path}`)]);
    for (const { route, pattern } of doors) {
      const found = route.method === request.method ? pattern.exec(pathname) : null;
      if (found === null) continue;
      const params = Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decoded(value)]));
      return json(await inTime(route.answer({ params, query: Object.fromEntries(searchParams) })));
    }
    throw new Fault("not_found", `there is no ${request.method} ${pathname.slice(0, 200)} here; GET / lists what there is`);
  }

  await listen(server, port);
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections(); // Looks; who lost one looks again.
    await closed;
  };
  return { url: `http://${ADMIN_HOST}:${(server.address() as AddressInfo).port}`, close, [Symbol.asyncDispose]: close };
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}
const json = (value: unknown): Answer => ({ status: 200, type: "application/json", body: JSON.stringify(value) });

function write(response: ServerResponse, { status, type, body }: Answer): void {
  response.writeHead(status, { "content-type": type, "x-content-type-options": "nosniff", "cache-control": "no-store" });
  response.end(body);
}

/** P2. Browsers send Origin with what a page asks of another origin, and name the host as the page wrote it. */
function assertFromHere({ headers: { host, origin } }: IncomingMessage): void {
  if (!isLoopback(`http://${host ?? ""}`)) {
    throw new Fault(
      "forbidden",
      `the Host ${JSON.stringify((host ?? "").slice(0, 100))} is not the loopback; ask http://${ADMIN_HOST} or http://localhost`,
    );
  }
  if (origin !== undefined && !isLoopback(origin)) throw new Fault("forbidden", "a page of another origin may not ask here");
}

function isLoopback(url: string): boolean {
  if (!URL.canParse(url)) return false;
  return LOOPBACK.has(new URL(url).hostname);
}
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** `/effects/:id/replay` as a pattern with named groups. */
function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Fault("validation_failed", "the path is not a well-formed URL; write other characters as %xx of UTF-8");
  }
}

async function inTime<Value>(answer: Promise<Value>): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Fault("OUTCOME_UNKNOWN", `there was no answer within ${ANSWER_MS_MAX} ms; look again`)),
    ANSWER_MS_MAX,
  );
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function problemOf(error: unknown, { url = "/" }: IncomingMessage, log: StartAdminOptions["log"]): Answer {
  const isForeseen = error instanceof Fault && Object.hasOwn(STATUS_OF_CODE, error.code);
  if (!isForeseen) log.error({ err: error }, "the admin port met a defect");
  const code: Code = isForeseen ? (error.code as Code) : "INTERNAL_ERROR";
  const detail = isForeseen ? error.message : "the admin port met a defect and logged it";
  const [instance = "/"] = url.split("?", 1);
  return { status: STATUS_OF_CODE[code], type: "application/problem+json", body: problemBody({ code, detail, instance, at: Date.now() }) };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: ADMIN_HOST, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
