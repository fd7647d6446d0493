import type { AttemptResult, Code, PortRequest } from "../../src/runtime/index.ts";
import type { Random, Simulation } from "../../src/runtime/testing/index.ts";

/** What is wrong with a parcel, for the upstream: `poison` fails until it is healed, `refuse` is never taken. */
export type ParcelMode = "ok" | "poison" | "refuse";

/** One way a call can go. `isDone`: the upstream carries it out, whatever it answers. */
type Way = "answered" | "failed" | "busy" | "reset" | "answer-lost" | "hangs";
const WAYS: readonly Way[] = ["answered", "answered", "answered", "answered", "failed", "busy", "reset", "answer-lost", "hangs"];

/** The outside of a simulation: it outlives processes, carries out each key as often as it is asked to, and remembers what it did. */
export class SimulatedUpstream {
  isHealed = false;
  /** Calls by key. */
  readonly calls = new Map<string, number>();
  /** Keys that were carried out. */
  readonly done = new Set<string>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Begins a call; the result ends whatever the caller hears of it. `during`: while it is under way; `told`: the answer has just been given. */
  call(
    simulation: Simulation,
    request: PortRequest,
    { settle, during, told }: { readonly settle: (result: AttemptResult) => void; readonly during: () => void; readonly told: () => void },
  ): () => void {
    const { key, body } = request;
    const { name, mode } = body as { readonly name: string; readonly mode: ParcelMode };
    this.calls.set(key, (this.calls.get(key) ?? 0) + 1);
    const way = this.#way(mode);
    const [arrivesMs, takesMs] = [this.#random.next() * 10, this.#random.next() * 60];
    const { clock } = simulation;
    // Nobody calls off what is on the wire.
    if (mode !== "refuse" && (way === "answered" || way === "answer-lost")) clock.after(arrivesMs, () => this.done.add(key));
    const stopDuring = clock.timer(arrivesMs + takesMs / 2, during);
    const stop = clock.timer(arrivesMs + takesMs, () => {
      const result = way === "hangs" ? null : this.#resultOf(name, mode, way);
      if (result === null) return;
      settle(result);
      told();
    });
    return () => {
      stop();
      stopDuring();
    };
  }

  #way(mode: ParcelMode): Way {
    if (this.isHealed || mode === "refuse") return "answered";
    return mode === "poison" ? "failed" : this.#random.pick(WAYS);
  }

  #resultOf(name: string, mode: ParcelMode, way: Exclude<Way, "hangs">): AttemptResult {
    if (mode === "refuse") return failed({ error: `status 422 for [${name}]`, status: 422, isRetryable: false });
    switch (way) {
      case "answered":
        return { kind: "done", value: { name } };
      case "failed":
        return failed({ error: `status 500 for [${name}]`, status: 500 });
      case "busy":
        return failed({ error: `status 429 for [${name}]`, status: 429, retryAfterMs: this.#random.between(0, 200) });
      default:
        return failed({ error: `${way} for [${name}]` });
    }
  }
}

const failed = ({
  status = 0,
  isRetryable = true,
  retryAfterMs = null,
  error,
}: {
  readonly error: string;
  readonly status?: number;
  readonly isRetryable?: boolean;
  readonly retryAfterMs?: number | null;
}): AttemptResult => {
  const code: Code = "UPSTREAM_BAD_RESPONSE";
  return { kind: "failed", failure: { error, status, isRetryable, retryAfterMs, code } };
};
