/** Compares what the clients of conversations were told with what the journal holds. */
import { chainFindings } from "./summary-chain.ts";
import type { ConversationStory, TurnBooks, TurnStory } from "./turn-journal.ts";
import { type TurnLoad, type TurnOrder, turnAnswerOf } from "./turn-orders.ts";

export interface TurnPromises {
  /**
   * Acknowledged turns that the journal does not hold as they were acknowledged or whose repeat got another answer, and turns in no summary or in one that
   * lacks a message of theirs.
   */
  readonly lost: number;
  /** Messages that stand there more than once, replies that ended more than once, and turns in more than one summary. */
  readonly duplicated: number;
  /**
   * Turns before one that was acknowledged first, summaries that do not begin where the last one ended or were not made of it, and summaries of turns that
   * do not exist.
   */
  readonly outOfOrder: number;
  readonly turns: number;
  readonly replies: number;
  readonly summaries: number;
  /** Summaries of an endpoint, whose text says what they were made of. */
  readonly summariesProven: number;
  /** Turns of the largest summary. */
  readonly coalescedMax: number;
  /** One sentence each; empty when every promise was kept. */
  readonly defects: readonly string[];
}

/** To be called when nobody runs on the store any more, everything was settled, and every summary was there. `again`: replies that regenerate was answered. */
export function turnPromises(books: TurnBooks, load: TurnLoad, again: readonly AgainReply[]): TurnPromises {
  const judge = new Judge(books, load);
  for (const { order, status, body } of load.acknowledged.values()) judge.acknowledged(order, status, body);
  for (const reply of again) judge.again(reply);
  for (const [id, story] of books.conversations) {
    judge.turns(id, story);
    judge.summaries(id, story);
    judge.chain(id, story);
  }
  return judge.end();
}

/** Another reply for a turn that had one, as somebody was told. */
export interface AgainReply {
  readonly conversation: string;
  readonly body: string;
}

/** The event by which a reply ends that is answered with this status. */
const END_OF_STATUS: Readonly<Record<string, string>> = { complete: "replied", stopped: "replyStopped", interrupted: "replyInterrupted" };

class Judge {
  readonly #books: TurnBooks;
  readonly #lost = new Set<string>();
  readonly #defects: string[];
  #duplicated = 0;
  #outOfOrder = 0;
  #turns = 0;
  #replies = 0;
  #summaries = 0;
  #summariesProven = 0;
  #coalescedMax = 0;

  constructor(books: TurnBooks, load: TurnLoad) {
    this.#books = books;
    this.#defects = [...books.findings, ...load.stuck.map((order) => `${order} (no outcome in time)`)];
    for (const [key, got] of load.changed) this.#lose(key, `a repeat did not get the first answer again, but ${got}`);
    if (load.unanswered > 0) this.#defects.push(`${load.unanswered} messages never got an answer`);
  }

  acknowledged(order: TurnOrder, status: number, body: string): void {
    const { key, conversation, after, wantsReply } = order;
    if (status >= 300) return void this.#defects.push(`${key}: was refused with ${status} ${body}`);
    const answer = turnAnswerOf(body);
    const turn = this.#books.conversations.get(conversation)?.turns[answer.turn - 1];
    if (turn === undefined || !isAs(turn, order, answer.messageId)) {
      return this.#lose(
        key,
        `was acknowledged as turn ${answer.turn} of ${conversation}, the journal holds ${turn === undefined ? "no such turn" : "another"}`,
      );
    }
    if (answer.turn <= after) {
      this.#outOfOrder++;
      this.#defects.push(`${key}: is turn ${answer.turn} of ${conversation}, though turn ${after} was acknowledged before it was sent`);
    }
    if (!wantsReply) return;
    if (!hasReply(turn, body))
      this.#lose(key, `was answered ${answer.status} with reply ${answer.replyId}, which the journal does not hold`);
  }

  again({ conversation, body }: AgainReply): void {
    const { turn: number, replyId } = turnAnswerOf(body);
    const turn = this.#books.conversations.get(conversation)?.turns[number - 1];
    if (turn === undefined || !hasReply(turn, body))
      this.#lose(`${conversation} ${replyId}`, "was answered by regenerate, the journal does not hold it");
  }

  turns(id: string, { opened, turns }: ConversationStory): void {
    this.#turns += turns.length;
    if (opened !== 1) this.#double(opened - 1, `${id}: was opened ${opened} times`);
    const texts = new Set(turns.map(({ text }) => text));
    if (texts.size < turns.length)
      this.#double(turns.length - texts.size, `${id}: ${turns.length - texts.size} messages stand there twice`);
    for (const { turn, wantsReply, begun, ends } of turns) {
      this.#replies += ends.length;
      const ended = new Set(ends.map(({ replyId }) => replyId));
      if (ended.size < ends.length) this.#double(ends.length - ended.size, `${id}: a reply of turn ${turn} ended more than once`);
      if (wantsReply !== begun.length > 0 || begun.some((replyId) => !ended.has(replyId)))
        this.#lose(`${id} turn ${turn}`, `its replies ${begun.join(", ")} ended as ${[...ended].join(", ")}`);
    }
  }

  /** Every turn is in exactly one summary, in turn order, and none is of a turn that did not exist when it was made. */
  summaries(id: string, { turns, summaries }: ConversationStory): void {
    this.#summaries += summaries.length;
    let upTo = 0;
    let countBefore = 0;
    const covered = new Set<number>();
    for (const { fromTurn, toTurn, messageCount, turnsThen, text } of summaries) {
      const range = `the summary of turns ${fromTurn} to ${toTurn}`;
      if (fromTurn !== upTo + 1 || toTurn < fromTurn || toTurn > turnsThen) {
        this.#outOfOrder++;
        this.#defects.push(`${id}: ${range} follows one to turn ${upTo}, when there were ${turnsThen} turns`);
      }
      for (let turn = fromTurn; turn <= toTurn; turn++) {
        if (covered.has(turn)) this.#double(1, `${id}: turn ${turn} is in two summaries`);
        covered.add(turn);
      }
      // A turn has one message or two: that of a reply that was stopped before its first word has none.
      if (messageCount < Math.max(toTurn, countBefore) || messageCount > toTurn * 2)
        this.#defects.push(`${id}: ${range} counts ${messageCount} messages`);
      if (text === "") this.#defects.push(`${id}: ${range} is empty`);
      this.#coalescedMax = Math.max(this.#coalescedMax, toTurn - fromTurn + 1);
      upTo = toTurn;
      countBefore = messageCount;
    }
    for (const { turn } of turns) if (!covered.has(turn)) this.#lose(`${id} turn ${turn}`, "is in no summary");
  }

  /** Each summary was made of the one before and of the messages of its turns (R-CON-2). */
  chain(id: string, story: ConversationStory): void {
    this.#summariesProven += story.summaries.filter(({ taken }) => taken === null).length;
    for (const { kind, turn, why } of chainFindings(story)) {
      if (kind === "lost") this.#lose(`${id} turn ${turn}`, why);
      else {
        if (kind === "outOfOrder") this.#outOfOrder++;
        this.#defects.push(`${id}: ${why}`);
      }
    }
  }

  end(): TurnPromises {
    return {
      lost: this.#lost.size,
      duplicated: this.#duplicated,
      outOfOrder: this.#outOfOrder,
      turns: this.#turns,
      replies: this.#replies,
      summaries: this.#summaries,
      summariesProven: this.#summariesProven,
      coalescedMax: this.#coalescedMax,
      defects: this.#defects,
    };
  }

  #lose(what: string, why: string): void {
    this.#lost.add(what);
    this.#defects.push(`${what}: ${why}`);
  }
  #double(count: number, why: string): void {
    this.#duplicated += count;
    this.#defects.push(why);
  }
}

const isAs = (turn: TurnStory, { speaker, content, wantsReply }: TurnOrder, messageId: string): boolean =>
  turn.messageId === messageId && turn.speaker === speaker && turn.text === content && turn.wantsReply === wantsReply;

function hasReply({ ends }: TurnStory, body: string): boolean {
  const { replyId, status, content } = turnAnswerOf(body);
  return ends.some((end) => end.replyId === replyId && end.kind === END_OF_STATUS[status] && end.text === (content ?? ""));
}
