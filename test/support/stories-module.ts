/**
 * A module as a user would write it: a reader who has stories told piece by piece by a port that does what the `mode` of a story says. What the port
 * does where no answer goes is noted in the file `note`.
 */
import { appendFileSync, existsSync } from "node:fs";
import { z } from "zod";
import {
  type AnyDefinition,
  accept,
  defineEntity,
  type Json,
  type OutsideEffect,
  type PortContext,
  type PortDefinition,
  PortFailure,
  type PortRequest,
  reply,
} from "../../src/runtime/index.ts";

/**
 * `tell`: so many pieces, and the end. `hold`: the same, but the first attempt stays with its last piece until it is aborted. `door`: nothing can be told
 * before the file `note` is there; its dead letter is kept.
 */
const storySchema = z.object({ mode: z.enum(["tell", "hold", "door"]), count: z.int(), note: z.string() });
type Story = z.output<typeof storySchema>;

export interface Shelf {
  /** Pieces heard, by attempt. */
  readonly heard: Readonly<Record<string, number>>;
  /** Every piece followed the one before, and none came after the end. */
  readonly isInOrder: boolean;
  readonly end: string | null;
}
interface HeardEvent {
  readonly kind: "heard";
  readonly attempt: number;
  readonly index: number;
}
interface EndedEvent {
  readonly kind: "ended";
  readonly text: string;
}
type ShelfEvent = { readonly kind: "begun" } | HeardEvent | EndedEvent;

export const shelf = defineEntity({
  type: "shelf",
  version: 1,
  commands: {
    /** Answered with the end. */
    read: { body: storySchema, reply: z.string() },
    begin: { body: storySchema, reply: z.null() },
    stop: { body: z.object({}), reply: z.null() },
    get: { body: z.object({}), reply: z.custom<Shelf>() },
  },
  events: { begun: z.custom<{ readonly kind: "begun" }>(), heard: z.custom<HeardEvent>(), ended: z.custom<EndedEvent>() },
  initial: (): Shelf => ({ heard: {}, isInOrder: true, end: null }),
  decide: {
    read: (_state, story) => accept<ShelfEvent, string>([{ kind: "begun" }], { isAnsweredLater: true, effects: [effectOf(story)] }),
    begin: (_state, story) => accept<ShelfEvent, null>([{ kind: "begun" }], { reply: null, effects: [effectOf(story)] }),
    stop: () => accept<ShelfEvent, null>([{ kind: "ended", text: "stopped" }], { reply: null, cancels: ["story"] }),
    get: (state) => reply(state),
  },
  progress: {
    piece: (_state, value, { attempt = 0 }) =>
      accept<ShelfEvent>([{ kind: "heard", attempt, index: (value as { readonly index: number }).index }]),
  },
  answers: {
    ended: (_state, answer) => {
      const text = answer.ok ? String(answer.value) : `${answer.code}: ${answer.detail}`;
      return accept<ShelfEvent>([{ kind: "ended", text }], { settle: text });
    },
  },
  evolve: {
    begun: (state) => state,
    heard: ({ heard, isInOrder, end }, { attempt, index }) => ({
      heard: { ...heard, [attempt]: index + 1 },
      isInOrder: isInOrder && end === null && index === (heard[attempt] ?? 0) && heard[attempt + 1] === undefined,
      end,
    }),
    ended: (state, { text }) => ({ ...state, end: text }),
  },
  snapshot: { encode: (state) => state as unknown as Json, decode: (json) => json as unknown as Shelf },
});
const effectOf = (story: Story): OutsideEffect => ({
  kind: "call",
  to: "stories",
  command: "tell",
  body: story,
  label: "story",
  answerTo: "ended",
  progressTo: "piece",
  ...(story.mode === "door" ? { keepsDead: true } : {}),
});

async function tell({ body, attempt }: PortRequest, { signal, progress }: PortContext): Promise<Json> {
  const { mode, count, note } = body as unknown as Story;
  if (mode === "door" && !existsSync(note)) throw new PortFailure("the door is closed", { status: 503 });
  for (let index = 0; index < count; index++) await progress({ index });
  if (mode === "hold" && attempt === 1) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    appendFileSync(note, JSON.stringify({ at: Date.now(), why: (signal.reason as Error).message }));
    await progress({ index: count }); // Nobody hears it.
  }
  return "the end";
}

export const definitions = [shelf] as unknown as readonly AnyDefinition[];
export const ports: readonly PortDefinition[] = [
  {
    name: "stories",
    kind: "call",
    perform: tell,
    policy: { attemptMsMax: 600_000, attemptsMax: 3, backoffMsMin: 20, backoffMsMax: 400, breaker: null },
  },
];
