import type { FastifyReply, FastifyRequest } from "fastify";

/** What a route does with a request whose body is there. Answers by `Answers`, now or later; never throws. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => void;
