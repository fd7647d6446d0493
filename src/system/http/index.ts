/** The HTTP ingress (DESIGN 5.4, issue 2 part E). Only this folder knows fastify. */
export { HttpListener } from "./http-listener.ts";
export type { HttpLog } from "./http-log.ts";
export { type HttpServer, type StartHttpOptions, startHttp } from "./http-server.ts";
