/** The least that a fastify service does: parse a JSON body, validate it by schema, answer a small JSON. Nothing is kept. */
import { fastify } from "fastify";
import { cpuByThread } from "../harness/machine.ts";
import { serveQuestions } from "./servers.ts";

const text = { type: "string", minLength: 1, maxLength: 200 } as const;
const app = fastify({ logger: false });
app.post(
  "/v1/deposits",
  {
    schema: {
      body: {
        type: "object",
        additionalProperties: false,
        required: ["accountId", "amount", "currency"],
        properties: { accountId: text, amount: { ...text, pattern: "^[0-9]+(\\.[0-9]+)?$" }, currency: { ...text, maxLength: 3 } },
      },
      response: { 201: { type: "object", properties: { id: { type: "string" }, status: { type: "string" } } } },
    },
  },
  (request, reply) => {
    const { accountId } = request.body as { readonly accountId: string };
    reply.code(201).send({ id: accountId, status: "COMPLETED" });
  },
);
const url = await app.listen({ host: "127.0.0.1", port: 0 });
serveQuestions({ url, look: async () => null, audit: async () => undefined, threads: cpuByThread, stop: () => app.close() });
