/** What a model is sent. Pure: the same conversation gives the same prompt. Bounds count characters; a token is about four of them. */
import type { ChatMessage } from "./chat-client.ts";
import { cutText, fittedTexts } from "./fitted-texts.ts";
import type { ReplyContext, SpokenMessage } from "./replier.ts";

/** Of the whole prompt, so much at most for the instructions and as much for the summary, so that there is room for what was said. */
const PART_RATIO = 0.25;
const SPEAKERS =
  "Several people speak in this conversation. Each of their messages begins with the speaker's name and a colon. Answer without a name before it.";
const SUMMARY = "Summary of the conversation so far:\n";
const DEFAULT_NAMES: ReadonlySet<string> = new Set(["user", "assistant"]);

/**
 * The prompt of a reply: instructions, how to read names, summary, messages; older messages are left out when all would have more than `charsMax`
 * characters, and the one to reply to is cut when it alone has.
 */
export function replyPrompt({ instructions, summary, messages }: ReplyContext, charsMax: number): readonly ChatMessage[] {
  const isNamed = messages.some(isNamedMessage);
  const head = [
    ...(instructions === null ? [] : [system(cutText(instructions, charsMax * PART_RATIO))]),
    ...(isNamed ? [system(SPEAKERS)] : []),
    ...(summary === null ? [] : [system(SUMMARY + cutText(summary, charsMax * PART_RATIO))]),
  ];
  const left = charsMax - head.reduce((sum, { content }) => sum + content.length, 0);
  return [
    ...head,
    ...newest(
      messages.map((message) => chatMessage(message, isNamed)),
      left,
    ),
  ];
}

const SUMMARIZE = [
  "You keep the running summary of a conversation.",
  "From the summary so far and the new messages write one summary of the whole conversation:",
  "who wants what, what was decided, what is open. Keep names, numbers and dates. No more than 200 words. Write only the summary.",
].join(" ");

/** The prompt of a summary: the one before and the new messages, each cut to its share when all would have more than `charsMax` characters. */
export function summaryPrompt(previous: string | null, messages: readonly SpokenMessage[], charsMax: number): readonly ChatMessage[] {
  const before = previous === null ? "There is no summary yet." : `Summary so far:\n${cutText(previous, charsMax * PART_RATIO)}`;
  const names = messages.map(({ speaker, role }) => `${nameOf(speaker) ?? role}: `);
  const left = charsMax - SUMMARIZE.length - before.length - names.reduce((sum, name) => sum + name.length + 1, 0);
  const texts = fittedTexts(
    messages.map(({ text }) => text),
    Math.max(0, left),
  );
  const lines = texts.map((text, at) => `${names[at]}${text}`);
  return [system(SUMMARIZE), { role: "user", content: `${before}\n\nNew messages:\n${lines.join("\n")}` }];
}

const system = (content: string): ChatMessage => ({ role: "system", content });

const isNamedMessage = ({ role, speaker }: SpokenMessage): boolean =>
  role === "user" && speaker !== null && !DEFAULT_NAMES.has(speaker.toLowerCase());

function chatMessage({ role, speaker, text }: SpokenMessage, isNamed: boolean): ChatMessage {
  // In the text and not in the field `name`, which many endpoints do not know and none takes with a space in it.
  const name = isNamed && role === "user" ? nameOf(speaker) : null;
  return { role, content: name === null ? text : `${name}: ${text}` };
}

/** A name is one line: with more it could pass for messages of others. */
const nameOf = (speaker: string | null): string | null => speaker?.replace(/[\s\p{Cc}]+/gu, " ").trim() || null;

/** As many of the last as fit, without a gap; the last one always. */
function newest(messages: readonly ChatMessage[], charsMax: number): readonly ChatMessage[] {
  const kept: ChatMessage[] = [];
  let left = charsMax;
  for (const message of messages.toReversed()) {
    if (kept.length > 0 && message.content.length > left) break;
    kept.push({ ...message, content: cutText(message.content, Math.max(left, 1)) });
    left -= message.content.length;
  }
  return kept.reverse();
}
