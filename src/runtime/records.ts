/**
 * The entry of the runtime for who keeps records or reads them: what is stored and sent, without what runs entities. Threads that host none enter here, because every
 * module that a thread loads delays each start (docs/decisions.md 46). All of it is in `index.ts` too.
 */

export * from "./journal/commit-fence.ts";
export * from "./journal/journal.ts";
export * from "./journal/record.ts";
export * from "./journal/record-pointers.ts";
export * from "./journal/snapshots.ts";
export * from "./journal/timer.ts";
export * from "./kernel/address.ts";
export * from "./kernel/fault.ts";
export * from "./kernel/histogram.ts";
export * from "./kernel/json.ts";
export * from "./kernel/trace.ts";
export * from "./worker/checkpoint-writer.ts";
export * from "./worker/protocol.ts";
