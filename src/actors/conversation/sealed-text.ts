/**
 * Personal text as entities hold it: sealed by whoever brought it in, under a key that lies outside the journal (DESIGN 4.4, erasure). Nothing is decided
 * by it; its length in characters travels beside it as `chars`.
 */
import { z } from "zod";

/** Characters (UTF-16 units) of one text that somebody writes. */
export const TEXT_CHARS_MAX = 100_000;
/** One sealed text: 100,000 characters of three bytes each, the widest there are, with nonce, tag and base64url. */
export const SEALED_CHARS_MAX = 400_041;
/** Readable text does not match, so it cannot get into the journal by mistake. */
export const sealedSchema = z
  .string()
  .max(SEALED_CHARS_MAX)
  .regex(/^s1\.[A-Za-z0-9_-]+$/, "expected sealed text (s1. and base64url)");

/** UTF-16 units of a speaker's name. */
export const SPEAKER_CHARS_MAX = 200;
/** A name is personal text too; null for the one that the role is called by ("user", "assistant"). Sealed as above: 200 units of three bytes each. */
export const speakerSchema = sealedSchema.max(841).nullable();

/** Characters of the text before it was sealed. */
export const charsSchema = z.int().nonnegative();
/** A text in pieces, each sealed by itself as it came: whoever opens them joins them. One piece when it came whole. */
export const partsSchema = z.array(sealedSchema);
