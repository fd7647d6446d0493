/** What the operations of the OpenAPI document are made of. */
import { type Code, STATUS_OF_CODE } from "../../runtime/index.ts";
import { clearsSoon } from "../ingress/clears-soon.ts";
import type { schemas } from "./schemas.ts";

export type Node = Readonly<Record<string, unknown>>;
export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Node[];
  readonly requestBody?: Node;
  readonly responses: Readonly<Record<string, Node>>;
}
export const ref = (name: keyof typeof schemas): Node => ({ $ref: `#/components/schemas/${name}` });
export const json = (schema: Node): Node => ({ "application/json": { schema } });
export const body = (name: keyof typeof schemas): Node => ({ required: true, content: json(ref(name)) });

export const KEY: Node = {
  name: "Idempotency-Key",
  in: "header",
  required: true,
  description:
    'Makes a repeat safe: 1-255 visible ASCII characters without `"` and `,`, or an RFC 9651 String. A UUID is a good one. Send it once.',
  schema: { type: "string" },
  example: "8e03978e-40d5-43dd-bc93-6894a57f9324",
};
export const KEY_OR_ID: Node = {
  ...KEY,
  required: false,
  description:
    "Needed when the body has no `id`: the account's id is then made from it, and the key makes a repeat safe. With an `id` the id does that: the key may be left out; one that is sent must be well-formed, is kept with the account, and is not compared with other accounts'. Same form as for a transfer.",
};
export const TRACE: Node = {
  name: "traceparent",
  in: "header",
  required: false,
  description: "W3C trace context, kept with the work.",
  schema: { type: "string" },
};
export const ID: Node = {
  name: "id",
  in: "path",
  required: true,
  description: "1-200 bytes of UTF-8, no control character, no `/`.",
  schema: { type: "string", minLength: 1 },
};

export const PAGE: readonly Node[] = [
  {
    name: "after",
    in: "query",
    required: false,
    description: "`next` of the page before.",
    schema: { type: "string", pattern: "^[0-9]{1,15}$" },
  },
  {
    name: "limit",
    in: "query",
    required: false,
    description: "Items on the page.",
    schema: { type: "integer", minimum: 1, maximum: 200, default: 50 },
  },
];

export const REPLAYED: Node = {
  "Idempotency-Replayed": {
    description: "`true` when the key was used before: status and body are the first ones, byte for byte.",
    schema: { type: "string", const: "true" },
  },
};
export const LOCATION: Node = { Location: { description: "Path of what was made.", schema: { type: "string" } } };
const RETRY_AFTER: Node = {
  "Retry-After": {
    description: "Seconds to wait before a repeat; with `keys_exhausted` there is none.",
    schema: { type: "integer", minimum: 1 },
  },
};

export const made = (what: string, name: keyof typeof schemas): Node => ({
  description: what,
  headers: { ...LOCATION, ...REPLAYED },
  content: json(ref(name)),
});
export const shown = (what: string, name: keyof typeof schemas): Node => ({ description: what, content: json(ref(name)) });

/** One response for each status that the codes have. Its schema names the codes. */
export function problems(...codes: readonly Code[]): Record<string, Node> {
  const byStatus = Map.groupBy([...codes, ...ANYWHERE], (code) => STATUS_OF_CODE[code]);
  const responses = [...byStatus]
    .sort(([a], [b]) => a - b)
    .map(([status, of]) => {
      const schema = { allOf: [ref("Problem"), { properties: { code: { enum: [...new Set(of)] } } }] };
      const headers = of.some(clearsSoon) ? { headers: RETRY_AFTER } : {};
      return [
        String(status),
        { description: `Refused: ${[...new Set(of)].join(", ")}.`, ...headers, content: { "application/problem+json": { schema } } },
      ] as const;
    });
  return Object.fromEntries(responses);
}
/** What any route may answer. */
const ANYWHERE: readonly Code[] = ["validation_failed", "INTERNAL_ERROR"];
export const WORK: readonly Code[] = [
  "ENTITY_FAILED",
  "MAILBOX_FULL",
  "OVERLOADED",
  "JOURNAL_UNAVAILABLE",
  "NOT_OWNER",
  "SHUTTING_DOWN",
  "DEADLINE_EXCEEDED",
  "OUTCOME_UNKNOWN",
];
export const KEYED: readonly Code[] = ["idempotency_key_missing", "idempotency_key_invalid", "key_reused", "payload_too_large", ...WORK];
