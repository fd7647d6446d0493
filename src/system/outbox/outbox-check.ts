import type { Check } from "../system.ts";
import type { OutboxFigures } from "./outbox.ts";

/** How events get on, as readiness shows it: without them the node serves, so it stays ready. `figures` null: the thread does not answer. */
export function outboxCheck(figures: OutboxFigures | null): Check {
  const failed = (detail: string): Check => ({ name: "events", isOk: false, detail });
  if (figures === null) return failed("The outbox does not answer; events wait in the journal.");
  const { trouble, held, lagRecords, lagMs } = figures;
  const behind = `${lagRecords} records behind the journal`;
  if (trouble !== null) return failed(`Events wait in the journal, ${behind}, the oldest for ${(lagMs / 1_000).toFixed(1)} s: ${trouble}.`);
  if (held > 0) return failed(`Events of ${held} entities are held, because the broker refuses one of them; see \`troupe events held\`.`);
  if (lagMs > LAG_MS_MAX)
    return failed(
      `Events leave more slowly than they come, or not at all: the oldest waits for ${(lagMs / 1_000).toFixed(1)} s, ${behind}.`,
    );
  return { name: "events", isOk: true, detail: behind };
}

/** A hundred times what an event waits for on a busy machine, and longer than the longest rest after a failure. */
const LAG_MS_MAX = 10_000;
