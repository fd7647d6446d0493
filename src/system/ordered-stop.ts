/**
 * The order in which a node and its doors stop (DESIGN 4.6), within one deadline.
 *
 * O1. `/readyz` is red before anything is refused: who sends work here gets `lameDuckMs` to see it.
 * O2. Doors drain before the node: what they took may still ask it, for example when a transfer whose answer is late is looked up.
 * O3. The listener closes after the last checkpoint, as the first of the node's tree, and the data directory is given back after the last one:
 *     until then a client is told what is going on, and a successor that finds the directory free finds the port free too.
 */
import type { Node } from "./node.ts";

/** What takes commands from outside. */
export interface Door {
  /** First step: what tells balancers to send elsewhere is red from now on, and everything else goes on. */
  leave(): void;
  /** Second step: refuses what comes from now on, and waits for what came before. @returns how many have no answer. */
  drain(deadlineMs: number): Promise<number>;
}

export interface OrderedStop {
  readonly node: Pick<Node, "tally" | "drain" | "close" | "failed">;
  /** The doors in the node's tree: closing the node closes them. */
  readonly doors: readonly Door[];
  readonly lameDuckMs: number;
  /** For everything together. */
  readonly deadlineMs: number;
  /** Most time for the requests that were taken; the rest of the deadline is for the effects, the checkpoint and the files. */
  readonly requestsMsMax: number;
}

/** What a stop did from the moment in which it refused new work. null = the threads that know it did not answer. */
export interface StopReport {
  /** Commands that were accepted before and answered now. */
  readonly answered: number;
  /** Accepted commands whose caller was told that nobody knows: they are in the journal, or did not run. */
  readonly unanswered: number;
  readonly entriesCommitted: number | null;
  /** Effects that are recorded and not done: durable, and resumed at the next start. */
  readonly effectsOpen: number | null;
  /** Threads and files were closed within the deadline. */
  readonly isClosed: boolean;
  readonly ms: number;
}

/** Time for closing when the deadline has passed. */
const LAST_MS = 1_000;

/** Never rejects. When it resolves nothing is accepted any more; with `isClosed` false some threads are still there. */
export async function stopInOrder({ node, doors, lameDuckMs, deadlineMs, requestsMsMax }: OrderedStop): Promise<StopReport> {
  const startedMs = performance.now();
  const left = (): number => Math.max(deadlineMs - (performance.now() - startedMs), 0);
  for (const door of doors) door.leave();
  // A node that fails meanwhile is closing already: there is nothing to be a lame duck for.
  if (lameDuckMs > 0) await Promise.race([rest(Math.min(lameDuckMs, left())), node.failed]);
  const drained = doors.map((door) => door.drain(Math.min(requestsMsMax, left())));
  const [before] = await Promise.all([node.tally(left()), ...drained]);
  const after = await node.drain(left());
  const isClosed = await Promise.race([
    node.close(left()).then(
      () => true,
      () => false,
    ),
    rest(left() + LAST_MS).then(() => false),
  ]);
  return {
    answered: after.answered - before.answered,
    unanswered: after.unanswered,
    entriesCommitted: after.entries === null || before.entries === null ? null : after.entries - before.entries,
    effectsOpen: after.effectsOpen,
    isClosed,
    ms: Math.round(performance.now() - startedMs),
  };
}

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
