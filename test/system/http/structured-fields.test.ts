/** The data check of R-LED-1 on vectors of our own, so that it is itself tested where the published ones are not there. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { checkStructuredFields } from "../../data/structured-fields.ts";

const item = (name: string, raw: readonly string[], more: object) => ({ name, raw, header_type: "item", ...more });

async function checkOf(vectors: readonly object[]) {
  const folder = mkdtempSync(join(tmpdir(), "troupe-vectors-"));
  mkdirSync(join(folder, "http-structured-fields"));
  writeFileSync(join(folder, "http-structured-fields", "own.json"), JSON.stringify(vectors));
  try {
    return await checkStructuredFields(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("R-LED-1: parser and HTTP agree with vectors that are right", async () => {
  const vectors = [
    item("plain", ['"one two"'], { expected: ["one two", []] }),
    item("empty", ['""'], { expected: ["", []] }),
    item("260 characters", [`"${"x".repeat(260)}"`], { expected: ["x".repeat(260), []] }),
    item("parameters", ['"one";a=1;b'], { expected: ["one", [["a", 1]]] }),
    item("escapes", ['"a \\"b\\" \\\\"'], { expected: ['a "b" \\', []] }),
    item("open", ['"one'], { must_fail: true }),
    item("a line feed", ['" \n "'], { must_fail: true }),
    item("not ASCII", ['"ö"'], { must_fail: true }),
    item("two lines", ['"one', 'two"'], { can_fail: true, expected: ["one, two", []] }),
    item("a token, not ours to judge", ["one"], { expected: ["one", []] }),
  ];
  expect(await checkOf(vectors)).toEqual({ ok: true, vectors: 9, failures: [] });
});

it("the check notices a vector that is wrong, both ways", async () => {
  const result = await checkOf([item("wrong", ['"one"'], { must_fail: true })]);
  expect(result.failures).toHaveLength(2);
});
