/**
 * A streaming reader of CSV (RFC 4180) in UTF-8 with a separator of choice. Lines end with LF or CRLF; an empty line is skipped.
 * What is malformed is refused with its line, never guessed.
 */
import { TextDecoder } from "node:util";
import { CliError } from "./cli-error.ts";

export interface CsvRow {
  /** Line of the file where the row begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}
export interface CsvOptions {
  /** One character that is no quote and no line end. */
  readonly separator: string;
}

const FIELD_CHARS_MAX = 65_536;
const FIELDS_MAX = 1024;

/**
 * Rows as they arrive; holds one chunk and one row at a time.
 * @throws CliError `CSV_INVALID` with the line; whatever the chunks throw.
 */
export async function* csvRows(chunks: AsyncIterable<Uint8Array>, options: CsvOptions): AsyncGenerator<CsvRow> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const parser = new CsvParser(options);
  for await (const chunk of chunks) yield* parser.push(decoded(decoder, chunk, parser));
  yield* parser.push(decoded(decoder, undefined, parser));
  yield* parser.end();
}

function decoded(decoder: TextDecoder, chunk: Uint8Array | undefined, { line }: CsvParser): string {
  try {
    return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
  } catch (cause) {
    throw new CliError("CSV_INVALID", `the file is not UTF-8 (near line ${line}); convert it first, for example with iconv`, { cause });
  }
}

/** What stands before the next character: the start of a field, a plain field, a quoted one, its closing quote, a carriage return. */
type Place = "start" | "plain" | "quoted" | "quote" | "return";

/** The state between two chunks of text: a row may be cut anywhere. */
export class CsvParser {
  readonly #separator: string;
  #place: Place = "start";
  #field = "";
  #fields: string[] = [];
  /** A quoted field makes a row even when it is empty. */
  #hasQuote = false;
  #line = 1;
  #rowLine = 1;

  constructor({ separator }: CsvOptions) {
    this.#separator = separator;
  }

  get line(): number {
    return this.#line;
  }

  /** Rows that end in this text. @throws CliError `CSV_INVALID`. */
  *push(text: string): Generator<CsvRow> {
    for (const char of text) {
      if (this.#place === "quoted") this.#addQuoted(char);
      else if (this.#place === "return" && char !== "\n") throw this.#invalid("a carriage return stands without a line feed");
      else if (char === "\n") {
        const row = this.#endRow();
        this.#rowLine = ++this.#line;
        if (row !== null) yield row;
      } else if (char === "\r") this.#place = "return";
      else if (char === this.#separator) this.#endField();
      else if (char === '"') this.#addQuote();
      else this.#addPlain(char);
    }
  }

  /** The last row, when no line end followed it. @throws CliError `CSV_INVALID` when a quote is open. */
  *end(): Generator<CsvRow> {
    if (this.#place === "quoted") throw this.#invalid(`the quote that opened in the row of line ${this.#rowLine} is not closed`);
    const row = this.#endRow();
    if (row !== null) yield row;
  }

  #addQuoted(char: string): void {
    if (char === '"') {
      this.#place = "quote";
      return;
    }
    if (char === "\n") this.#line++;
    this.#append(char);
  }

  #addQuote(): void {
    if (this.#place === "plain")
      throw this.#invalid('a quote stands inside a field without quotes; write the field as "..." and the quote twice');
    if (this.#place === "quote") this.#append('"');
    this.#place = "quoted";
    this.#hasQuote = true;
  }

  #addPlain(char: string): void {
    if (this.#place === "quote")
      throw this.#invalid(`after a closing quote stands ${JSON.stringify(char)} instead of a separator or line end`);
    this.#place = "plain";
    this.#append(char);
  }

  #append(text: string): void {
    if (this.#field.length >= FIELD_CHARS_MAX)
      throw this.#invalid(`a field has more than ${FIELD_CHARS_MAX} characters; is a quote left open?`);
    this.#field += text;
  }

  #endField(): void {
    if (this.#fields.length >= FIELDS_MAX) throw this.#invalid(`the row has more than ${FIELDS_MAX} fields`);
    this.#fields.push(this.#field);
    this.#field = "";
    this.#place = "start";
  }

  #endRow(): CsvRow | null {
    const isEmpty = this.#fields.length === 0 && this.#field === "" && !this.#hasQuote;
    this.#endField();
    const fields = this.#fields;
    this.#fields = [];
    this.#hasQuote = false;
    return isEmpty ? null : { line: this.#rowLine, fields };
  }

  #invalid(what: string): CliError {
    return new CliError("CSV_INVALID", `line ${this.#line}: ${what}`);
  }
}
