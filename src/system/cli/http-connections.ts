import { type Agent, Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
export interface HttpCall {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Silence after which a request counts as lost; longer than a server waits for its own answer. */
const SILENCE_MS_MAX = 60_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Connections to one server that are kept and used again. `fetch` costs this client three times as much for each small request. */
export class HttpConnections {
  readonly #agent: Agent;
  readonly #request: typeof httpRequest;

  constructor(url: string) {
    const isSecure = url.startsWith("https:");
    this.#agent = isSecure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.#request = isSecure ? httpsRequest : httpRequest;
  }

  /** Rejects when the connection fails, when nothing comes for `SILENCE_MS_MAX`, or with an answer of more than 64 MiB. */
  send(url: string, { method, headers, body }: HttpCall): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const length = body === "" ? {} : { "content-length": Buffer.byteLength(body) };
      const request = this.#request(url, { method, headers: { ...headers, ...length }, agent: this.#agent }, (response) => {
        read(response).then(resolve, reject);
      });
      request.setTimeout(SILENCE_MS_MAX, () => request.destroy(new Error(`nothing came for ${SILENCE_MS_MAX / 1000} s`)));
      request.on("error", reject);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

async function read(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString("utf8") };
}
