/**
 * Switches that each plant one defect that other actor systems had (TRAPS 14, 18-23), to prove that a check notices. Never set outside
 * checks.
 */
export type PlantedDefect =
  | "respawn-without-backoff"
  | "respawn-without-cap"
  | "dead-child-counted"
  | "old-incarnation-speaks"
  | "busy-actor-spins"
  | "stopping-actor-spins"
  | "budget-per-parent"
  | "crash-unlogged"
  | "zombie-start"
  | "overflow-throws"
  | "ask-without-deadline"
  | "wait-without-deadline"
  | "backoff-blocks-siblings"
  | "cycle-unseen"
  | "stuck-looks-healthy";
