/**
 * A module as a user would write it: an entity that sends parcels and notices by ports, has sums made by the pool, and counts what came back. The
 * upstream is `fake-upstream.ts`, whose URL the environment variable UPSTREAM_URL names.
 */
import { z } from "zod";
import {
  type Answer,
  type AnyDefinition,
  accept,
  defineEntity,
  type Info,
  type Json,
  type PortDefinition,
  PortFailure,
  type PortRequest,
  reply,
} from "../../src/runtime/index.ts";

/** How often an answer came, and the last one. */
export interface Heard {
  readonly answers: number;
  readonly last: string;
}
/** By the name of a parcel (`?` when a failure does not name it), and by the id of the effect. */
export interface CourierState {
  readonly parcels: Readonly<Record<string, Heard>>;
  readonly effects: Readonly<Record<string, Heard>>;
}
interface Sent {
  readonly kind: "sent";
  readonly name: string;
}
interface HeardEvent {
  readonly kind: "heard";
  readonly id: string;
  readonly name: string;
  readonly answer: string;
}
const parcelSchema = z.object({ name: z.string(), mode: z.string() });

const effectOf = (to: string, kind: "call" | "compute", { name, mode }: z.output<typeof parcelSchema>, answerTo?: string) =>
  ({ kind, to, command: "post", body: { name, mode }, label: name, ...(answerTo === undefined ? {} : { answerTo }) }) as const;

export const courier = defineEntity({
  type: "courier",
  version: 1,
  commands: {
    /** Wants an answer. */
    send: { body: parcelSchema, reply: z.null(), repeats: "recorded" },
    /** Wants none: a dead letter of it stays open. */
    notice: { body: parcelSchema, reply: z.null(), repeats: "recorded" },
    compute: { body: parcelSchema, reply: z.null(), repeats: "recorded" },
    /** Answered when the parcel's answer came. */
    ask: { body: parcelSchema, reply: z.string() },
    forget: { body: z.object({ name: z.string() }), reply: z.null(), repeats: "recorded" },
    lost: { body: z.object({}), reply: z.null() },
    get: { body: z.object({}), reply: z.custom<CourierState>() },
  },
  events: { sent: z.custom<Sent>(), heard: z.custom<HeardEvent>() },
  initial: (): CourierState => ({ parcels: {}, effects: {} }),
  decide: {
    send: (_state, parcel) => accept([sentOf(parcel.name)], { reply: null, effects: [effectOf("parcels", "call", parcel, "heard")] }),
    notice: (_state, parcel) => accept([sentOf(parcel.name)], { reply: null, effects: [effectOf("notices", "call", parcel)] }),
    compute: (_state, parcel) => accept([sentOf(parcel.name)], { reply: null, effects: [effectOf("sums", "compute", parcel, "heard")] }),
    ask: (_state, parcel) =>
      accept([sentOf(parcel.name)], { isAnsweredLater: true, effects: [effectOf("letters", "call", parcel, "heard")] }),
    forget: (_state, { name }) => accept([sentOf(name)], { reply: null, cancels: [name] }),
    lost: () => accept([sentOf("lost")], { reply: null, effects: [{ kind: "call", to: "nowhere", command: "post", body: {} }] }),
    get: (state) => reply(state),
  },
  answers: {
    heard: (_state: CourierState, answer: Answer<Json>, { id }: Info) => {
      const text = answer.ok ? String((answer.value as { readonly name: string }).name) : `${answer.code}: ${answer.detail}`;
      const name = answer.ok ? text : (/\[(.+?)\]/.exec(answer.detail)?.[1] ?? "?");
      return accept([{ kind: "heard", id, name, answer: answer.ok ? "ok" : text }], { settle: text });
    },
  },
  evolve: {
    sent: (state, { name }) => ({ ...state, parcels: { ...state.parcels, [name]: state.parcels[name] ?? { answers: 0, last: "" } } }),
    heard: ({ parcels, effects }, { id, name, answer }) => ({
      parcels: { ...parcels, [name]: once(parcels[name], answer) },
      effects: { ...effects, [id]: once(effects[id], answer) },
    }),
  },
  snapshot: { encode: (state) => state as unknown as Json, decode: (json) => json as unknown as CourierState },
});
const once = (heard: Heard | undefined, last: string): Heard => ({ answers: (heard?.answers ?? 0) + 1, last });
const sentOf = (name: string): Sent => ({ kind: "sent", name });

/** Posts a parcel with its key. */
async function post({ key, body }: PortRequest, { signal }: { readonly signal: AbortSignal }): Promise<Json> {
  const { name } = body as { readonly name: string };
  const response = await fetch(`${process.env.UPSTREAM_URL}/post`, {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify(body),
    signal,
  });
  if (response.ok) return (await response.json()) as Json;
  const { status, headers } = response;
  throw new PortFailure(`status ${status} for [${name}]`, { status, retryAfter: headers.get("retry-after") });
}

/** What a task of the pool can do to its thread, at the first attempt. */
function sum({ body, attempt }: PortRequest): Json {
  const { name, mode } = body as { readonly name: string; readonly mode: string };
  if (attempt === 1) {
    if (mode === "throw") throw new Error(`the task of [${name}] fails`);
    if (mode === "exit") process.exit(3);
    if (mode === "heap") for (const kept: number[][] = []; ; ) kept.push(new Array(1_000_000).fill(kept.length));
    if (mode === "loop") for (;;);
  }
  return { name, sum: Array.from({ length: 1_000 }, (_, i) => i).reduce((left, right) => left + right, 0) };
}

const QUICK = { attemptMsMax: 400, backoffMsMin: 20, backoffMsMax: 400, breaker: null };

export const definitions = [courier] as unknown as readonly AnyDefinition[];
export const ports: readonly PortDefinition[] = [
  { name: "parcels", kind: "call", perform: post, policy: { ...QUICK, attemptsMax: 50, deadlineMs: null } },
  { name: "letters", kind: "call", perform: post, policy: { ...QUICK, attemptMsMax: 10_000 } },
  { name: "notices", kind: "call", perform: post, policy: { ...QUICK, attemptsMax: 3, deadlineMs: null } },
  { name: "sums", kind: "compute", perform: sum, policy: { ...QUICK, attemptMsMax: 2_000, attemptsMax: 3 } },
];
