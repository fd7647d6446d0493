import type { PlantedBug } from "../runtime/index.ts";

/**
 * Promises that a node breaks on purpose, to prove that checks notice. For checks only: what it holds is worth nothing. Those of the runtime are switches of
 * the commit domain; `ack-before-commit` acknowledges commands of the NATS stream before they are done.
 */
export type NodeBug = PlantedBug | typeof OF_NATS;
const OF_NATS = "ack-before-commit";

/** What the commit domains break. */
export const bugOfDomain = (bug: NodeBug | null): PlantedBug | null => (bug === OF_NATS ? null : bug);
export const acksEarly = (bug: NodeBug | null): boolean => bug === OF_NATS;
