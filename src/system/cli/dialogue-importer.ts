/** Plays dialogues into conversations, waits for their summaries and compares what is stored with what was said. */
import type { DialogueLine, FileDialogue } from "./dialogue-file.ts";
import type { HttpConversations, StoredSummary } from "./http-conversations.ts";
import type { Clock } from "./repeat.ts";
import { Slots } from "./slots.ts";

export interface DialogueImporterOptions {
  readonly service: HttpConversations;
  readonly clock: Clock;
  /** Dialogues at once. */
  readonly conversations: number;
  /** Put before the name of a dialogue to make the id of its conversation. */
  readonly prefix: string;
  /** Longest wait for a summary after its last message. */
  readonly summaryMsMax: number;
  readonly onDialogue?: (done: number) => void;
  /** Told of each dialogue that is not stored as it was said, or has no summary. */
  readonly onDifference?: (id: string, what: string) => void;
}
export interface DialogueFigures {
  readonly dialogues: number;
  readonly messages: number;
  /** Lines in which nothing is said: no message. */
  readonly empty: number;
  /** Known from an earlier run, or from an earlier try of this one whose answer was lost. */
  readonly replayed: number;
  readonly readBack: number;
  /** Messages that are not what was said there: other words, another speaker, one that is missing or one too many. */
  readonly differing: number;
  /** Messages whose turn is not their place in the dialogue. */
  readonly outOfOrder: number;
  /** Dialogues with a summary up to their last message. */
  readonly summaries: number;
  readonly postMs: number;
  /** From the last message of all to the last summary. */
  readonly summaryMs: number;
}
export interface PlayedDialogue {
  readonly name: string;
  /** null when it did not come in time. */
  readonly summary: StoredSummary | null;
}

const POLL_MS = 25;

/**
 * I1. The messages of a dialogue are posted in order, each after the one before was answered; so many dialogues side by side.
 * I2. Every message has a key of its own, made from its dialogue and its place, so that another run meets what this one did (for the 24 hours that a
 *     conversation remembers its keys).
 */
export class DialogueImporter {
  readonly #options: DialogueImporterOptions;
  readonly #slots: Slots;
  #done = 0;
  #messages = 0;
  #empty = 0;
  #replayed = 0;
  #readBack = 0;
  #differing = 0;
  #outOfOrder = 0;

  constructor(options: DialogueImporterOptions) {
    this.#options = options;
    this.#slots = new Slots(options.conversations);
  }

  /** @throws CliError for a message that the service refuses. */
  async run(dialogues: readonly FileDialogue[]): Promise<DialogueFigures & { readonly played: readonly PlayedDialogue[] }> {
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    await this.#each(dialogues, (dialogue) => this.#play(dialogue));
    const postedMs = clock.nowMs();
    const played = await this.#each(dialogues, (dialogue) => this.#summarized(dialogue, postedMs));
    const summarizedMs = clock.nowMs();
    await this.#each(dialogues, (dialogue) => this.#compare(dialogue));
    return {
      dialogues: dialogues.length,
      messages: this.#messages,
      empty: this.#empty,
      replayed: this.#replayed,
      readBack: this.#readBack,
      differing: this.#differing,
      outOfOrder: this.#outOfOrder,
      summaries: played.filter(({ summary }) => summary !== null).length,
      postMs: Math.round(postedMs - startedMs),
      summaryMs: Math.round(summarizedMs - postedMs),
      played,
    };
  }

  async #each<Value>(dialogues: readonly FileDialogue[], work: (dialogue: FileDialogue) => Promise<Value>): Promise<Value[]> {
    let failure: { readonly cause: unknown } | null = null;
    const one = async (dialogue: FileDialogue): Promise<Value> => {
      if (failure !== null) throw failure.cause;
      try {
        return await work(dialogue);
      } catch (cause) {
        failure ??= { cause };
        throw cause;
      }
    };
    // All of them end before the first failure is told: nothing is sent any more then.
    const ended = await Promise.allSettled(dialogues.map((dialogue) => this.#slots.run(() => one(dialogue))));
    return ended.map((each) => {
      if (each.status === "rejected") throw each.reason;
      return each.value;
    });
  }

  async #play(dialogue: FileDialogue): Promise<void> {
    const { service, onDialogue } = this.#options;
    const id = this.#idOf(dialogue);
    const said = spokenIn(dialogue);
    this.#empty += dialogue.said.length - said.length;
    await service.open(id);
    for (const [place, line] of said.entries()) {
      const { turn, isReplayed } = await service.post(id, line, `${encodeURIComponent(id)}:${place}`);
      this.#messages++;
      if (isReplayed) this.#replayed++;
      if (turn !== place + 1) this.#outOfOrder++;
    }
    onDialogue?.(++this.#done);
  }

  async #summarized(dialogue: FileDialogue, postedMs: number): Promise<PlayedDialogue> {
    const { service, clock, summaryMsMax, onDifference } = this.#options;
    const turns = spokenIn(dialogue).length;
    for (;;) {
      const summary = await service.summary(this.#idOf(dialogue));
      if (summary.upToTurn >= turns) return { name: dialogue.name, summary };
      if (clock.nowMs() - postedMs > summaryMsMax) {
        onDifference?.(this.#idOf(dialogue), `its summary goes to turn ${summary.upToTurn} of ${turns}`);
        return { name: dialogue.name, summary: null };
      }
      await clock.wait(POLL_MS);
    }
  }

  async #compare(dialogue: FileDialogue): Promise<void> {
    const said = spokenIn(dialogue);
    let place = 0;
    let differing = 0;
    for await (const { speaker, content } of this.#options.service.messages(this.#idOf(dialogue))) {
      const line = said[place++];
      if (line?.speaker !== speaker || line.text !== content) differing++;
    }
    differing += Math.max(said.length - place, 0);
    this.#readBack += place;
    this.#differing += differing;
    if (differing > 0)
      this.#options.onDifference?.(this.#idOf(dialogue), `${differing} of its ${said.length} messages are not as they were said`);
  }

  #idOf = ({ name }: FileDialogue): string => this.#options.prefix + name;
}

const spokenIn = ({ said }: FileDialogue): readonly DialogueLine[] => said.filter(({ text }) => text.trim() !== "");
