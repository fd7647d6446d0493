import type { Json } from "../../runtime/index.ts";
import { isoTime } from "../ledger/outcome.ts";
import type { TransferEvent } from "../ledger/transfer-schema.ts";
import type { IntegrationEvent } from "./integration-event.ts";

/** A `TransferView`, as it was sent. */
type Body = IntegrationEvent["data"] & { readonly idempotencyKey: string };

/** A transfer's public events are its ends; on its way it may still be refunded. Its key is left out: who has it can ask in its caller's name. */
export function transferEvent(id: string, json: Json, _at: number): IntegrationEvent | null {
  const event = json as unknown as TransferEvent;
  switch (event.kind) {
    case "started":
    case "checked":
    case "debited":
    case "credit-refused":
    case "refund-refused":
      return null;
    case "completed": {
      const { idempotencyKey: _key, ...view } = JSON.parse(event.body) as Body;
      return { name: "completed", data: view };
    }
    case "failed": {
      const { detail } = JSON.parse(event.body) as { readonly detail: string };
      return { name: "failed", data: { id, status: "FAILED", code: event.code, detail, finishedAt: isoTime(event.finishedAt) } };
    }
    default:
      throw new Error(`a transfer has no event "${(event as { readonly kind: string }).kind}"`);
  }
}
