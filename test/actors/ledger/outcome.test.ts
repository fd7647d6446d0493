/** Problem documents: one sentence a code, and the members of R-API-2. */
import { expect, it } from "vitest";
import { problemBody, TITLE_OF_CODE } from "../../../src/actors/index.ts";
import { type Code, STATUS_OF_CODE, sha256Base64Url } from "../../../src/runtime/index.ts";

it("R-API-2: every code has a title of its own and renders as a problem", () => {
  const codes = Object.keys(STATUS_OF_CODE) as Code[];
  expect(Object.keys(TITLE_OF_CODE).sort()).toEqual(codes.sort());
  expect(new Set(Object.values(TITLE_OF_CODE)).size).toBe(codes.length);
  for (const code of codes) {
    expect(JSON.parse(problemBody({ code, detail: 'a "detail"', instance: "/v1/x", at: 0 }))).toEqual({
      type: `urn:troupe:problem:${code}`,
      title: TITLE_OF_CODE[code],
      status: STATUS_OF_CODE[code],
      code,
      detail: 'a "detail"',
      instance: "/v1/x",
      timestamp: "1970-01-01T00:00:00.000Z",
    });
  }
});

it("L3: the same problem is the same bytes", () => {
  const problem = { code: "account_frozen", detail: "d", instance: "/v1/x", at: 1 } as const;
  expect(problemBody(problem)).toBe(problemBody({ ...problem }));
});

it("the digest is SHA-256 in base64url", () => {
  // The first vector of FIPS 180-4, and a text that is not ASCII.
  expect(sha256Base64Url("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
  expect(sha256Base64Url("č")).toHaveLength(43);
});
