/** What the service says of itself over NATS against the published schemas of `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, whose files are named by a folder. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { connect } from "nats";
import { natsLines } from "../../tools/nats-server.mjs";
import { microAnswers, VERBS } from "../support/micro-answers.ts";
import { ask } from "../support/nats-client.ts";
import { NatsNode } from "../support/nats-node.ts";
import { TestNats } from "../support/nats-server.ts";

/** RFC 3339, as `format: date-time` means it. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** @returns how many answers were valid. @throws Error naming each that is not. */
export async function checkMicroSchemas(folder: string): Promise<{ readonly answers: number; readonly endpoints: number }> {
  const ajv = new Ajv({ strict: false, allErrors: true, formats: { "date-time": DATE_TIME } });
  const schemas = new Map(
    VERBS.map((verb) => [
      verb,
      ajv.compile(JSON.parse(readFileSync(join(folder, `${verb.toLowerCase()}_response.json`), "utf8")) as object),
    ]),
  );
  let answers = 0;
  let endpoints = 0;
  for (const version of natsLines) {
    await using server = await TestNats.start({ version });
    await using node = await NatsNode.start({ servers: server.url });
    await node.connected();
    const connection = await connect({ servers: server.url });
    try {
      const first = await microAnswers(connection, "troupe");
      // Once more when an endpoint has had an error.
      await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "nobody"]] });
      for (const { verb, subject, body } of [...first, ...(await microAnswers(connection, "troupe"))]) {
        const why = whyNot(schemas.get(verb), body);
        if (why !== null) throw new Error(`${subject} (nats-server ${version}): ${why}`);
        answers++;
        endpoints += Array.isArray(body.endpoints) ? body.endpoints.length : 0;
      }
    } finally {
      await connection.close();
    }
  }
  return { answers, endpoints };
}

function whyNot(validate: ValidateFunction | undefined, body: unknown): string | null {
  if (validate === undefined) return "there is no schema";
  return validate(body) ? null : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join("; ");
}
