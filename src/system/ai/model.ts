import type { Config } from "../config/config.ts";
import { ChatClient } from "./chat-client.ts";
import { endpointOf } from "./endpoint.ts";
import { LocalReplier } from "./local-replier.ts";
import { RemoteReplier } from "./remote-replier.ts";
import type { Replier } from "./replier.ts";

/** Whoever answers, as the configuration says. */
export interface Model extends AsyncDisposable {
  readonly replier: Replier;
  /** Null = the built-in replier, and the summarizer of the worker pool: nothing leaves the machine. */
  readonly client: ChatClient | null;
}

/** @throws Fault `CONFIG_INVALID` when the URL is not allowed or the key is not there. */
export function openModel(ai: Config["ai"], env: NodeJS.ProcessEnv): Model {
  const endpoint = endpointOf(ai, env);
  if (endpoint === null) {
    return { replier: new LocalReplier({ wordMs: ai.localWordMs }), client: null, [Symbol.asyncDispose]: async () => undefined };
  }
  const client = new ChatClient({ ...endpoint, model: ai.model, limits: ai });
  const replier = new RemoteReplier({ client, promptCharsMax: ai.promptCharsMax });
  return { replier, client, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}
