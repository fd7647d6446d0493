/** The OpenAPI document as one page to read. It has no script and loads nothing: what is not in it cannot leak or break. */
import { createHash } from "node:crypto";
import type { OpenApiDocument } from "./openapi.ts";
import type { Operation } from "./openapi-parts.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}h3{margin:2rem 0 .25rem}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:#f6f8fa;padding:.75rem;overflow:auto;border-radius:6px}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-top:1px solid #d0d7de}.verb{display:inline-block;min-width:3.2rem;font-weight:700}
a{color:#0550ae}summary{cursor:pointer}@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}a{color:#79c0ff}}`;

/** The page and the Content-Security-Policy that it needs: its own style, by hash, and nothing else. */
export function docsPage(document: OpenApiDocument): { readonly html: string; readonly policy: string } {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const sections = document.tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    return `<h2>${escaped(name)}</h2><p>${prose(description)}</p>${own.map(section).join("")}`;
  });
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) => `<h3 id="schema-${escaped(name)}">${escaped(name)}</h3><pre>${escaped(JSON.stringify(schema, null, 2))}</pre>`,
  );
  const { title, version, description } = document.info;
  return {
    policy,
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1><p>Version ${escaped(version)} · OpenAPI ${document.openapi} · <a href="/openapi.json">openapi.json</a></p><p>${prose(description)}</p>
${sections.join("\n")}<h2>Schemas</h2>${schemas.join("\n")}</body></html>`,
  };
}

function section({ path, method, operation }: { readonly path: string; readonly method: string; readonly operation: Operation }): string {
  const parameters = (operation.parameters ?? []).map(
    ({ name, in: place, required, description }) =>
      `<tr><td><code>${escaped(String(name))}</code></td><td>${escaped(String(place))}${required === true ? ", needed" : ""}</td><td>${prose(String(description ?? ""))}</td></tr>`,
  );
  const responses = Object.entries(operation.responses).map(
    ([status, response]) => `<tr><td>${status}</td><td>${prose(String(response.description))}</td><td>${links(response)}</td></tr>`,
  );
  const body = operation.requestBody === undefined ? "" : `<p>Body: ${links(operation.requestBody)}</p>`;
  return `<h3 id="${escaped(operation.operationId)}"><span class="verb">${method}</span> <code>${escaped(path)}</code></h3>
<p><strong>${escaped(operation.summary)}.</strong> ${prose(operation.description ?? "")}</p>${parameters.length > 0 ? `<table>${parameters.join("")}</table>` : ""}${body}
<details><summary>Answers</summary><table>${responses.join("")}</table></details>`;
}

/** Names of the schemas that a body or response refers to, as links. */
function links(node: unknown): string {
  const names = [...JSON.stringify(node).matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name ?? "");
  return [...new Set(names)].map((name) => `<a href="#schema-${name}">${name}</a>`).join(", ");
}

/** Text with `code` marks. */
const prose = (text: string): string => escaped(text).replace(/`([^`]+)`/g, "<code>$1</code>");

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);
