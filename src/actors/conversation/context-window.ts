/** The messages that a conversation keeps at hand for its next reply, in the order of turns. */
import type { ReplyRequest } from "./reply-port.ts";

type Spoken = ReplyRequest["messages"][number];
export interface RecentMessage extends Spoken {
  readonly turn: number;
  /** null for what somebody posted. */
  readonly replyId: string | null;
}

/** What a reply gets to read at most, besides the summary: messages, and characters of sealed text. The message to reply to is always in it. */
export const CONTEXT_MESSAGES_MAX = 50;
export const CONTEXT_CHARS_MAX = 32_768;
/** So many of the last messages stay although a summary covers them: a summary is no replacement for what was said just now. */
export const CONTEXT_MESSAGES_MIN = 10;

/** With one more message, behind those of its turn and before those of later ones: a message without a reply may overtake one that waits for its own. */
export function withMessage(recent: readonly RecentMessage[], added: RecentMessage): readonly RecentMessage[] {
  const later = recent.findIndex(({ turn }) => turn > added.turn);
  const at = later < 0 ? recent.length : later;
  return newest([...recent.slice(0, at), added, ...recent.slice(at)], { countMax: CONTEXT_MESSAGES_MAX, charsMax: CONTEXT_CHARS_MAX });
}

export const withoutSummarized = (recent: readonly RecentMessage[], upToTurn: number): readonly RecentMessage[] =>
  recent.filter(({ turn }, at) => turn > upToTurn || at >= recent.length - CONTEXT_MESSAGES_MIN);

/** What a reply to this message reads: what was said in turns before it, and the message. */
export function contextOf(recent: readonly RecentMessage[], message: RecentMessage): readonly Spoken[] {
  const before = newest(
    recent.filter(({ turn }) => turn < message.turn),
    { countMax: CONTEXT_MESSAGES_MAX - 1, charsMax: CONTEXT_CHARS_MAX - charsOf(message) },
  );
  return [...before, message].map(({ role, speaker, parts }) => ({ role, speaker, parts }));
}

interface Bounds {
  readonly countMax: number;
  readonly charsMax: number;
}

/** As many of the last as fit, without a gap. */
function newest(messages: readonly RecentMessage[], { countMax, charsMax }: Bounds): readonly RecentMessage[] {
  let chars = 0;
  let from = messages.length;
  while (from > 0 && messages.length - from < countMax) {
    chars += charsOf(messages[from - 1]);
    if (chars > charsMax) break;
    from--;
  }
  return from === 0 ? messages : messages.slice(from);
}

const charsOf = (message: RecentMessage | undefined): number =>
  (message?.parts ?? []).reduce((sum, part) => sum + part.length, message?.speaker?.length ?? 0);
