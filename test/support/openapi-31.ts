/**
 * What OpenAPI 3.1 and JSON Schema 2020-12 allow, as far as our document goes: strict, so that a misspelled or foreign keyword fails.
 * Written from the specifications; `whyNotSchema` checks values with the keywords that `openApiSchema` lets pass.
 */
import { z } from "zod";

const jsonType = z.enum(["string", "integer", "number", "boolean", "object", "array", "null"]);
export type JsonSchema = { readonly [keyword: string]: unknown };
const schema: z.ZodType<JsonSchema> = z.lazy(() =>
  z.strictObject({
    $ref: z.string().optional(),
    type: z.union([jsonType, z.array(jsonType).min(1)]).optional(),
    properties: z.record(z.string(), schema).optional(),
    required: z.array(z.string()).min(1).optional(),
    additionalProperties: z.boolean().optional(),
    items: schema.optional(),
    allOf: z.array(schema).min(1).optional(),
    oneOf: z.array(schema).min(1).optional(),
    enum: z.array(z.unknown()).min(1).optional(),
    const: z.unknown().optional(),
    default: z.unknown().optional(),
    pattern: z.string().optional(),
    format: z.enum(["date-time", "uri"]).optional(),
    minLength: z.int().min(0).optional(),
    maxLength: z.int().min(0).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
    description: z.string().optional(),
    examples: z.array(z.unknown()).optional(),
  }),
);
const content = z.record(z.string().regex(/^[a-z]+\/[a-z+.-]+$/), z.strictObject({ schema }));
const header = z.strictObject({ description: z.string(), schema });
const parameter = z.strictObject({
  name: z.string(),
  in: z.enum(["path", "query", "header", "cookie"]),
  required: z.boolean(),
  description: z.string(),
  schema,
  example: z.unknown().optional(),
});
const operation = z.strictObject({
  operationId: z.string().regex(/^[a-zA-Z]+$/),
  tags: z.array(z.string()).min(1),
  summary: z.string().min(1),
  description: z.string().optional(),
  parameters: z.array(parameter.refine((each) => each.in !== "path" || each.required, "a path parameter is required")).optional(),
  requestBody: z.strictObject({ required: z.boolean(), content }).optional(),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.strictObject({ description: z.string(), headers: z.record(z.string(), header).optional(), content: content.optional() }),
  ),
});
export const openApiSchema = z.strictObject({
  openapi: z.literal("3.1.0"),
  info: z.strictObject({ title: z.string(), version: z.string(), description: z.string() }),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string() })),
  paths: z.record(z.string().startsWith("/"), z.partialRecord(z.enum(["get", "post", "put", "patch", "delete"]), operation)),
  components: z.strictObject({ schemas: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), schema) }),
});
export type OpenApi = z.output<typeof openApiSchema>;

/** Why the value does not match, as a path and a keyword, or null when it does. */
export function whyNotSchema(value: unknown, rules: JsonSchema, document: OpenApi, at = "$"): string | null {
  if (typeof rules.$ref === "string") {
    const named = document.components.schemas[rules.$ref.slice("#/components/schemas/".length)];
    return named === undefined ? `${at}: no ${rules.$ref}` : whyNotSchema(value, named, document, at);
  }
  const fail = (keyword: string): string =>
    `${at}: ${keyword} ${JSON.stringify(rules[keyword])} does not hold for ${JSON.stringify(value)}`;
  if (
    rules.type !== undefined &&
    ![rules.type].flat().includes(typeOf(value)) &&
    !(typeOf(value) === "integer" && [rules.type].flat().includes("number"))
  )
    return fail("type");
  if (Array.isArray(rules.enum) && !rules.enum.includes(value)) return fail("enum");
  if ("const" in rules && rules.const !== value) return fail("const");
  if (typeof value === "string") {
    if (typeof rules.pattern === "string" && !new RegExp(rules.pattern, "u").test(value)) return fail("pattern");
    if (typeof rules.minLength === "number" && value.length < rules.minLength) return fail("minLength");
    if (typeof rules.maxLength === "number" && value.length > rules.maxLength) return fail("maxLength");
    if (rules.format === "date-time" && new Date(value).toISOString() !== value) return fail("format");
    if (rules.format === "uri" && !URL.canParse(value)) return fail("format");
  }
  if (typeof value === "number") {
    if (typeof rules.minimum === "number" && value < rules.minimum) return fail("minimum");
    if (typeof rules.maximum === "number" && value > rules.maximum) return fail("maximum");
  }
  const parts: Array<string | null> = [];
  if (Array.isArray(value) && rules.items !== undefined)
    parts.push(...value.map((item, index) => whyNotSchema(item, rules.items as JsonSchema, document, `${at}[${index}]`)));
  if (typeOf(value) === "object") {
    const object = value as Readonly<Record<string, unknown>>;
    const properties = (rules.properties ?? {}) as Readonly<Record<string, JsonSchema>>;
    for (const name of (rules.required ?? []) as readonly string[]) if (!(name in object)) return `${at}: ${name} is required`;
    for (const [name, field] of Object.entries(object)) {
      const known = properties[name];
      if (known !== undefined) parts.push(whyNotSchema(field, known, document, `${at}.${name}`));
      else if (rules.additionalProperties === false) return `${at}: ${name} is not known`;
    }
  }
  for (const rule of (rules.allOf ?? []) as readonly JsonSchema[]) parts.push(whyNotSchema(value, rule, document, at));
  if (Array.isArray(rules.oneOf)) {
    const reasons = (rules.oneOf as readonly JsonSchema[]).map((rule) => whyNotSchema(value, rule, document, at));
    if (reasons.filter((reason) => reason === null).length !== 1) return `${at}: not exactly one of oneOf (${reasons.join(" | ")})`;
  }
  return parts.find((part) => part !== null) ?? null;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}
