/** Where an event of an entity stands: the journal's record, and its number among the entity's events in that record. */
export interface EventPlace {
  readonly seq: number;
  readonly index: number;
}

export const isBefore = (a: EventPlace, b: EventPlace): boolean => a.seq < b.seq || (a.seq === b.seq && a.index < b.index);

/** An entity of which nothing is sent from `place` on. */
export interface HeldEntity {
  /** Address `type/id`. */
  readonly entity: string;
  readonly place: EventPlace;
  /** Of the event at the place; null when the entity goes on and has not met the next one. */
  readonly eventId: string | null;
  readonly why: string;
  /** At the event at the place. */
  readonly attempts: number;
  /** Times are milliseconds since 1970. */
  readonly since: number;
  readonly nextAt: number;
}

/** How far the outbox is. */
export interface OutboxProgress {
  /** Every event up to this record of the journal is acknowledged, given up, or belongs to a held entity. */
  readonly position: number;
  /** Replays since the file was made; events up to `replayedTo` are part of the last one. */
  readonly replays: number;
  readonly replayedTo: number;
}
