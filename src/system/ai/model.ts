import type { Config } from "../config/config.ts";
import { ChatClient } from "./chat-client.ts";
import { endpointOf } from "./endpoint.ts";
import { LocalReplier } from "./local-replier.ts";
import { RemoteReplier } from "./remote-replier.ts";
import type { Replier } from "./replier.ts";

/** Whoever answers, as the configuration says. */
export interface Model extends AsyncDisposable {
  readonly replier: Replier;
  /** For summaries, with connections of its own: slow summaries take none from replies (R-CON-3). Null = the summarizer of the worker pool: nothing leaves the machine. */
  readonly client: ChatClient | null;
}

/** @throws Fault `CONFIG_INVALID` when the URL is not allowed or the key is not there. */
export function openModel(ai: Config["ai"], env: NodeJS.ProcessEnv): Model {
  const endpoint = endpointOf(ai, env);
  if (endpoint === null) {
    return { replier: new LocalReplier({ wordMs: ai.localWordMs }), client: null, [Symbol.asyncDispose]: async () => undefined };
  }
  const open = (): ChatClient => new ChatClient({ ...endpoint, model: ai.model, limits: ai });
  const [forReplies, client] = [open(), open()];
  const replier = new RemoteReplier({ client: forReplies, promptCharsMax: ai.promptCharsMax });
  const close = async (): Promise<void> => void (await Promise.all([forReplies, client].map((each) => each[Symbol.asyncDispose]())));
  return { replier, client, [Symbol.asyncDispose]: close };
}
