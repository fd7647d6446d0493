import type { Component, RunningComponent } from "../../runtime/index.ts";
import { type HttpServer, type StartHttpOptions, startHttp } from "./http-server.ts";

/** The HTTP server as a part of the node's tree. A new one listens where the first one did. */
export class HttpListener implements Component {
  readonly type = "http-listener";
  readonly #options: StartHttpOptions;
  #server: HttpServer | null = null;
  #port: number | null = null;

  constructor(options: StartHttpOptions) {
    this.#options = options;
  }

  /** `http://host:port`, with the port that was really taken. @throws Error before it was started. */
  get url(): string {
    if (this.#server === null) throw new Error("the HTTP server does not listen");
    return this.#server.url;
  }

  async start(): Promise<RunningComponent> {
    const { config } = this.#options;
    const port = this.#port ?? config.http.port;
    const server = await startHttp({ ...this.#options, config: { ...config, http: { ...config.http, port } } });
    this.#server = server;
    this.#port = port === 0 ? Number(new URL(server.url).port) : port;
    return { ended: server.ended, stop: () => server.close(LAST_MS) };
  }

  /** First step of a stop: see `HttpServer`. */
  leave(): void {
    this.#server?.leave();
  }

  /** Second step of a stop: see `HttpServer`. */
  async drain(deadlineMs: number): Promise<number> {
    return (await this.#server?.drain(deadlineMs)) ?? 0;
  }
}

/** Time for the last connections when all is answered. */
const LAST_MS = 1_000;
