/** The scorer against figures worked out by hand. That it agrees with the figures of the data's own READMEs is checked where the data is. */
import { expect, it } from "vitest";
import { rougeOf, tokensOf } from "./rouge.ts";

it("counts tokens, pairs and the longest common subsequence", () => {
  const { rouge1, rouge2, rougeL } = rougeOf("The cat sat on the mat.", ["the cat was on a mat"]);
  expect(tokensOf("#Person1#'s 3:30")).toEqual(["person1", "s", "3", "30"]);
  expect(rouge1).toBeCloseTo((200 * 4) / 12); // the, cat, on, mat: the second "the" has no partner.
  expect(rouge2).toBeCloseTo((200 * 1) / 10); // the cat
  expect(rougeL).toBeCloseTo((200 * 4) / 12);
});
it("is the mean over references, 0 for what says nothing, and refuses to compare with none", () => {
  expect(rougeOf("a b", ["a b", "c d"])).toEqual({ rouge1: 50, rouge2: 50, rougeL: 50 });
  expect(rougeOf("", ["a"])).toEqual({ rouge1: 0, rouge2: 0, rougeL: 0 });
  expect(() => rougeOf("a", [])).toThrow(RangeError);
});
