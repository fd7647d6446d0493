import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { problemBody } from "../../actors/index.ts";
import { type Code, STATUS_OF_CODE } from "../../runtime/index.ts";
import { PROBLEM_TYPE, retryAfter } from "./answers.ts";

/** Answers a connection that has no request to answer, and ends it. */
export function answerRaw(socket: Duplex, { code, detail }: { readonly code: Code; readonly detail: string }): void {
  const body = problemBody({ code, detail, instance: "/", at: Date.now() });
  const status = STATUS_OF_CODE[code];
  const [name, value] = retryAfter(code);
  const wait = name === undefined ? "" : `${name}: ${value}\r\n`;
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${wait}connection: close\r\n\r\n`;
  socket.end(head + body, () => socket.destroy());
}
