/**
 * What a conversation remembers of commands that want a reply or stored a message, by their ids (L3). Not by the runtime's table of recorded commands: such an
 * answer comes later than the command. An id is kept for at least 24 h, and without the reply's text, which the read model has.
 */
import { sha256Base64Url } from "../../runtime/index.ts";
import type { PostReply } from "./conversation-schema.ts";

export interface KeptKey {
  readonly id: string;
  readonly print: string;
  readonly at: number;
  /** null while the reply is waited for. */
  readonly outcome: PostReply | null;
}

export const KEYS_KEPT_MS = 24 * 60 * 60 * 1_000;
/** More than the 1,000 of other entities: a long meeting is brought in within a day, a key a message, and some have 4,000. */
export const KEYS_COUNT_MAX = 5_000;

/** What a repeat is compared with: 132 bits of the digest of command and body. */
export const printOf = (command: string, body: object): string => sha256Base64Url(`${command} ${JSON.stringify(body)}`).slice(0, 22);

export const areKeysFull = (keys: readonly KeptKey[], at: number): boolean => keys.length - expiredCount(keys, at) >= KEYS_COUNT_MAX;

export const withKey = (keys: readonly KeptKey[], key: KeptKey): readonly KeptKey[] => [...keys.slice(expiredCount(keys, key.at)), key];

export function withOutcome(keys: readonly KeptKey[], id: string, outcome: PostReply): readonly KeptKey[] {
  const at = keys.findLastIndex((key) => key.id === id);
  const key = keys[at];
  if (key === undefined) return keys;
  const isEmpty = outcome.parts?.length === 0;
  return keys.with(at, { ...key, outcome: isEmpty ? outcome : { ...outcome, parts: null } });
}

/** Oldest first; one that is still waited for is kept, and all behind it. */
function expiredCount(keys: readonly KeptKey[], at: number): number {
  const first = keys.findIndex((key) => key.outcome === null || at - key.at < KEYS_KEPT_MS);
  return first < 0 ? keys.length : first;
}
