import type { ServiceAnswer } from "../ingress/service-commands.ts";

const NS_PER_MS = 1e6;

/** Figures of one endpoint as discovery shows them (ADR-32), since the start of this process. */
export class EndpointStats {
  requests = 0;
  errors = 0;
  /** `<status>:<code>` of the latest refusal; empty when there was none. */
  lastError = "";
  /** Answers that were not sent, because they would not have gone to an inbox. */
  repliesRefused = 0;
  /** How often commands ended how: `done`, `pending`, or the code of their refusal. */
  readonly outcomes = new Map<string, number>();
  #ms = 0;

  count(ms: number, { status, code }: ServiceAnswer): void {
    this.requests++;
    this.#ms += ms;
    const outcome = code ?? (status === 202 ? "pending" : "done");
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (status < 400) return;
    this.errors++;
    this.lastError = `${status}:${code ?? ""}`;
  }

  refusedReply(): void {
    this.repliesRefused++;
  }

  /** Nanoseconds from the arrival of requests to their answers. */
  get processingNs(): number {
    return Math.round(this.#ms * NS_PER_MS);
  }
  get averageNs(): number {
    return this.requests === 0 ? 0 : Math.round(this.processingNs / this.requests);
  }
}
