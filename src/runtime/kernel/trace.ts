/** A position in a distributed trace: the fields of a W3C `traceparent`, of which runtime and journal carry the text. */
export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: who caused what carries this. */
  readonly spanId: string;
  /** Somebody records this trace: each hop says in the log that it was there. */
  readonly isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** Of version, trace id, span id and flags. */
const CHARS = 55;

/** The fields of a `traceparent`; null when it is malformed, which counts as if it were not there. Later versions may be longer. */
export function parseTrace(text: string): Trace | null {
  const [, version, traceId = "", spanId = "", flags = "", rest] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || (version === "00" && rest !== undefined)) return null;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The `traceparent` of what `spanId` causes within the trace. Flags that we do not know are not passed on. */
export function traceparentOf({ traceId, isSampled }: Trace, spanId: string): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/** Whether hops log it. Of a well-formed `traceparent` only: cheaper than to parse it. */
export const isSampledTrace = (text: string): boolean => (Number.parseInt(text.slice(CHARS - 1, CHARS), 16) & 1) === 1;
