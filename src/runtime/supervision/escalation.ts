/** The cause with which a supervisor crashes when a child escalated. `cause` is the child's own; `address` names the child. */
export class Escalation extends Error {
  readonly address: string;
  constructor(address: string, why: string, cause: unknown) {
    super(`${address} escalated: ${why}; its cause: ${String(cause)}`, { cause });
    this.name = "Escalation";
    this.address = address;
  }
}
