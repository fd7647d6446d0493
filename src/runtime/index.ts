/** The entry of the runtime: everything that actors and the system may use. */

export * from "./journal/commit-fence.ts";
export * from "./journal/journal.ts";
export * from "./journal/memory-journal.ts";
export * from "./journal/memory-snapshots.ts";
export * from "./journal/record.ts";
export * from "./journal/recovery.ts";
export * from "./journal/snapshots.ts";
export * from "./kernel/address.ts";
export * from "./kernel/decision.ts";
export * from "./kernel/definition.ts";
export * from "./kernel/digest.ts";
export * from "./kernel/fault.ts";
export * from "./kernel/json.ts";
export * from "./kernel/schema.ts";
export * from "./shard/checkpoint.ts";
export * from "./shard/domain.ts";
export * from "./shard/message.ts";
export * from "./worker/checkpoint-writer.ts";
export * from "./worker/protocol.ts";
