/**
 * How many tells and asks of this domain each other domain has not handled (DESIGN 4.2). When one of them has `messagesMax`, the door takes no new
 * commands until it has handled some; tells are never held back for it, so no two threads wait for each other. What accepted commands still cause
 * goes beyond the limit, by at most what they open. Answers need no credits: there is one for each message of the other side.
 */
export class PortCredits {
  readonly messagesMax: number; // for each other domain
  readonly #unhandledBy = new Map<number, number>();
  #spentCount = 0;

  constructor(messagesMax: number) {
    this.messagesMax = messagesMax;
  }

  /** Some other domain has as many unhandled messages of this one as it may. */
  get isSpent(): boolean {
    return this.#spentCount > 0;
  }

  take(domain: number): void {
    const count = (this.#unhandledBy.get(domain) ?? 0) + 1;
    this.#unhandledBy.set(domain, count);
    if (count === this.messagesMax) this.#spentCount++;
  }

  giveBack(domain: number): void {
    const count = this.#unhandledBy.get(domain) ?? 0;
    this.#unhandledBy.set(domain, count - 1);
    if (count === this.messagesMax) this.#spentCount--;
  }
}
