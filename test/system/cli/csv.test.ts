/** The CSV reader: what a writer by RFC 4180 writes comes back, however the bytes are cut; what is malformed is refused with its line. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { type CsvRow, csvRows } from "../../../src/system/cli/csv.ts";

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string | Uint8Array, { separator = ",", size = 7 } = {}): Promise<CsvRow[]> {
  return await Array.fromAsync(csvRows(inChunks(typeof text === "string" ? Buffer.from(text) : text, size), { separator }));
}
const fieldsOf = async (text: string, options = {}) => (await read(text, options)).map(({ fields }) => fields);

const field = fc.string({ unit: fc.constantFrom("a", "1", ",", ";", '"', "\n", "\r", " ", "č", "😀"), maxLength: 6 });
const quoted = (text: string, separator: string): string =>
  text === "" || [separator, '"', "\n", "\r"].some((special) => text.includes(special)) ? `"${text.replaceAll('"', '""')}"` : text;

it("gives back every field that was written, with any cut of the bytes and both line ends", async () => {
  const rows = fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
  const settings = fc.tuple(fc.constantFrom(",", ";", "\t"), fc.constantFrom("\n", "\r\n"), fc.integer({ min: 1, max: 9 }), fc.boolean());
  await fc.assert(
    fc.asyncProperty(rows, settings, async (written, [separator, lineEnd, size, hasLastEnd]) => {
      const lines = written.map((fields) => fields.map((text) => quoted(text, separator)).join(separator));
      const text = lines.join(lineEnd) + (hasLastEnd && lines.length > 0 ? lineEnd : "");
      expect(await fieldsOf(text, { separator, size })).toEqual(written);
    }),
  );
});

it("names the line where a row begins, also after a field of several lines, and skips empty lines", async () => {
  const rows = await read('a,b\n\n"x\ny",2\n\n3,4');
  expect(rows.map(({ line }) => line)).toEqual([1, 3, 6]);
});

it("takes a byte order mark away", async () => {
  expect(await fieldsOf("\ufeffid,amount\n")).toEqual([["id", "amount"]]);
});

it.each([
  ['a,b\n1,"x', /line 2: the quote that opened in the row of line 2 is not closed/],
  ['a\n"x"y', /line 2: after a closing quote stands "y"/],
  ['a\n1"2', /line 2: a quote stands inside a field/],
  ["a\rb", /line 1: a carriage return stands without a line feed/],
  [`"${"x".repeat(70_000)}`, /line 1: a field has more than 65536 characters/],
  [",".repeat(2000), /line 1: the row has more than 1024 fields/],
])("refuses %j with its line (L6: fields and rows are bounded)", async (text, message) => {
  await expect(read(text, { size: 1000 })).rejects.toThrow(message);
});

it("refuses bytes that are not UTF-8", async () => {
  await expect(read(Buffer.from([0x61, 0xff, 0x0a]))).rejects.toThrow(/the file is not UTF-8 \(near line 1\)/);
});
