/** What an import asks of the books at its end. */
import { expect, it } from "vitest";
import { isBalanced } from "../../../src/system/cli/import-command.ts";

const line = (total: bigint, inTransit: bigint) => ({ currency: "CZK", total, inTransit });

it.each([
  ["total and transit are 0", line(0n, 0n), 3, true],
  ["the total is off", line(1n, 0n), 3, false],
  ["money is still in transit", line(0n, 5n), 3, false],
  ["the books do not know the currency of imported rows", null, 3, false],
  ["nothing was imported into books that do not know the currency", null, 0, true],
])("L8: an import is judged by the books: %s", (_, found, rows, expected) => {
  expect(isBalanced(found, { rows })).toBe(expected);
});
