import type { Group } from "./record.ts";

/**
 * Decides which groups may be appended (L1, L7). Pure: the journal thread and the simulation run this same code.
 *
 * F1. Only the newest incarnation registered for a domain may append.
 * F2. Within an incarnation groups are taken in the order 1, 2, 3 ...; anything else is refused.
 * F3. After one group of an incarnation was refused, every later one of it is refused too: later groups were decided on top of it.
 */
export class CommitFence {
  readonly #domains = new Map<number, { readonly incarnation: number; next: number; isRefused: boolean }>();
  #incarnationHigh: number;

  /** `incarnationHigh` comes from the journal, so that a token is never given twice, not even across restarts. */
  constructor(incarnationHigh: number) {
    this.#incarnationHigh = incarnationHigh;
  }

  get incarnationHigh(): number {
    return this.#incarnationHigh;
  }

  /** From now on the domain's older incarnations are refused. */
  register(domain: number): number {
    this.#incarnationHigh++;
    this.#domains.set(domain, { incarnation: this.#incarnationHigh, next: 1, isRefused: false });
    return this.#incarnationHigh;
  }

  /** May this group be appended now? A `true` must be followed by the append or by `refuse`. */
  admit(group: Group): boolean {
    const domain = this.#domains.get(group.domain);
    if (domain === undefined || domain.incarnation !== group.incarnation || domain.isRefused) return false;
    if (domain.next !== group.number) {
      domain.isRefused = true;
      return false;
    }
    domain.next++;
    return true;
  }

  /** The group was not appended: nothing of its incarnation will be from now on (F3). */
  refuse(group: Group): void {
    const domain = this.#domains.get(group.domain);
    if (domain !== undefined && domain.incarnation === group.incarnation) domain.isRefused = true;
  }
}
