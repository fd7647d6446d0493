/**
 * The log lines of a sampled trace's hops inside the node, for the threads that see them. Written at level debug: who may set the flag is a client, and a
 * line a message at level info would let any of them fill a disk. Fields are an allow-list: of a body only `subjectOf`, never an amount (TRAPS 46).
 */
import type { PerformEffect, TracedMessage } from "../../runtime/index.ts";
import { isSampledTrace, parseTrace } from "../../runtime/records.ts";
import { subjectOf } from "./effect-subject.ts";
import type { Log, LogLevel } from "./log.ts";

export class HopLog {
  readonly #log: Pick<Log, "debug">;
  readonly #thread: string;

  constructor(log: Pick<Log, "debug">, thread: string) {
    this.#log = log;
    this.#thread = thread;
  }

  /** An entity handled a message; its effects are durable when its record is. */
  handled({ trace, address, kind, doing, outcome }: TracedMessage): void {
    this.#log.debug({ hop: "actor", ...idsOf(trace), thread: this.#thread, actor: address, message: kind, doing, outcome }, "handled");
  }

  /** An attempt at an effect outside the runtime was handed out; how it went is a message of the entity that opened it. */
  performing(effect: PerformEffect): void {
    const { trace, from, kind, to, command, attempt } = effect;
    if (trace === undefined || !isSampledTrace(trace)) return;
    const fields = { actor: from, kind, port: to, doing: command, attempt, ...subjectOf(effect) };
    this.#log.debug({ hop: "effect", ...idsOf(trace), thread: this.#thread, ...fields }, "performing");
  }

  /** A record with entries of these traces is durable. */
  committed(traces: readonly string[], record: number): void {
    for (const trace of traces) this.#log.debug({ hop: "journal", ...idsOf(trace), thread: this.#thread, record }, "committed");
  }
}

/** The log of hops for a thread; null when nobody reads lines of level debug: then nothing on the path of messages is done for them. */
export async function openHopLog(level: LogLevel, thread: string): Promise<HopLog | null> {
  if (level !== "debug" && level !== "trace") return null;
  const { openLog } = await import("./log.ts"); // Only then: a thread that writes no line need not load a logger.
  return new HopLog(openLog(level), thread);
}

/** A request's id is the span that its door gave it, so that what is caused by it need carry only one of them. */
export function idsOf(trace: string): { readonly traceId: string; readonly requestId: string } {
  const { traceId = "", spanId = "" } = parseTrace(trace) ?? {};
  return { traceId, requestId: spanId };
}
