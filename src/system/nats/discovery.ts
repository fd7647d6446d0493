/**
 * Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS` (ADR-32 of NATS), so that its command line finds the service. Own code, because the library's STATS do not
 * pass the published schema: an endpoint without an error has no `last_error` there.
 */
import type { NatsConnection } from "nats";
import type { Endpoint } from "./command-service.ts";
import { isInbox, isReplySubject, serviceSubjects } from "./subjects.ts";

export interface Discovered {
  /** Of the service; the same at every node. */
  readonly name: string;
  /** Of this process. */
  readonly id: string;
  /** Semantic version. */
  readonly version: string;
  readonly description: string;
  /** ISO 8601. */
  readonly started: string;
  readonly endpoints: () => readonly Endpoint[];
  readonly metadata: () => Readonly<Record<string, string>>;
  /** Of our own answers: only another node asks with it, and only who is there. */
  readonly inboxPrefix: string;
  /** The server does not let us answer it. */
  readonly onRefused: (subject: string, cause: Error) => void;
}

/** Answers on this connection. */
export function beDiscovered(connection: NatsConnection, service: Discovered): void {
  for (const [verb, show] of Object.entries(SHOWN)) {
    for (const subject of serviceSubjects(verb as keyof typeof SHOWN, service.name, service.id)) {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error !== null) return service.onRefused(subject, error);
          const { reply = "" } = message;
          if (!(verb === "PING" ? isInbox(reply) : isReplySubject(reply, service.inboxPrefix))) return;
          try {
            message.respond(JSON.stringify(show(service)));
          } catch {
            // The connection is gone, and who asked asks again.
          }
        },
      });
    }
  }
}

const identity = ({ name, id, version, metadata }: Discovered): object => ({ name, id, version, metadata: metadata() });

const SHOWN = {
  PING: (service: Discovered): object => ({ type: "io.nats.micro.v1.ping_response", ...identity(service) }),
  INFO: (service: Discovered): object => ({
    type: "io.nats.micro.v1.info_response",
    ...identity(service),
    description: service.description,
    endpoints: service.endpoints().map(({ name, subject, queue, command }) => ({
      name,
      subject,
      queue_group: queue,
      metadata: { description: command.about },
    })),
  }),
  STATS: (service: Discovered): object => ({
    type: "io.nats.micro.v1.stats_response",
    ...identity(service),
    started: service.started,
    endpoints: service.endpoints().map(({ name, subject, queue, stats }) => ({
      name,
      subject,
      queue_group: queue,
      num_requests: stats.requests,
      num_errors: stats.errors,
      last_error: stats.lastError,
      processing_time: stats.processingNs,
      average_processing_time: stats.averageNs,
    })),
  }),
} as const;
