import { z } from "zod";
import { CliError } from "./cli-error.ts";
import type { DialogueLine } from "./dialogue-file.ts";
import { HttpApi } from "./http-api.ts";
import { type Clock, repeated, repeatedRead } from "./repeat.ts";

const postedSchema = z.object({ messageId: z.string(), turn: z.int().positive() });
const pageSchema = z.object({
  items: z.array(
    z.object({
      number: z.int().positive(),
      turn: z.int().positive(),
      role: z.string(),
      speaker: z.string(),
      content: z.string().nullable(),
    }),
  ),
  next: z.string().nullable(),
});
const summarySchema = z.object({ content: z.string().nullable(), upToTurn: z.int(), messageCount: z.int() });

export type StoredMessage = z.infer<typeof pageSchema>["items"][number] & { readonly content: string };
export type StoredSummary = z.infer<typeof summarySchema>;
export interface Posted {
  readonly turn: number;
  readonly isReplayed: boolean;
}

const PAGE = 200;

/** Conversations of a running server. What may be sent again is, for a while; rejections are CliErrors for people. */
export class HttpConversations implements Disposable {
  readonly name: string;
  readonly #api: HttpApi;
  readonly #clock: Clock;

  private constructor(api: HttpApi, clock: Clock) {
    this.name = api.name;
    this.#api = api;
    this.#clock = clock;
  }

  /** @throws CliError as `HttpApi.connect`. */
  static async connect(url: string, clock: Clock): Promise<HttpConversations> {
    return new HttpConversations(await HttpApi.connect(url), clock);
  }

  /** Opens it unless it is. */
  async open(id: string): Promise<void> {
    await this.#done("POST", "/v1/conversations", { id });
  }

  /** Posts a message that wants no reply. */
  async post(id: string, { speaker, text }: DialogueLine, key: string): Promise<Posted> {
    const { body, isReplayed } = await this.#done("POST", `${pathOf(id)}/messages`, { content: text, speaker, reply: false }, key);
    return { turn: postedSchema.parse(JSON.parse(body)).turn, isReplayed };
  }

  async summary(id: string): Promise<StoredSummary> {
    return summarySchema.parse(await repeatedRead(() => this.#api.read(`${pathOf(id)}/summary`), this.#clock));
  }

  /** All of them, oldest first, without replies that failed; one page at a time. */
  async *messages(id: string): AsyncGenerator<StoredMessage> {
    let after: string | null = "0";
    while (after !== null) {
      const path: string = `${pathOf(id)}/messages?after=${after}&limit=${PAGE}`;
      const page: z.infer<typeof pageSchema> = pageSchema.parse(await repeatedRead(() => this.#api.read(path), this.#clock));
      for (const { content, ...message } of page.items) if (content !== null) yield { ...message, content };
      after = page.next;
    }
  }

  [Symbol.dispose](): void {
    this.#api[Symbol.dispose]();
  }

  async #done(method: string, path: string, fields: Readonly<Record<string, string | boolean>>, key?: string) {
    const outcome = await repeated(() => this.#api.outcome(method, path, fields, key), this.#clock);
    if (outcome.ok) return outcome;
    throw new CliError(outcome.code, `${method} ${path}: ${outcome.detail}`);
  }
}

const pathOf = (id: string): string => `/v1/conversations/${encodeURIComponent(id)}`;
