/** The way of a turn from the log lines of its trace: lines carry whole milliseconds, so means of many turns say more than one. */
import { assertResult } from "../harness/suite.ts";

interface Hop {
  readonly time: string;
  readonly hop: "ingress" | "actor" | "effect" | "journal" | "answer";
  readonly traceId: string;
  readonly actor?: string;
  readonly message?: string;
  readonly doing?: string;
  readonly port?: string;
}

/** Moments of a turn in their order; a stage lies between two of them. */
const STAGES = ["ingress", "shard", "commit", "dispatch", "ai", "commitReply", "answer"] as const;
const TURNS_MIN = 3;

/**
 * Means in milliseconds, each from the moment before: `stage.shard` from the request's arrival (parsing, sealing, the way to its shard thread) to the message's
 * handling, `commit` to its record, `dispatch` to the call of the model, `ai` to the handling of its answer, `commitReply` to that one's record, `answer`
 * to the last byte given away.
 */
export function stagesOf(log: string): Record<string, number> {
  const turns = [...Map.groupBy(hopsIn(log), ({ traceId }) => traceId).values()].map(momentsOf).filter((moments) => moments !== null);
  assertResult(turns.length >= TURNS_MIN, `the log tells the whole way of ${turns.length} turns`);
  const means = STAGES.slice(1).map((name, at) => {
    const sum = turns.reduce((total, moments) => total + (moments[at + 1] ?? 0) - (moments[at] ?? 0), 0);
    return [`stage.${name}Ms`, sum / turns.length] as const;
  });
  return { ...Object.fromEntries(means), tracedTurns: turns.length };
}

function hopsIn(log: string): readonly Hop[] {
  const lines = log.split("\n").filter((line) => line.includes('"traceId"') && line.endsWith("}"));
  return lines.map((line) => JSON.parse(line) as Hop);
}

/** null when one of them is missing: the turn was cut off at an end of the log. */
function momentsOf(hops: readonly Hop[]): readonly number[] | null {
  const arrived = hops.find(({ hop }) => hop === "ingress");
  const posted = hops.find(({ hop, doing }) => hop === "actor" && doing === "post");
  const sent = hops.find(({ hop, port }) => hop === "effect" && port === "reply");
  const replied = hops.find(({ hop, message, actor }) => hop === "actor" && message === "outcome" && actor?.startsWith("conversation/"));
  const records = hops.filter(({ hop }) => hop === "journal");
  const answered = hops.find(({ hop }) => hop === "answer");
  const recorded = records[0];
  const recordedReply = records.find(({ time }) => replied !== undefined && time >= replied.time);
  const moments = [arrived, posted, recorded, sent, replied, recordedReply, answered];
  if (moments.some((moment) => moment === undefined)) return null;
  return moments.map((moment) => Date.parse(moment?.time ?? ""));
}
