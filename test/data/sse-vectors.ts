/** The reader of streamed answers against the vectors of web-platform-tests: each whole, byte by byte, and cut in two at every place. */
import { join } from "node:path";
import { eventsOf } from "../../src/system/ai/event-stream.ts";
import { type SseVector, sseVectors } from "../support/sse-vectors.ts";

export interface SseVectorsResult {
  readonly ok: boolean;
  readonly vectors: number;
  readonly events: number;
  readonly failures: readonly string[];
}

/** Checks all vectors in `<dataPath>/sse-wpt-vectors`. */
export async function checkSseVectors(dataPath: string): Promise<SseVectorsResult> {
  const vectors = sseVectors(join(dataPath, "sse-wpt-vectors"));
  const failures: string[] = [];
  for (const vector of vectors) failures.push(...(await failuresOf(vector)));
  const events = vectors.reduce((sum, vector) => sum + vector.events.length, 0);
  return { ok: failures.length === 0, vectors: vectors.length, events, failures };
}

async function failuresOf({ name, body, events }: SseVector): Promise<string[]> {
  const cuts = Array.from({ length: body.length }, (_, at) => [body.subarray(0, at), body.subarray(at)]);
  const bytes = Array.from(body, (byte) => Buffer.of(byte));
  const expected = JSON.stringify(events.map(({ event = null, data }) => [event, data]));
  const failures: string[] = [];
  for (const parts of [[body], bytes, ...cuts]) {
    const got: unknown[] = [];
    for await (const { event = "", data } of eventsOf(asyncOf(parts), 1_000_000)) got.push([event === "" ? null : event, data]);
    if (JSON.stringify(got) !== expected)
      failures.push(`${name}, ${parts.length} parts: read ${JSON.stringify(got)}, expected ${expected}`);
  }
  return failures;
}

async function* asyncOf(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}
