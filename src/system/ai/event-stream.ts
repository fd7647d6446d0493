import { createParser, type EventSourceMessage } from "eventsource-parser";
import { badAnswer } from "./upstream-failure.ts";

/** The events of a `text/event-stream`, however its bytes are cut. An event without its empty line at the end is none. Throws what `parts` throws,
 * and a `PortFailure` when one event has more than `eventCharsMax` characters. */
export async function* eventsOf(parts: AsyncIterable<Uint8Array>, eventCharsMax: number): AsyncGenerator<EventSourceMessage> {
  const decoder = new TextDecoder(); // Drops the byte order mark that may stand at the beginning.
  const events: EventSourceMessage[] = [];
  let isTooLong = false;
  const parser = createParser({
    maxBufferSize: eventCharsMax,
    onEvent: (event) => events.push(event),
    onError: ({ type }) => {
      isTooLong ||= type === "max-buffer-size-exceeded";
    },
  });
  for await (const part of parts) {
    parser.feed(decoder.decode(part, { stream: true }));
    yield* events.splice(0);
    if (isTooLong) throw badAnswer("BODY_TOO_LARGE", `an event of the stream has more than ${eventCharsMax} characters`);
  }
}
