/** An HTTP client that keeps its connections, for load from a process of its own. */
import { Agent, request } from "node:http";

export interface ClientAnswer {
  readonly status: number;
  readonly body: string;
  /** The answer says that it is a stored one. */
  readonly isReplayed: boolean;
}

export interface ClientRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly key?: string;
  /** JSON text. */
  readonly body?: string;
}

const ANSWER_MS_MAX = 60_000;

/** At most `connections` requests are under way; further ones wait in the client. */
export class KeepAliveClient {
  /** Answers that began and did not end: only a server that was killed may leave any. */
  halfAnswers = 0;
  readonly #agent: Agent;
  readonly #host: string;
  readonly #port: number;

  constructor(url: string, connections: number) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** Rejects when the connection ended before the whole answer was there: then nobody knows whether the request was carried out. */
  send({ method, path, key, body }: ClientRequest): Promise<ClientAnswer> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...(key === undefined ? {} : { "idempotency-key": key }),
        ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      const sent = request(
        { agent: this.#agent, host: this.#host, port: this.#port, method, path, headers, timeout: ANSWER_MS_MAX },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", (error) => {
            this.halfAnswers++;
            reject(error);
          });
          answer.on("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              body: Buffer.concat(chunks).toString("utf8"),
              isReplayed: answer.headers["idempotency-replayed"] === "true",
            }),
          );
        },
      );
      sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
