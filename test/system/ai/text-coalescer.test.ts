/** Words of a model joined to chunks: the first at once, the rest by time or size, one at a time (DESIGN 5.2). Time is vitest's. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TextCoalescer } from "../../../src/system/ai/text-coalescer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function coalescer(send?: (text: string) => Promise<void>) {
  const chunks: string[] = [];
  const taken = async (text: string): Promise<void> => void chunks.push(text);
  return { chunks, words: new TextCoalescer({ everyMs: 50, charsMin: 10, charsMax: 16, send: send ?? taken }) };
}

it("the first word at once, then what came in 50 ms", async () => {
  const { chunks, words } = coalescer();
  for (const word of ["a", "b", "c"]) await words.add(word);
  expect(chunks).toEqual(["a"]);
  await vi.advanceTimersByTimeAsync(50);
  expect(chunks).toEqual(["a", "bc"]);
  await words.add("d");
  await words.end();
  expect(chunks).toEqual(["a", "bc", "d"]);
  expect(vi.getTimerCount()).toBe(0);
});

it("L6: as much as is worth a chunk at once, and no chunk too large", async () => {
  const { chunks, words } = coalescer();
  await words.add("a");
  await words.add("0123456789");
  await words.add("x".repeat(40));
  expect(chunks).toEqual(["a", "0123456789", "x".repeat(16), "x".repeat(16)]);
  await words.end();
  expect(chunks.at(-1)).toBe("x".repeat(8));
});

it("L6: while a chunk is sent the text gathers, and whoever has too much waits", async () => {
  const free: Array<() => void> = [];
  const { words } = coalescer(() => new Promise((resolve) => void free.push(resolve)));
  await words.add("a");
  await words.add("b");
  await vi.advanceTimersByTimeAsync(500);
  expect(free.length).toBe(1);
  let isAdded = false;
  const adding = words.add("0123456789").then(() => {
    isAdded = true;
  });
  await vi.advanceTimersByTimeAsync(500);
  expect([isAdded, free.length]).toEqual([false, 1]);
  free[0]?.();
  await adding;
  expect(free.length).toBe(2);
  free[1]?.();
  await words.end();
});

it("a refused chunk is told to whoever adds next, or at the end", async () => {
  const { words } = coalescer(() => Promise.reject(new Error("refused")));
  await words.add("a");
  await expect(words.end()).rejects.toThrow("refused");
  await expect(words.add("b")).rejects.toThrow("refused");
  words.close();
  expect(vi.getTimerCount()).toBe(0);
});

it("the chunks make the text, whatever is added, and no pair of surrogates is parted", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: "grapheme" })), fc.string({ unit: "binary" }), async (parts, odd) => {
      const { chunks, words } = coalescer();
      for (const part of parts) for (const half of [part.slice(0, 1), part.slice(1)]) await words.add(half);
      await words.end();
      expect(chunks.join("")).toBe(parts.join(""));
      for (const chunk of chunks) expect(chunk.isWellFormed()).toBe(true);
      const ill = coalescer();
      await ill.words.add(`${odd}\uD83D`);
      await ill.words.end();
      expect(ill.chunks.join("")).toBe(`${odd}\uD83D`);
    }),
  );
});
