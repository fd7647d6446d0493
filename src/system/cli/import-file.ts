import { csvRows } from "./csv.ts";
import type { ImportMapping } from "./import-mapping.ts";
import { type ImportRow, importRows } from "./import-row.ts";
import { bytesOf, fileError } from "./input-file.ts";

/** The rows of a CSV file, plain or gzipped (told by its first bytes). Each call reads the file from its beginning, in a stream. */
export async function* rowsOfFile(path: string, mapping: ImportMapping): AsyncGenerator<ImportRow> {
  try {
    yield* importRows(csvRows(bytesOf(path), mapping), mapping);
  } catch (cause) {
    throw fileError(cause, path, "a CSV file");
  }
}
