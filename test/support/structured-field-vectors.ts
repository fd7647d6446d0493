/** Reads the published test vectors of HTTP structured fields (RFC 9651) from a folder; nothing of them is kept in this project. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const fileSchema = z.array(
  z.object({
    name: z.string(),
    raw: z.array(z.string()).min(1).optional(),
    header_type: z.string(),
    expected: z.unknown().optional(),
    must_fail: z.boolean().default(false),
    can_fail: z.boolean().default(false),
  }),
);
/** `lines` are the header's lines as sent. `expected` is the String, null when it must fail. */
export interface StringVector {
  readonly name: string;
  readonly lines: readonly string[];
  readonly expected: string | null;
  readonly canFail: boolean;
}

/** Every vector of an Item whose first line starts with `"`. @throws when the folder holds none, or one that expects no String. */
export function stringVectors(folder: string): readonly StringVector[] {
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const vectors = files.flatMap((file) => fileSchema.parse(JSON.parse(readFileSync(join(folder, file), "utf8"))));
  const found = vectors.flatMap(({ name, raw, header_type, expected, must_fail, can_fail }) => {
    if (raw === undefined || header_type !== "item" || !raw[0]?.startsWith('"')) return [];
    const value = must_fail ? null : z.tuple([z.string()]).rest(z.unknown()).parse(expected)[0];
    return [{ name, lines: raw, expected: value, canFail: can_fail }];
  });
  if (found.length === 0) throw new Error(`${folder} holds no vector that starts with a quote`);
  return found;
}
