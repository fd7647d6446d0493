/** Orders of a load straight into a node of this process: through the door that HTTP uses, without HTTP. */
import { account } from "../../src/actors/index.ts";
import { STATUS_OF_CODE } from "../../src/runtime/index.ts";
import { movementCall } from "../../src/system/ingress/ledger-door.ts";
import type { Node } from "../../src/system/node.ts";
import { CURRENCY, type Order } from "./ledger-load.ts";
import type { Door } from "./order-load.ts";

export const nodeDoor =
  (node: Node): Door<Order> =>
  async (order) => {
    const checked = movementCall(order.kind, fieldsOf(order), order.key);
    if (!checked.ok) throw new Error(`the door refused an order of the check: ${checked.detail}`);
    const { address, command, body } = checked.call;
    const answer = await node.ask(address, command, body, { id: order.key });
    if (!answer.ok) {
      const why = `${answer.code} ${answer.detail}`;
      return answer.code === "OUTCOME_UNKNOWN"
        ? { kind: "unknown", why }
        : { kind: "again", why, isTurnedAway: STATUS_OF_CODE[answer.code] === 503 };
    }
    const {
      status,
      body: bytes,
      replayed,
    } = answer.value as { readonly status: number; readonly body: string; readonly replayed: boolean };
    return { kind: "outcome", status, body: bytes, isReplayed: replayed };
  };

const fieldsOf = ({ kind, from, to, amount }: Order) =>
  kind === "deposit" ? { accountId: to, amount, currency: CURRENCY } : { from, to, amount, currency: CURRENCY };

/** Opens a customer's account. `overdraftLimit`: minor units, null = unlimited. @throws Error when it is refused. */
export async function openOnNode(node: Node, id: string, overdraftLimit: string | null): Promise<void> {
  const body = { currency: CURRENCY, kind: "customer", overdraftLimit, owner: null, caller: "local", key: null } as const;
  const answer = await node.entity(account, id).ask.open(body);
  if (!answer.ok) throw new Error(`account ${id} could not be opened: ${answer.code}`);
}
