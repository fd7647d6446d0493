import type { Answer } from "../kernel/decision.ts";
import type { DeathWatch } from "../supervision/death-watch.ts";
import type { AnyRef, AskWait } from "./behavior.ts";

/** What a reference stands for. */
export interface Addressee {
  readonly address: string;
  readonly deaths: DeathWatch;
  /** Empty for what takes no messages. */
  readonly kinds: readonly string[];
  tell(kind: string, body: unknown): boolean;
  ask(kind: string, body: unknown, wait: AskWait): Promise<Answer<unknown>>;
}
type Tell = Readonly<Record<string, (body: unknown) => boolean>>;
type Ask = Readonly<Record<string, (body: unknown, wait?: AskWait) => Promise<Answer<unknown>>>>;

/** A reference at run time; its types are given by `Ref`. Its functions are made when first used: most references are only kept. */
export class ActorRef implements AnyRef {
  readonly #addressee: Addressee;
  #tell: Tell | null = null;
  #ask: Ask | null = null;

  constructor(addressee: Addressee) {
    this.#addressee = addressee;
  }

  get address(): string {
    return this.#addressee.address;
  }

  get tell(): Tell {
    const { kinds } = this.#addressee;
    this.#tell ??= Object.fromEntries(kinds.map((kind) => [kind, (body: unknown) => this.#addressee.tell(kind, body)]));
    return this.#tell;
  }

  get ask(): Ask {
    const { kinds } = this.#addressee;
    this.#ask ??= Object.fromEntries(
      kinds.map((kind) => [kind, (body: unknown, wait: AskWait = {}) => this.#addressee.ask(kind, body, wait)]),
    );
    return this.#ask;
  }

  /** @throws Error for what was not made by this runtime. */
  static addresseeOf(ref: AnyRef): Addressee {
    if (#addressee in ref) return ref.#addressee;
    throw new Error(`This is no reference to an actor: ${ref.address}. Use what spawn answered, or context.self.`);
  }
}
