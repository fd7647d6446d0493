/**
 * An upstream in a process of its own: it does what the `mode` in a body says, keyed by `Idempotency-Key`, and remembers every call. A repeat of a key
 * that it has carried out gets the first answer. `GET /calls`, `POST /heal` (poison is none any more).
 *
 * Modes, by the calls of a key so far: `ok`; `500`, `429` (with Retry-After) and `reset` fail twice; `slow` is carried out at once and answered too late
 * the first time; `late` is answered after a while; `hang` never answers until it is healed; `poison` fails until it is healed; `refuse` is 422 for ever.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface UpstreamCall {
  readonly key: string;
  readonly name: string;
  readonly mode: string;
  /** It was carried out by this call, and not by an earlier one of the key. */
  readonly isFirst: boolean;
}

const SLOW_MS = 1_500;
const LATE_MS = 3_000;
const FAILURES = 2;

const calls: UpstreamCall[] = [];
const seen = new Map<string, number>();
const done = new Set<string>();
let isHealed = false;

const server = createServer((request, response) => {
  void bodyOf(request).then((text) => {
    if (request.url === "/calls") return answer(response, 200, calls);
    if (request.url === "/heal") {
      isHealed = true;
      return answer(response, 200, {});
    }
    post(request, response, JSON.parse(text) as { readonly name: string; readonly mode: string });
  });
});
server.listen(0, "127.0.0.1", () => process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
process.once("disconnect", () => process.exit(0)); // Whoever started it is gone.

function post(request: IncomingMessage, response: ServerResponse, { name, mode }: { readonly name: string; readonly mode: string }): void {
  const key = String(request.headers["idempotency-key"]);
  const count = (seen.get(key) ?? 0) + 1;
  seen.set(key, count);
  const isFailing = mode === "poison" || mode === "hang" ? !isHealed : count <= FAILURES;
  const fails = ["500", "429", "reset", "poison", "hang"].includes(mode) && isFailing;
  const isFirst = !fails && mode !== "refuse" && !done.has(key);
  calls.push({ key, name, mode, isFirst });
  process.send?.({ called: name });
  if (fails) return fail(request, response, mode);
  if (mode === "refuse") return answer(response, 422, { name });
  done.add(key);
  if (mode === "slow" && count === 1) setTimeout(() => answer(response, 200, { name }), SLOW_MS);
  else if (mode === "late") setTimeout(() => answer(response, 200, { name }), LATE_MS);
  else answer(response, 200, { name });
}

function fail(request: IncomingMessage, response: ServerResponse, mode: string): void {
  if (mode === "hang") return;
  if (mode === "reset") request.socket.destroy();
  else if (mode === "429") answer(response.setHeader("retry-after", "0"), 429, {});
  else answer(response, 500, {});
}

function answer(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return; // The server that asked was killed.
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
