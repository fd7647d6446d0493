/** A conversation that says what it is told to, for tests of what reads conversations; the ledger beside it. */
import { account, transfer } from "../../src/actors/index.ts";
import { type AnyDefinition, accept, defineEntity } from "../../src/runtime/index.ts";
import { any } from "../runtime/shard/domain-bench.ts";
import type { ConversationEvent } from "./conversation-records.ts";

const nothing = (state: null): null => state;

export const conversation = defineEntity({
  type: "conversation",
  version: 1,
  commands: { say: { body: any<{ readonly events: readonly ConversationEvent[] }>(), reply: any<null>() } },
  events: {
    opened: any<object>(),
    posted: any<object>(),
    replyBegun: any<object>(),
    replyChunk: any<object>(),
    replied: any<object>(),
    deleted: any<object>(),
  },
  initial: () => null,
  decide: { say: (_state, { events }) => accept(events as never, { reply: null }) },
  evolve: { opened: nothing, posted: nothing, replyBegun: nothing, replyChunk: nothing, replied: nothing, deleted: nothing },
  snapshot: { encode: () => null, decode: () => null },
});

export const registry = [account, transfer, conversation] as unknown as readonly AnyDefinition[];
