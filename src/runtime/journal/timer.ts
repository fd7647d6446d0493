import type { Json } from "../kernel/json.ts";

/** What happens to a timer whose time passed while nothing ran: it fires at once, within some seconds, or not at all. */
export type CatchUp = "run" | "spread" | "skip";

/** A timer as an entry sets it: at `at`, milliseconds since 1970, the entity gets the command. It replaces the entity's timer of the same label. */
export interface TimerSet {
  readonly label: string;
  readonly at: number;
  readonly command: string;
  readonly body: Json;
  /** Absent = `run`. */
  readonly catchUp?: CatchUp;
  readonly trace?: string;
}

export interface StoredTimer extends TimerSet {
  readonly entity: string;
  readonly shard: number;
}

/** What became of the timer of one entity and label; null = it is over. */
export type TimerChange =
  | { readonly key: string; readonly timer: StoredTimer }
  | { readonly key: string; readonly timer: null; readonly entity: string; readonly label: string; readonly shard: number };

/** A place in the store's order of timers: by time, then by the store's own number. */
export interface TimerPlace {
  readonly at: number;
  readonly id: number;
}

/** Timers after a place and due before `until`, at most `limit`, in order. */
export interface TimerWindow {
  readonly after: TimerPlace;
  readonly until: number;
  readonly limit: number;
}

export const timerKey = ({ entity, label }: { readonly entity: string; readonly label: string }): string => `${entity}\n${label}`;
