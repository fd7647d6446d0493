/** A file of dialogues: one JSON object a line, plain or gzipped. Two forms are known, those of DialogSum and of QMSum. */
import { TextDecoder } from "node:util";
import { z } from "zod";
import { CliError } from "./cli-error.ts";
import { bytesOf, fileError } from "./input-file.ts";

export interface FileDialogue {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly name: string;
  readonly said: readonly DialogueLine[];
}
export interface DialogueLine {
  readonly speaker: string;
  readonly text: string;
}

/** A meeting of 1,300 turns has 400 KB. */
const LINE_CHARS_MAX = 64 * 1024 * 1024;
const EXPECTED = 'expected {"fname", "dialogue": "name: what was said\\n..."} or {"meeting_transcripts": [{"speaker", "content"}]}';

const talkSchema = z.object({ fname: z.string().min(1), dialogue: z.string() });
const meetingSchema = z.object({ meeting_transcripts: z.array(z.object({ speaker: z.string().min(1), content: z.string() })) });

/** The dialogues in their order; holds one of them at a time. @throws CliError `DIALOGUES_INVALID` with the line, `FILE_UNREADABLE`. */
export async function* dialoguesOfFile(path: string): AsyncGenerator<FileDialogue> {
  try {
    let line = 0;
    for await (const text of linesOf(bytesOf(path))) {
      line++;
      if (text.trim() !== "") yield dialogueOf(text, line);
    }
  } catch (cause) {
    throw fileError(cause, path, "a file with a JSON object a line");
  }
}

/** Only line feeds end a line: JSON may hold the other characters that some readers break lines at. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  try {
    for await (const chunk of chunks) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LINE_CHARS_MAX) throw new CliError("DIALOGUES_INVALID", `a line has more than ${LINE_CHARS_MAX} characters`);
      yield* lines;
    }
    yield rest + decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new CliError("DIALOGUES_INVALID", "the file is not UTF-8", { cause });
  }
}

function dialogueOf(text: string, line: number): FileDialogue {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(line, "it is no JSON", cause);
  }
  const meeting = meetingSchema.safeParse(json);
  if (meeting.success) {
    const said = meeting.data.meeting_transcripts.map(({ speaker, content }) => ({ speaker, text: content }));
    return { line, name: `meeting_${line}`, said };
  }
  const talk = talkSchema.safeParse(json);
  if (!talk.success) throw invalid(line, EXPECTED);
  return { line, name: talk.data.fname, said: talk.data.dialogue.split("\n").map((spoken) => lineOf(spoken, line)) };
}

/** `#Person1#: what was said`: all behind the colon and one space, as it stands. */
function lineOf(spoken: string, line: number): DialogueLine {
  const [, speaker, text] = /^([^:]{1,200}): ?(.*)$/s.exec(spoken) ?? [];
  if (speaker === undefined || text === undefined)
    throw invalid(line, `${JSON.stringify(spoken.slice(0, 60))} names no speaker; ${EXPECTED}`);
  return { speaker, text };
}

const invalid = (line: number, why: string, cause?: unknown): CliError =>
  new CliError("DIALOGUES_INVALID", `line ${line}: ${why}`, { cause });
