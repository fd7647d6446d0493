/** Makes docs/configuration.md and config/default.json from the schema: `node_modules/.bin/node tools/config-docs.ts`. */
import { writeFileSync } from "node:fs";
import { describeConfig } from "../src/system/config/config.ts";
import { configSchema } from "../src/system/config/schema.ts";

const intro = `# Configuration

Made from \`src/system/config/schema.ts\` by \`node_modules/.bin/node tools/config-docs.ts\`; do not edit.

Later sources win: built-in defaults, \`config/default.json\`, the file named by \`--config\` or \`TROUPE_CONFIG\` (the flag wins;
same shape as \`config/default.json\`, may hold a part of it), environment variables, flags. A flag is written \`--key value\` or
\`--key=value\`; a flag of a true-or-false setting alone means true. An unknown name or a value that is not allowed is refused
with \`CONFIG_INVALID\`, which names the key, where the value came from, what it was and what was expected.
`;

/** The text of docs/configuration.md. */
export function configDocs(): string {
  const parts = describeConfig().map(
    ({ key, env, flag, default: byDefault, description }) =>
      `## \`${key}\`\n\n${description}\nDefault: \`${JSON.stringify(byDefault)}\`. Environment: \`${env}\`. Flag: \`${flag}\`.\n`,
  );
  return [intro, ...parts].join("\n");
}

/** The text of config/default.json: every setting with its default. */
export function defaultFile(): string {
  const sections = Object.entries(configSchema.shape).map(([name, section]) => [name, section.parse({})]);
  return `${JSON.stringify(Object.fromEntries(sections), null, 2)}\n`;
}

if (import.meta.main) {
  writeFileSync(new URL("../docs/configuration.md", import.meta.url), configDocs());
  writeFileSync(new URL("../config/default.json", import.meta.url), defaultFile());
}
