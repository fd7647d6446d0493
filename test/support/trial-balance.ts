/** What `GET /v1/ledger/trial-balance` answered. */
export interface TrialAnswer {
  readonly status: number;
  readonly body: string;
}

/** L8, at rest: what is wrong with the books; each line's total and what is in transit are 0, however they are written. */
export function defectsOfTrial({ status, body }: TrialAnswer): readonly string[] {
  if (status !== 200) return [`the trial balance answered ${status} ${body}`];
  const { lines } = JSON.parse(body) as { readonly lines: ReadonlyArray<{ readonly total: string; readonly inTransit: string }> };
  return lines
    .filter(({ total, inTransit }) => Number(total) !== 0 || Number(inTransit) !== 0)
    .map(({ total, inTransit }) => `the trial balance says total ${total}, in transit ${inTransit}`);
}
