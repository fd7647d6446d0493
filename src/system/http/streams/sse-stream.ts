import type { ServerResponse } from "node:http";
import type { ClientEvent } from "./client-event.ts";
import type { OpenStream } from "./open-streams.ts";

export interface SseStreamOptions {
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly isAnswer: boolean;
  /** Header names (lower case) and values in turn. */
  readonly headers?: readonly string[];
  /** The socket has room again. */
  readonly onDrain: () => void;
  /** The connection is gone, whoever ended it. Called once. */
  readonly onClose: () => void;
}

/** Rest of a client before it comes back. */
const RETRY_MS = 1_000;

/**
 * Writes a `text/event-stream`, as the HTML standard defines it. It keeps nothing: what the socket does not take at once is in the socket's own buffer,
 * which holds 16 KiB and the one event that filled it.
 */
export class SseStream implements OpenStream {
  readonly isAnswer: boolean;
  readonly #response: ServerResponse;
  #blockedSinceMs: number | null = null;

  /** Writes the head: from here on the status is 200. */
  constructor({ response, requestId, isAnswer, headers = [], onDrain, onClose }: SseStreamOptions) {
    this.isAnswer = isAnswer;
    this.#response = response;
    response.on("drain", () => {
      this.#blockedSinceMs = null;
      onDrain();
    });
    response.once("close", onClose);
    response.writeHead(200, [...HEAD, "x-request-id", requestId, ...headers]);
    response.flushHeaders();
  }

  get blockedSinceMs(): number | null {
    return this.#blockedSinceMs;
  }

  /** Tells the client how soon it may come back when the connection breaks. */
  retry(): void {
    this.write(`retry: ${RETRY_MS}\n\n`);
  }

  /** @returns whether there is room for another one; if not, `onDrain` follows. */
  send({ id, event, data }: Omit<ClientEvent, "id"> & { readonly id?: string }): boolean {
    const head = id === undefined ? "" : `id: ${id}\n`;
    return this.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`); // JSON has no line break.
  }

  /** Any text of the format. */
  write(text: string): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) return true; // `onClose` says so.
    const hasRoom = this.#response.write(text);
    if (!hasRoom) this.#blockedSinceMs ??= performance.now();
    return hasRoom;
  }

  beat(): void {
    this.write(":\n\n");
  }

  end(): void {
    this.#response.end();
  }

  cut(): void {
    this.#response.destroy();
  }
}

const HEAD = [
  "content-type",
  "text/event-stream; charset=utf-8",
  "cache-control",
  "no-store",
  "x-content-type-options",
  "nosniff",
  // A proxy that gathers an answer before it passes it on would hold back every event.
  "x-accel-buffering",
  "no",
] as const;
