/**
 * R-LED-1 against the published vectors of RFC 9651: each that starts with `"` is parsed as a key and sent as a header over a real socket.
 * What must fail is refused with 400; what must not makes a transfer that keeps the very String. Two header lines are always refused: the
 * vectors allow it, and duplicate headers are not taken here.
 */
import { join } from "node:path";
import { keyOfHeader } from "../../src/system/ingress/idempotency-key.ts";
import { fieldsOf, type Header, post } from "../support/http-client.ts";
import { openLedger } from "../support/open-ledger.ts";
import { type StringVector, stringVectors } from "../support/structured-field-vectors.ts";

export interface StructuredFieldsResult {
  readonly ok: boolean;
  readonly vectors: number;
  /** One line for each vector and way that did not agree. */
  readonly failures: readonly string[];
}

/** Checks all vectors in `<dataPath>/http-structured-fields`. */
export async function checkStructuredFields(dataPath: string): Promise<StructuredFieldsResult> {
  const vectors = stringVectors(join(dataPath, "http-structured-fields"));
  await using ledger = await openLedger();
  await post(ledger.url, "/v1/accounts", { id: "vectors", currency: "EUR" });
  const failures = vectors.flatMap(parseFailures);
  for (const vector of vectors) failures.push(...(await sendFailures(ledger.url, vector)));
  return { ok: failures.length === 0, vectors: vectors.length, failures };
}

function parseFailures({ name, lines, expected, canFail }: StringVector): string[] {
  const result = keyOfHeader(lines.join(", "));
  const got = result.ok ? result.key : null;
  return got === expected || (canFail && got === null)
    ? []
    : [`${name}: parsed as ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`];
}

/** Sends the vector as the key of a deposit into the account "vectors" (EUR) of the server at `url`. */
export async function sendFailures(url: string, { name, lines, expected, canFail }: StringVector): Promise<string[]> {
  const headers = lines.map((line): Header => ["idempotency-key", line]);
  const answer = await post(url, "/v1/deposits", { accountId: "vectors", amount: "1", currency: "EUR" }, null, headers);
  const fields = fieldsOf(answer);
  // A line feed inside a header is no HTTP: the parser refuses it before there is a key.
  const codes = lines.some((line) => line.includes("\n")) ? ["validation_failed"] : ["idempotency_key_invalid"];
  const isRefused = answer.status === 400 && codes.includes(String(fields.code));
  const isKept = answer.status === 201 && fields.idempotencyKey === expected;
  const isRight = expected === null ? isRefused : isKept || (canFail && isRefused);
  return isRight ? [] : [`${name}: answered ${answer.status} ${answer.text.slice(0, 200)}`];
}
