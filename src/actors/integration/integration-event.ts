import type { Json } from "../../runtime/index.ts";

/** What leaves of one event of an entity. `name` is a token of letters and `-`, in the past tense. */
export interface IntegrationEvent {
  readonly name: string;
  readonly data: { readonly [key: string]: Json };
}
