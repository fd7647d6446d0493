/** A bulk stream whose two directions a test moves by hand. */
import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";

export type BulkAnswer = Readonly<Record<string, unknown>>;

export interface BulkClient {
  readonly request: ClientRequest;
  /** Writes a line; false when the connection takes no more at the moment. */
  line(fields: object | string): boolean;
  /** The head of the answer; it comes before any line was sent. */
  readonly response: Promise<IncomingMessage>;
  /** The next answer line, or null at the end. */
  next(): Promise<BulkAnswer | null>;
  /** Ends the input and reads the rest. */
  rest(): Promise<BulkAnswer[]>;
}

/** Opens POST /v1/transfers/bulk. */
export function openBulk(url: string): BulkClient {
  const outgoing = request(`${url}/v1/transfers/bulk`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson", connection: "close" },
  });
  outgoing.flushHeaders();
  const response = once(outgoing, "response").then(([incoming]) => incoming as IncomingMessage);
  let lines: AsyncIterator<string> | null = null;
  const next = async (): Promise<BulkAnswer | null> => {
    lines ??= createInterface({ input: await response, crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
    const { value, done } = await lines.next();
    return done === true ? null : (JSON.parse(value) as BulkAnswer);
  };
  return {
    request: outgoing,
    response,
    next,
    line: (fields) => outgoing.write(`${typeof fields === "string" ? fields : JSON.stringify(fields)}\n`),
    async rest() {
      outgoing.end();
      const answers: BulkAnswer[] = [];
      for (let answer = await next(); answer !== null; answer = await next()) answers.push(answer);
      return answers;
    },
  };
}
