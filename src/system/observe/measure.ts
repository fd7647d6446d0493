import type { HistogramLook } from "../../runtime/records.ts";

/**
 * Every metric of `/metrics` that is ours, with its type and help. Base units (seconds, counts), never a label that names an entity or a caller:
 * labels are bounded by what is in the code, not by who comes.
 */
export const METRICS = {
  actor_messages_total: { type: "counter", help: "Messages that entities handled, by entity type and how it ended." },
  actor_mailbox_wait_seconds: {
    type: "histogram",
    help: "Time in a mailbox before the turn, reading the entity included; of a sample of the messages.",
  },
  actor_handle_seconds: { type: "histogram", help: "Time of handling one message; of a sample of the messages." },
  actor_restarts_total: { type: "counter", help: "Threads that ended and were replaced, by part." },
  actor_dead_letters_total: { type: "counter", help: "Messages between entities that nobody took." },
  actor_active: { type: "gauge", help: "Entities in memory by type; finished ones that wait to be stored are not counted." },
  actor_passivations_total: { type: "counter", help: "Entities that left memory." },
  effect_attempts_total: { type: "counter", help: "Attempts at effects outside the runtime, by kind and how they ended." },
  effects_open: { type: "gauge", help: "Effects that are recorded and not done." },
  journal_commit_seconds: { type: "histogram", help: "Time of one transaction of the journal with its fsync." },
  journal_batch_size: { type: "histogram", help: "Entries in one transaction of the journal." },
  snapshot_write_seconds: { type: "histogram", help: "Time of one transaction of snapshots." },
  snapshot_hashes_known: {
    type: "gauge",
    help: "1 when the hashes of all stored entities are in memory; until then a new entity costs a read. 0 for some seconds after a start.",
  },
  port_breaker_state: { type: "gauge", help: "1 for the state in which the breaker of a port is, 0 for the others." },
  pool_queue_depth: { type: "gauge", help: "Tasks that wait for a thread of a worker pool, by pool. Only where there is one." },
  pool_task_seconds: {
    type: "histogram",
    help: "Time of one task of a worker pool, without its wait, by pool. Only where there is one.",
  },
  http_request_seconds: {
    type: "histogram",
    help: "Time from the request's head to the last byte of its answer given away, by route pattern and status.",
  },
  http_requests_active: { type: "gauge", help: "Requests that have no answer yet." },
  http_streams_open: { type: "gauge", help: "Streams of events that are open, SSE and WebSocket." },
  http_streams_blocked: { type: "gauge", help: "Open streams whose client does not read what is sent now." },
  http_streams_cut_total: { type: "counter", help: "Streams that were cut because their client did not read." },
  nats_connected: { type: "gauge", help: "1 while there is a connection to NATS. Only where it is configured." },
  nats_commands_active: { type: "gauge", help: "Commands by request and reply that have no answer yet. Only where NATS is configured." },
  nats_commands_total: {
    type: "counter",
    help: "Commands by request and reply, by command and outcome: done, pending, or the code of the refusal. Only where NATS is configured.",
  },
  nats_replies_refused_total: {
    type: "counter",
    help: "Answers that were not sent, because their subject was no inbox. Only where NATS is configured.",
  },
  nats_durable_commands_total: {
    type: "counter",
    help: "Commands of the NATS stream by what became of them: answered, refused for good by an entity, dead letter, to come again, left at a stop.",
  },
  nats_durable_redelivered_total: { type: "counter", help: "Commands that the NATS stream gave once more." },
  nats_durable_in_work: { type: "gauge", help: "Commands of the NATS stream that have no outcome yet." },
  nats_durable_waiting: { type: "gauge", help: "Commands in the NATS stream that no node has now." },
  nats_durable_unacknowledged: { type: "gauge", help: "Commands of the NATS stream that were given and not acknowledged." },
  nats_dead_letters: { type: "gauge", help: "Dead letters of durable commands in their NATS stream." },
  commands_in_flight: { type: "gauge", help: "Commands accepted and not yet answered." },
  outbox_events_total: {
    type: "counter",
    help: "Attempts at sending an event, by how they ended, and events that were given up. Like all of outbox_*, only where events leave.",
  },
  outbox_held: { type: "gauge", help: "Entities whose events are held at one that is refused." },
  outbox_lag_records: { type: "gauge", help: "Records of the journal behind the one up to which all events are acknowledged." },
  outbox_lag_seconds: { type: "gauge", help: "Age of the oldest event that waits and is not held." },
  outbox_waiting: { type: "gauge", help: "Events in memory that are not acknowledged." },
  eventloop_lag_seconds: { type: "histogram", help: "How late a timer of 100 ms ran, by thread." },
  metrics_thread_answered: { type: "gauge", help: "1 when the thread gave its figures in time; 0: it is shown as it answered last." },
} as const satisfies Readonly<Record<string, MetricKind>>;
interface MetricKind {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
}
export type MetricName = keyof typeof METRICS;

/** One time series at one moment. */
export interface Measure {
  readonly name: MetricName;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number | HistogramLook;
}
export const measure = (name: MetricName, value: Measure["value"], labels: Measure["labels"] = {}): Measure => ({ name, labels, value });

/** What one part of the node (a thread) counted since its life began. `measures` null: it did not answer in time. */
export interface PartMeasures {
  readonly part: string;
  readonly taken: TakenMeasures | null;
}
export interface TakenMeasures {
  /** Another number for each life of the part: its counters begin at 0 with it. */
  readonly life: number;
  readonly measures: readonly Measure[];
}
