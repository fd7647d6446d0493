/**
 * Personal text as the journal, the snapshots and the read model hold it: `s1.` and the base64url of nonce (12 bytes), ciphertext and tag (16 bytes);
 * AES-256-GCM under the conversation's key, bound to the conversation's id.
 *
 * X1. The same text in the same context under the same key gives the same bytes: a repeated request has the same body. So the nonce is made from
 *     key, context and text, and two different pairs of context and text never share one (but for a chance of 2^-96).
 * X2. A text opens only in the conversation for which it was sealed, and only as it was sealed.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { Fault } from "../../runtime/index.ts";

export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PREFIX = "s1.";
const CIPHER = "aes-256-gcm";

export interface SealedFor {
  /** Id of the conversation. */
  readonly id: string;
  readonly key: KeyObject;
}

/** A key as ciphers take it: given the bytes themselves, Node.js 24 takes 10 us more for each text. */
export const secretOf = (bytes: Buffer): KeyObject => createSecretKey(bytes);

/** `context` says which text of the conversation it is, like the id of its message. A lone surrogate in `text` is sealed as U+FFFD. */
export function sealText({ id, key }: SealedFor, context: string, text: string): string {
  // X1: a context that could hold the separator would let two pairs meet in one nonce, which gives both texts away.
  if (context.includes("\0")) throw new TypeError("the context of a sealed text holds no NUL character");
  const nonce = createHmac("sha256", key).update(`nonce\0${context}\0${text}`, "utf8").digest().subarray(0, NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(id, "utf8"));
  const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
  return PREFIX + Buffer.concat(parts).toString("base64url");
}

/** @throws Fault `INTERNAL_ERROR` when the text was damaged or sealed for another conversation; the message holds none of it. */
export function openText({ id, key }: SealedFor, sealed: string): string {
  const bytes = bytesOf(sealed);
  if (bytes === null) throw damaged(id, "it does not have the form of a sealed text");
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(id, "utf8"))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([text, decipher.final()]).toString("utf8");
  } catch (cause) {
    throw damaged(id, "it was changed, or sealed for another conversation", cause);
  }
}

/** Null when it is not one. What decodes to fewer bytes than its length says holds characters that the decoder skipped. */
function bytesOf(sealed: string): Buffer | null {
  if (!sealed.startsWith(PREFIX)) return null;
  const bytes = Buffer.from(sealed.slice(PREFIX.length), "base64url");
  const isWhole = Math.ceil((bytes.length * 4) / 3) === sealed.length - PREFIX.length;
  return isWhole && bytes.length >= NONCE_BYTES + TAG_BYTES ? bytes : null;
}

const damaged = (id: string, why: string, cause?: unknown): Fault =>
  new Fault("INTERNAL_ERROR", `A text of conversation ${id} cannot be opened: ${why}. Restore it from a backup.`, { cause });
