/** Files of dialogues are read as they were said, byte for byte; what is malformed is refused with its line. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { dialoguesOfFile } from "../../../src/system/cli/dialogue-file.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "troupe-dialogues-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function read(bytes: string | Buffer) {
  const path = join(dir, "file");
  writeFileSync(path, bytes);
  return Array.fromAsync(dialoguesOfFile(path));
}

const TALK = { fname: "dev_0", dialogue: "#Person1#: Hi, it is 3:30. \n#Person2#:  Late!\u2028\n#Person1#:Andrew 🙂\n#Person2#: " };
const MEETING = { meeting_transcripts: [{ speaker: "Prof: E", content: "So:\nwe begin" }], topic_list: [] };

it("reads dialogues and meetings: all behind the colon and one space, as it stands", async () => {
  const [talk, meeting, ...more] = await read(`${JSON.stringify(TALK)}\n\n${JSON.stringify(MEETING)}`);
  expect(talk).toEqual({
    line: 1,
    name: "dev_0",
    said: [
      { speaker: "#Person1#", text: "Hi, it is 3:30. " },
      { speaker: "#Person2#", text: " Late!\u2028" },
      { speaker: "#Person1#", text: "Andrew 🙂" },
      { speaker: "#Person2#", text: "" },
    ],
  });
  expect(meeting).toEqual({ line: 3, name: "meeting_3", said: [{ speaker: "Prof: E", text: "So:\nwe begin" }] });
  expect(more).toEqual([]);
});

it("reads gzipped files, whatever a chunk cuts in two", async () => {
  const lines = Array.from({ length: 3_000 }, (_, i) => JSON.stringify({ fname: `d${i}`, dialogue: `Łucja 🙂: číslo ${i} 祝` }));
  const read2 = await read(gzipSync(lines.join("\n")));
  expect(read2.map(({ name }) => name)).toEqual(lines.map((_, i) => `d${i}`));
  expect(read2.every(({ said }, i) => said[0]?.speaker === "Łucja 🙂" && said[0].text === `číslo ${i} 祝`)).toBe(true);
});

it.each([
  ["no JSON", `${JSON.stringify(TALK)}\n{"fname"`, /line 2: it is no JSON/],
  ["another shape", '{"text": "hello"}', /line 1: expected \{"fname"/],
  ["a line without a speaker", JSON.stringify({ fname: "a", dialogue: "hello" }), /line 1: "hello" names no speaker/],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
  ["a cut off archive", gzipSync(JSON.stringify(TALK)).subarray(0, 40), /gzipped and damaged/],
])("refuses %s", async (_what, bytes, why) => {
  await expect(read(bytes)).rejects.toThrow(why);
});
