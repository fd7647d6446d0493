import { z } from "zod";
import { accept, defineEntity, entityProtocol, type PortDefinition, reject, reply } from "../../src/runtime/index.ts";

export const translations = entityProtocol("translation", {
  translate: { body: z.strictObject({ text: z.string() }), reply: z.string() },
  stop: { body: z.strictObject({}), reply: z.null() },
  get: { body: z.strictObject({}), reply: z.object({ words: z.array(z.string()), attempt: z.int() }) },
});
interface State {
  /** Id of the command that waits for the text; null = nothing has begun. */
  readonly by: string | null;
  readonly attempt: number;
  readonly words: readonly string[];
}

/** A text that is translated word by word by a port, and can be read meanwhile. */
export const translation = defineEntity({
  ...translations,
  version: 1,
  events: {
    begun: z.object({ by: z.string() }),
    heard: z.object({ word: z.string(), attempt: z.int() }),
    ended: z.object({ why: z.string() }),
  },
  initial: (): State => ({ by: null, attempt: 0, words: [] }),
  decide: {
    translate({ by }, { text }, { id }) {
      if (by !== null) return reject("illegal_transition", "it is being translated, or was");
      return accept([{ kind: "begun", by: id }], {
        isAnsweredLater: true,
        effects: [
          { kind: "call", to: "words", command: "translate", body: { text }, label: "words", progressTo: "word", answerTo: "translated" },
        ],
      });
    },
    stop: (state) => accept([{ kind: "ended", why: "stopped" }], { reply: null, cancels: ["words"], settles: settled(state) }),
    get: ({ words, attempt }) => reply({ words: [...words], attempt }),
  },
  progress: {
    word: (_state, word, { attempt = 1 }) => accept([{ kind: "heard", word: String(word), attempt }]),
  },
  answers: {
    translated: (state, answer) => accept([{ kind: "ended", why: answer.ok ? "done" : answer.code }], { settles: settled(state) }),
  },
  evolve: {
    begun: (state, { by }) => ({ ...state, by }),
    // Another attempt tells everything again.
    heard: (state, { word, attempt }) => ({ ...state, attempt, words: attempt > state.attempt ? [word] : [...state.words, word] }),
    ended: (state) => state,
  },
  snapshot: { encode: (state) => ({ ...state }), decode: (json) => json as unknown as State },
});

/** Whoever asked gets what there is. */
const settled = ({ by, words }: State) => (by === null ? [] : [{ id: by, value: words.join(" ") }]);

const DICTIONARY: Readonly<Record<string, string>> = { ahoj: "hello", světe: "world" };

/** What shard threads load of this module, and what the effects thread does. */
export const definitions = [translation];
export const ports: readonly PortDefinition[] = [
  {
    name: "words",
    kind: "call",
    policy: { attemptMsMax: 60_000, attemptsMax: 4, backoffMsMin: 2_000, backoffMsMax: 30_000 },
    async perform({ body }, { signal, progress }) {
      const words = (body as { readonly text: string }).text.split(" ");
      for (const word of words) {
        signal.throwIfAborted();
        await progress(DICTIONARY[word] ?? word);
      }
      return words.length;
    },
  },
];
