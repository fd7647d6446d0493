/** What a repeat of a freeze, unfreeze or close gets. Over the fake, whose clock a test can move: equal bytes must not come of equal times. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeLedger } from "../../support/fake-ledger.ts";
import { fieldsOf, post } from "../../support/http-client.ts";
import { type OpenLedger, serve } from "../../support/open-ledger.ts";

let ledger: OpenLedger & { readonly system: FakeLedger };
let url: string;
beforeEach(async () => {
  ledger = await serve(new FakeLedger());
  url = ledger.url;
  await post(url, "/v1/accounts", { id: "a", currency: "CZK" });
});
afterEach(async () => {
  expect(ledger.defects).toEqual([]);
  await ledger[Symbol.asyncDispose]();
});

describe("repeated changes of an account", () => {
  it.each([
    ["freeze", "close", 200],
    ["unfreeze", "freeze", 409],
    ["close", "freeze", 200],
  ])(
    "R-LED-2, L3: %s repeated, also after a later %s, gets status %d and the first bytes again, marked",
    async (command, later, status) => {
      const key = "k";
      const path = `/v1/accounts/a/${command}`;
      const first = await post(url, path, {}, key);
      expect([first.status, first.headers["idempotency-replayed"], first.headers.location]).toEqual([status, undefined, undefined]);
      await post(url, `/v1/accounts/a/${later}`, {}, "later");
      ledger.system.at += 1000;
      const again = await post(url, path, {}, `"${key}"`);
      expect([again.status, again.headers]).toEqual([status, { ...first.headers, "idempotency-replayed": "true" }]);
      expect(again.text).toBe(first.text);
    },
  );

  it("R-LED-2, L3: a version_conflict and an account_not_found are kept with their bytes too", async () => {
    for (const [path, code, key] of [
      ["/v1/accounts/a/freeze", "version_conflict", "k1"],
      ["/v1/accounts/nobody/close", "account_not_found", "k2"],
    ] as const) {
      const first = await post(url, path, { expectedVersion: 7 }, key);
      expect(String(fieldsOf(first).code)).toMatch(code);
      expect(fieldsOf(first).instance).toBe(path);
      ledger.system.at += 1000;
      const again = await post(url, path, { expectedVersion: 7 }, key);
      expect([again.text, again.headers["idempotency-replayed"]]).toEqual([first.text, "true"]);
      const other = await post(url, path, {}, key);
      expect([other.status, fieldsOf(other).code, other.headers["idempotency-replayed"]]).toEqual([422, "key_reused", undefined]);
    }
  });
});
