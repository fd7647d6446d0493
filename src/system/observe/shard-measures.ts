import type { DomainMeterLook, HistogramLook } from "../../runtime/index.ts";
import { type Measure, measure } from "./measure.ts";

interface ShardCounts extends DomainMeterLook {
  /** Entities in memory by type. */
  readonly active: ReadonlyArray<readonly [type: string, count: number]>;
  readonly deadLetters: number;
  readonly passivations: number;
  readonly openEffects: number;
}

/** What a shard thread counted, as metrics. Outcomes that never happened have no series. */
export function shardMeasures(
  counts: ShardCounts,
  { thread, lags }: { readonly thread: string; readonly lags: HistogramLook },
): readonly Measure[] {
  const { messages, attempts, waits, handles, active, deadLetters, passivations, openEffects } = counts;
  const byOutcome = messages.flatMap(([type, of]) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([outcome, count]) => measure("actor_messages_total", count, { type, outcome })),
  );
  return [
    ...byOutcome,
    ...attempts.map(({ kind, outcome, count }) => measure("effect_attempts_total", count, { kind, outcome })),
    ...active.map(([type, count]) => measure("actor_active", count, { type })),
    measure("actor_mailbox_wait_seconds", waits),
    measure("actor_handle_seconds", handles),
    measure("actor_dead_letters_total", deadLetters),
    measure("actor_passivations_total", passivations),
    measure("effects_open", openEffects),
    measure("eventloop_lag_seconds", lags, { thread }),
  ];
}
