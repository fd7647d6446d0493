/** Clients of conversations: requests with fetch, and streams read by `eventsource-parser` as a stranger's program would. */
import { createParser, type EventSourceMessage } from "eventsource-parser";

export interface Said {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}
const JSON_HEADERS = { "content-type": "application/json" };

export async function openConversation(url: string, id: string, fields: object = {}): Promise<void> {
  const answer = await fetch(`${url}/v1/conversations`, { method: "POST", headers: JSON_HEADERS, body: JSON.stringify({ id, ...fields }) });
  if (answer.status !== 201) throw new Error(`conversation ${id}: ${answer.status} ${await answer.text()}`);
}

export interface Posting {
  readonly key: string;
  readonly accept?: string;
  readonly fields?: object;
  readonly signal?: AbortSignal;
}
export function postMessage(url: string, id: string, content: string, { key, accept, fields = {}, signal }: Posting): Promise<Response> {
  const headers = { ...JSON_HEADERS, "idempotency-key": key, ...(accept === undefined ? {} : { accept }) };
  const body = JSON.stringify({ content, ...fields });
  return fetch(`${url}/v1/conversations/${id}/messages`, { method: "POST", headers, body, ...(signal === undefined ? {} : { signal }) });
}

export const SSE = "text/event-stream";

/** The events of an answer as they come. */
export async function* eventsOf(answer: Response): AsyncGenerator<Said> {
  if (answer.status !== 200 || answer.body === null) throw new Error(`${answer.status} ${await answer.text()}`);
  const found: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => found.push(event) });
  const decoder = new TextDecoder();
  for await (const bytes of answer.body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    for (const { id = "", event = "", data } of found.splice(0)) yield { id, event, data: JSON.parse(data) as Said["data"] };
  }
}

/** Follows a conversation, behind the event of that id, until `isLast` holds of one, and goes away. `connected` is left out. */
export async function follow(
  url: string,
  id: string,
  after: string | null,
  isLast: (said: Said, count: number) => boolean,
): Promise<Said[]> {
  const leave = new AbortController();
  const headers = after === null ? {} : { "last-event-id": after };
  const answer = await fetch(`${url}/v1/conversations/${id}/events`, { headers, signal: leave.signal });
  const heard: Said[] = [];
  try {
    for await (const said of eventsOf(answer)) {
      if (said.event === "connected") continue;
      heard.push(said);
      if (isLast(said, heard.length)) break;
    }
  } finally {
    leave.abort();
  }
  return heard;
}

export const isEnd = ({ event, data }: Said): boolean =>
  ["replied", "replyStopped", "replyFailed"].includes(event) || (event === "replyInterrupted" && data.isOver === true);
/** The last event of a turn's reply. */
export const endOf = (turn: number) => (said: Said) => isEnd(said) && said.data.turn === turn;
export const idsOf = (heard: readonly Said[]): readonly string[] => heard.map(({ id }) => id);
