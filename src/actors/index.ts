/** The entry of the actors: what a shard can host, and what doors, read models and tests need of it. */
import type { AnyDefinition } from "../runtime/index.ts";
import { conversation } from "./conversation/conversation.ts";
import { summary } from "./conversation/summary.ts";
import { account } from "./ledger/account.ts";
import { transfer } from "./ledger/transfer.ts";

export { CONTEXT_CHARS_MAX, CONTEXT_MESSAGES_MAX, CONTEXT_MESSAGES_MIN } from "./conversation/context-window.ts";
export {
  type ConversationEvent,
  type ConversationEventNamed,
  type ConversationView,
  conversationEvents,
  conversationViewSchema,
  type OnBusy,
  type OutcomeReply,
  onBusySchema,
  outcomeReplySchema,
  type PostReply,
  postReplySchema,
} from "./conversation/conversation-schema.ts";
export { KEYS_COUNT_MAX } from "./conversation/kept-keys.ts";
export {
  type ReplyProgress,
  type ReplyRequest,
  type ReplyResult,
  replyProgressSchema,
  replyRequestSchema,
  replyResultSchema,
} from "./conversation/reply-port.ts";
export { SEALED_CHARS_MAX, SPEAKER_CHARS_MAX, sealedSchema, TEXT_CHARS_MAX } from "./conversation/sealed-text.ts";
export {
  reachedIdOf,
  type SummaryEvent,
  type SummaryEventNamed,
  type SummaryRequest,
  type SummaryResult,
  type SummaryView,
  summaryEvents,
  summaryRequestSchema,
  summaryResultSchema,
  summaryViewSchema,
} from "./conversation/summary-schema.ts";
export { INTEGRATION_VERSION, integrationEvent } from "./integration/integration.ts";
export type { IntegrationEvent } from "./integration/integration-event.ts";
export { type AccountView, accountIdSchema, accountKindSchema, accountViewSchema } from "./ledger/account-schema.ts";
export { currencies, scaleOf } from "./ledger/currency.ts";
export { type HttpOutcome, httpOutcomeSchema, isoTime, problemBody, TITLE_OF_CODE } from "./ledger/outcome.ts";
export {
  type TransferKind,
  type TransferReply,
  type TransferView,
  transferIdOf,
  transferKindSchema,
  transferReplySchema,
  transferViewSchema,
} from "./ledger/transfer-schema.ts";
export * from "./projections.ts";
export { account, conversation, summary, transfer };

/** Every entity that a shard of this program hosts. Threads load it by this module's URL. */
export const registry: readonly AnyDefinition[] = [account, transfer, conversation, summary];
