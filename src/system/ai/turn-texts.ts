import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { Fault, PortFailure } from "../../runtime/index.ts";

const turn = z.int().positive();
/** What a summary needs of its request to find what was said. */
export const turnRange = z.object({ conversation: z.string(), fromTurn: turn, toTurn: turn });
export type TurnRange = z.infer<typeof turnRange>;

/** What was said in a turn, sealed. */
export interface SealedTurnText {
  readonly turn: number;
  readonly role: "user" | "assistant";
  /** Sealed; null = called by the role. */
  readonly speaker: string | null;
  /** Pieces of what was said, each sealed by itself. */
  readonly parts: readonly string[];
}
/**
 * Reads both turns and all between them from the read model, in order, with everything that was committed before it began: a turn whose reply is not
 * there yet looks complete. Answers null, or rejects with a Fault `VIEW_BEHIND`, while the read model is not that far.
 */
export type ReadTurns = (
  conversation: string,
  turns: { readonly fromTurn: number; readonly toTurn: number },
) => Promise<readonly SealedTurnText[] | null>;

/**
 * Begins to read with everything that was committed before this call. Once for an attempt: whoever asked for what is committed now with every look would,
 * under load, wait for records that have nothing to do with its turns, and never see a read model that is far enough.
 */
export type BeginReading = () => ReadTurns;

/** For so long a read model that is behind is asked again; 0 = the attempt has failed at once. */
export interface Patience {
  readonly waitMsMax: number;
  readonly signal: AbortSignal;
}

/** All turns, or a failure that is attempted again: a summary that lacks one would never be put right. @throws PortFailure `VIEW_BEHIND`. */
export async function turnTextsOf(range: TurnRange, readTurns: ReadTurns, patience: Patience): Promise<readonly SealedTurnText[]> {
  const untilMs = performance.now() + patience.waitMsMax;
  const texts: SealedTurnText[] = [];
  for (let fromTurn = range.fromTurn; fromTurn <= range.toTurn; fromTurn += READ_TURNS_MAX) {
    const page = { ...range, fromTurn, toTurn: Math.min(range.toTurn, fromTurn + READ_TURNS_MAX - 1) };
    texts.push(...(await untilThere(() => pageOf(page, readTurns), untilMs, patience.signal)));
  }
  return texts;
}

async function untilThere<Value>(read: () => Promise<Value>, untilMs: number, signal: AbortSignal): Promise<Value> {
  for (let restMs = REST_MS_MIN; ; restMs = Math.min(restMs * 2, REST_MS_MAX)) {
    try {
      return await read();
    } catch (thrown) {
      const isBehind = (thrown instanceof PortFailure || thrown instanceof Fault) && thrown.code === "VIEW_BEHIND";
      if (!isBehind || performance.now() + restMs > untilMs) throw thrown;
      await sleep(restMs, undefined, { signal });
    }
  }
}

async function pageOf({ conversation, fromTurn, toTurn }: TurnRange, readTurns: ReadTurns): Promise<readonly SealedTurnText[]> {
  const texts = (await readTurns(conversation, { fromTurn, toTurn })) ?? [];
  const found = new Set(texts.map(({ turn: number }) => number)).size;
  const expected = toTurn - fromTurn + 1;
  if (found === expected) return texts;
  throw new PortFailure(`the read model has ${found} of the ${expected} turns from ${fromTurn} to ${toTurn}`, { code: "VIEW_BEHIND" });
}

/** Turns that are read in one go. */
const READ_TURNS_MAX = 200;
const REST_MS_MIN = 5;
const REST_MS_MAX = 200;
