import type { ChatCall, ChatClient, TakeText } from "./chat-client.ts";
import { replyPrompt } from "./prompt.ts";
import type { Replier, Reply, ReplyContext } from "./replier.ts";

/** Lets a model of an endpoint answer. */
export class RemoteReplier implements Replier {
  readonly #client: ChatClient;
  readonly #promptCharsMax: number;

  constructor(options: { readonly client: ChatClient; readonly promptCharsMax: number }) {
    this.#client = options.client;
    this.#promptCharsMax = options.promptCharsMax;
  }

  async reply(context: ReplyContext, call: ChatCall, take: TakeText | null): Promise<Reply> {
    const { temperature, maxTokens } = context;
    const request = { messages: replyPrompt(context, this.#promptCharsMax), temperature, maxTokens };
    const { content, usage } = take === null ? await this.#client.complete(request, call) : await this.#client.stream(request, call, take);
    return { text: content, usage };
  }
}
