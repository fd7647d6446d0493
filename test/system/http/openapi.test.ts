/** The OpenAPI document: valid 3.1, complete both ways, and true: what the server answers matches the schemas. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { STATUS_OF_CODE } from "../../../src/runtime/index.ts";
import { fieldsOf, get, post, send } from "../../support/http-client.ts";
import { type OpenLedger, openLedger } from "../../support/open-ledger.ts";
import { type OpenApi, openApiSchema, whyNotSchema } from "../../support/openapi-31.ts";

const codesOfTable = Object.keys(STATUS_OF_CODE) as Array<keyof typeof STATUS_OF_CODE>;
let ledger: OpenLedger;
let url: string;
let document: OpenApi;
beforeAll(async () => {
  ledger = await openLedger();
  url = ledger.url;
  document = openApiSchema.parse(fieldsOf(await get(url, "/openapi.json")));
});
afterAll(async () => {
  await ledger[Symbol.asyncDispose]();
});

/** How the document lists the codes of a status. */
const codesSchema = z.object({
  allOf: z.tuple([z.unknown(), z.object({ properties: z.object({ code: z.object({ enum: z.array(z.enum(codesOfTable)) }) }) })]),
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

describe("openapi.json", () => {
  it("is an OpenAPI 3.1 document: no unknown keyword, every reference leads somewhere, operation ids and path parameters agree", () => {
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"\$ref":"([^"]+)"/g)) {
      expect(name).toMatch(/^#\/components\/schemas\/\w+$/);
      expect(document.components.schemas).toHaveProperty((name ?? "").slice("#/components/schemas/".length));
    }
    const ids = operations().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations()) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect([path, declared.map(({ name }) => name)]).toEqual([path, named]);
    }
  });

  it("every route in it is served, and no other method on its paths", async () => {
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of ["get", "post", "put", "patch", "delete"]) {
        const answer = await send(url, method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "x"));
        const isServed = answer.status !== 404 || !String(fieldsOf(answer).detail).startsWith(`there is no ${method.toUpperCase()}`);
        // /v1/transfers/bulk is also a path of /v1/transfers/{id}.
        const isOther = path === "/v1/transfers/bulk" && method === "get";
        expect([method, path, isServed]).toEqual([method, path, method in methods || isOther]);
      }
  });

  it("every refusal is a problem with codes of the one table, under the status of its code", () => {
    for (const { path, operation } of operations())
      for (const [status, response] of Object.entries(operation.responses)) {
        if (Number(status) < 400) continue;
        const codes = codesSchema.parse(response.content?.["application/problem+json"]?.schema).allOf[1].properties.code.enum;
        for (const code of codes) expect([path, code, STATUS_OF_CODE[code]]).toEqual([path, code, Number(status)]);
      }
  });

  it("what the server answers matches the schemas", async () => {
    const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` });
    const expectMatch = (value: unknown, name: string) => expect([name, whyNotSchema(value, schema(name), document)]).toEqual([name, null]);
    expectMatch(fieldsOf(await post(url, "/v1/accounts", { id: "a", currency: "CZK", overdraftLimit: null, owner: "A" })), "Account");
    expectMatch(fieldsOf(await post(url, "/v1/accounts", { id: "b", currency: "CZK" })), "Account");
    expectMatch(fieldsOf(await post(url, "/v1/deposits", { accountId: "a", amount: "5", currency: "CZK" }, "k1")), "Transfer");
    expectMatch(fieldsOf(await post(url, "/v1/transfers", { from: "a", to: "b", amount: "50", currency: "CZK" }, "k2")), "Transfer");
    const failed = await post(url, "/v1/withdrawals", { accountId: "b", amount: "500", currency: "CZK" }, "k3");
    expectMatch(fieldsOf(failed), "Problem");
    expectMatch(fieldsOf(await get(url, String(fieldsOf(failed).instance))), "Transfer");
    expectMatch(fieldsOf(await post(url, "/v1/accounts/b/freeze", {}, "k4")), "Account");
    expectMatch(fieldsOf(await get(url, "/v1/accounts/a/entries?limit=1")), "EntryPage");
    expectMatch(fieldsOf(await get(url, "/v1/ledger/trial-balance")), "TrialBalance");
    expectMatch(fieldsOf(await get(url, "/livez")), "Live");
    expectMatch(fieldsOf(await get(url, "/readyz")), "Ready");
    expectMatch(fieldsOf(await get(url, "/readyz?verbose")), "Ready");
    expectMatch(fieldsOf(await get(url, "/nothing")), "Problem");
    const line = '{"key":"k5","from":"a","to":"b","amount":"1","currency":"CZK"}\n';
    const bulk = await send(
      url,
      "POST",
      "/v1/transfers/bulk",
      [["content-type", "application/x-ndjson"]],
      `${line}${line.replace("k5", "k6").replace('"a"', '"c"')}bad\n`,
    );
    const answers = [...bulk.text.matchAll(/^\{.*\}$/gm)].map(([text]) => JSON.parse(text));
    expect(answers).toHaveLength(3);
    for (const answer of answers) expectMatch(answer, "BulkAnswer");
    expectMatch(JSON.parse(line), "BulkLine");
    expect(whyNotSchema({ ...JSON.parse(line), note: 1 }, schema("BulkLine"), document)).not.toBeNull();
  });
});

describe("docs", () => {
  it("shows every route and loads nothing: no script, no address of another place, a policy that forbids both", async () => {
    const page = await get(url, "/docs");
    expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(page.headers["content-security-policy"]).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    for (const { path, operation } of operations()) {
      expect(page.text).toContain(`<code>${path}</code>`);
      expect(page.text).toContain(operation.summary);
    }
    expect(page.text).not.toMatch(/https?:|\/\/[a-z]|<script|<link|<img|<iframe|@import|url\(|\son\w+=/i);
    for (const [, target] of page.text.matchAll(/href="([^"]*)"/g)) expect(target).toMatch(/^(#schema-\w+|\/openapi\.json)$/);
  });
});
