import type { Random } from "./random.ts";

/**
 * What goes wrong. `shard-crash` waits until the thread has handed out a group that is not committed, `crash-now` does not; the three of the commit say what the next
 * append meets; the disk is broken for a while; the machine's clock jumps.
 */
export type Fault =
  | { readonly kind: "shard-crash"; readonly thread: number }
  | { readonly kind: "crash-now"; readonly thread: number }
  | { readonly kind: "process-crash" | "performer-crash" }
  | { readonly kind: "commit-refused" | "commit-lost" | "commit-kept" }
  | { readonly kind: "disk-broken" | "journal-slow"; readonly forMs: number }
  | { readonly kind: "checkpoint-failed" }
  | { readonly kind: "clock-jump"; readonly byMs: number };

/** At least three faults, one of them a crash with groups in flight, by the number of the operation at which they come. */
export function faultPlanOf(
  random: Random,
  { operationsCount, threadCount }: { readonly operationsCount: number; readonly threadCount: number },
): ReadonlyMap<number, readonly Fault[]> {
  const plan = new Map<number, Fault[]>();
  let at = random.between(10, Math.max(11, operationsCount >> 1));
  for (const fault of faultsOf(random, threadCount)) {
    plan.set(at, [...(plan.get(at) ?? []), fault]);
    at = random.chance(0.3) ? at : random.between(10, Math.max(11, operationsCount - 20));
  }
  return plan;
}

function faultsOf(random: Random, threadCount: number): readonly Fault[] {
  const crash = (): Fault => ({ kind: "shard-crash", thread: random.between(0, threadCount - 1) });
  const faults: Fault[] = [crash()];
  for (let left = random.between(2, 7); left > 0; left--) {
    const kinds: readonly (() => Fault)[] = [
      crash,
      crash,
      () => ({ kind: "process-crash" }),
      () => ({ kind: "commit-refused" }),
      () => ({ kind: "commit-lost" }),
      () => ({ kind: "commit-kept" }),
      () => ({ kind: "disk-broken", forMs: random.between(10, 300) }),
      () => ({ kind: "journal-slow", forMs: random.between(10, 300) }),
      () => ({ kind: "checkpoint-failed" }),
      () => ({ kind: "clock-jump", byMs: random.between(-5000, 5000) }),
    ];
    faults.push(random.pick(kinds)());
    if (random.chance(0.2)) faults.push(crash()); // Often near another one.
  }
  return faults;
}
