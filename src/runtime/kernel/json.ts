/** What may stand in the journal, in a message between threads and in a snapshot. Amounts are decimal strings, never numbers. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The end of a `switch` on `kind`: it does not compile when a kind was forgotten. @throws Error when data from outside lied about its type. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
