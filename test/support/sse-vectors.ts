import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A body of web-platform-tests and the events that a reader must see in it. */
export interface SseVector {
  readonly name: string;
  readonly body: Buffer;
  readonly events: readonly { readonly event?: string; readonly data: string }[];
}

interface Stored {
  readonly name: string;
  readonly body_base64: string;
  readonly expected_events: SseVector["events"];
}

/** @throws when the file is not there. */
export function sseVectors(folder: string): readonly SseVector[] {
  const stored = JSON.parse(readFileSync(join(folder, "vectors.json"), "utf8")) as readonly Stored[];
  return stored.map(({ name, body_base64, expected_events }) => ({
    name,
    body: Buffer.from(body_base64, "base64"),
    events: expected_events,
  }));
}
