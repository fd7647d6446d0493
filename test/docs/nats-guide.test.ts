/** What docs/nats.md shows is what happens: its client is run as it stands, and each of its requests is sent by a plain client. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { connect } from "nats";
import { expect, it } from "vitest";
import { commandTable, statusSpec } from "../../src/system/ingress/command-table.ts";
import { ask, type NatsHeader } from "../support/nats-client.ts";
import { NatsNode } from "../support/nats-node.ts";
import { TestNats } from "../support/nats-server.ts";
import { describeWithNats } from "../support/with-nats.ts";

const run = promisify(execFile);
const guide = readFileSync("docs/nats.md", "utf8");
const CLIENT = "docs/examples/nats-client.mjs";

interface Request {
  readonly subject: string;
  readonly headers: readonly NatsHeader[];
  readonly body: string;
}
/** The lines of the NATS command line: `nats req <subject> [-H 'name:value'] '<body>'`. */
const requests: readonly Request[] = [...guide.matchAll(/^nats req (\S+) (.*)$/gm)].map(([, subject = "", rest = ""]) => ({
  subject,
  headers: [...rest.matchAll(/-H '([^:']+):([^']*)'/g)].map(([, name = "", value = ""]) => [name, value] as const),
  body: /(?:^| )'([^']*)'/.exec(rest.replace(/-H '[^']*'/g, ""))?.[1] ?? "none",
}));

it("shows the client as it is, in 20 lines at most", () => {
  const text = readFileSync(CLIENT, "utf8");
  expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(20);
  expect(guide).toContain(`\`\`\`js\n${text}\`\`\``);
  expect([...text.matchAll(/from "([^"]+)"/g)].map(([, name]) => name)).toEqual(["nats"]);
});

it("names only commands that there are", () => {
  const known = [...commandTable, statusSpec].map(({ name }) => `troupe.v1.${name}`);
  expect(requests.length).toBeGreaterThanOrEqual(7);
  expect(requests.map(({ subject }) => subject).filter((subject) => !known.includes(subject))).toEqual([]);
});

describeWithNats("docs/nats.md", () => {
  it("its client and its requests do what it says", async () => {
    await using server = await TestNats.start();
    await using node = await NatsNode.start({ servers: server.url });
    await node.connected();
    const { stdout } = await run(process.execPath, [CLIENT], { env: { ...process.env, NATS_URL: server.url }, timeout: 30_000 });
    const [first, second, balance] = stdout.trim().split("\n");
    expect([first, balance]).toEqual([second, "10.50"]);
    const connection = await connect({ servers: server.url });
    for (const { subject, headers, body } of requests) {
      const answer = await ask(connection, subject, { headers, body });
      expect([subject, answer.status < 300, answer.text]).toEqual([subject, true, expect.stringContaining("{")]);
    }
    await connection.close();
    expect(node.defects).toEqual([]);
  });
});
