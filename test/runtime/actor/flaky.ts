/** An actor that does what it is told, also to crash; and a log of what its incarnations did. */
import { defineBehavior, reply, type Supervision } from "../../../src/runtime/index.ts";

export interface Flaky {
  add(body: { by: number }): number;
  crash(body: { why: string }): void;
  /** Awaits until the gate opens. */
  wait(body: { gate: Promise<unknown> }): string;
  end(): void;
}

/** `name:started#1`, `name:stopped#1`, ... in the order in which it happened. */
export type Journal = string[];
export interface FlakyArgs {
  readonly journal: Journal;
  /** Starts that throw before one succeeds. */
  readonly failingStarts?: { left: number };
}

export const flaky = defineBehavior<Flaky>()({
  type: "flaky",
  started(context, { journal, failingStarts }: FlakyArgs) {
    const name = context.self.address;
    if (failingStarts !== undefined && failingStarts.left > 0) {
      failingStarts.left--;
      journal.push(`${name}:failed#${context.incarnation}`);
      throw new Error("start failed");
    }
    journal.push(`${name}:started#${context.incarnation}`);
    return { sum: 0, journal };
  },
  receive: {
    add(_, state, { by }) {
      state.sum += by;
      return reply(state.sum);
    },
    crash(_, _state, { why }) {
      throw new Error(why);
    },
    async wait(_, _state, { gate }) {
      await gate;
      return reply("done");
    },
    end: (context) => context.stopSelf(),
  },
  stopped: (context, { journal }) => void journal.push(`${context.self.address}:stopped#${context.incarnation}`),
});

/** No jitter and no cap that a test meets by chance. */
export const policy = (
  more: Partial<Omit<Supervision, "restart">> & { readonly restart?: Partial<Supervision["restart"]> } = {},
): Supervision => ({
  strategy: "one-for-one",
  ...more,
  restart: { restartsMax: 3, windowMs: 10_000, backoffMsMin: 100, backoffMsMax: 1_000, jitterRatio: 0, ...more.restart },
});
