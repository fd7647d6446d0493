/**
 * A job that runs by a cron expression: an entity, so there is one of a name in the whole store, it survives restarts, and its runs stand in the
 * journal. It tells another entity its command and waits for the answer before it tells it again.
 *
 * J1. One run at a time: a time that comes while the last run has no answer is skipped and counted.
 * J2. Times are made from `info.at` by the expression in its time zone, so a late timer leads to one run and not to all that were missed.
 */
import { Cron } from "croner";
import { z } from "zod";
import { type Answer, accept, addressOf, defineEntity, type Info, ignore, type Json, reject, reply } from "../../runtime/index.ts";

const planSchema = z.object({
  /** Five or six fields; see the library's documentation. */
  schedule: z.string().min(1).max(200),
  /** Of the IANA database. */
  timezone: z.string().min(1).max(100).default("UTC"),
  /** Address of the entity that gets the command. */
  to: z.string().min(3).max(300),
  command: z.string().min(1).max(100),
  body: z.json(),
  /** What a run that was missed while nothing ran does: it runs once, or waits for the next time. */
  catchUp: z.enum(["run", "skip"]).default("run"),
});
export type CronPlan = z.infer<typeof planSchema>;

const jobSchema = z.object({
  plan: planSchema,
  nextAt: z.number().nullable(),
  /** Null when none is under way. */
  runningSince: z.number().nullable(),
  runs: z.number(),
  skipped: z.number(),
  lastOutcome: z.string().nullable(),
  /** Dropped while it ran: the answer is still to come. */
  isDropped: z.boolean().optional(),
});
export type CronJob = Readonly<z.infer<typeof jobSchema>>;

export const CRON_JOB = "cron-job";
export const cronJobAddress = (name: string): string => addressOf(CRON_JOB, name);

export const cronJob = defineEntity({
  type: CRON_JOB,
  version: 1,
  commands: {
    plan: { body: planSchema, reply: jobSchema },
    drop: { body: z.object({}), reply: z.null() },
    fire: { body: z.object({}), reply: z.null() },
    get: { body: z.object({}), reply: jobSchema },
  },
  events: {
    planned: z.object({ kind: z.literal("planned"), plan: planSchema, nextAt: z.number().nullable() }),
    dropped: z.object({ kind: z.literal("dropped") }),
    started: z.object({ kind: z.literal("started"), at: z.number(), nextAt: z.number().nullable() }),
    skipped: z.object({ kind: z.literal("skipped"), nextAt: z.number().nullable() }),
    finished: z.object({ kind: z.literal("finished"), outcome: z.string() }),
  },
  initial: (): CronJob | null => null,
  decide: { plan, drop, fire, get: (state, _body, info) => (isThere(state) ? reply(state) : unknown(info)) },
  answers: { ran },
  evolve: {
    planned: (state, { plan, nextAt }) => jobOf(state, plan, nextAt),
    dropped: (state) => (state === null || state.runningSince === null ? null : { ...state, nextAt: null, isDropped: true }),
    started: (state, { at, nextAt }) => state && { ...state, nextAt, runningSince: at, runs: state.runs + 1 },
    skipped: (state, { nextAt }) => state && { ...state, nextAt, skipped: state.skipped + 1 },
    finished: (state, { outcome }) => (isThere(state) ? { ...state, runningSince: null, lastOutcome: outcome } : null),
  },
  snapshot: { encode: (state) => state as Json, decode: (json) => jobSchema.nullable().parse(json) },
});

/** A plan of a job that was dropped makes a new one, which knows that the old one's run is under way (J1). */
function jobOf(state: CronJob | null, plan: CronPlan, nextAt: number | null): CronJob {
  if (state !== null && state.isDropped !== true) return { ...state, plan, nextAt };
  return { plan, nextAt, runningSince: state?.runningSince ?? null, runs: 0, skipped: 0, lastOutcome: null };
}

const isThere = (state: CronJob | null): state is CronJob => state !== null && state.isDropped !== true;

/**
 * Sets what the job does and when. The same plan again changes nothing, so that every start may send it; when the job's time has passed and it did
 * not run (its timer was lost in a crash of the handler: its entity was not there to be told), it is woken.
 */
function plan(state: CronJob | null, body: CronPlan, { at }: Info) {
  const why = whyNotPlan(body);
  if (why !== null) return reject("validation_failed", why);
  if (isThere(state) && JSON.stringify(state.plan) === JSON.stringify(body)) {
    const isOverdue = state.nextAt !== null && at - state.nextAt > LATE_MS;
    return isOverdue ? accept([], { reply: state, ...timerOf(state.nextAt) }) : reply(state);
  }
  const nextAt = nextTime(body, at);
  return accept([{ kind: "planned" as const, plan: body, nextAt }], { reply: jobOf(state, body, nextAt), ...timerOf(nextAt) });
}

function drop(state: CronJob | null, _body: object, info: Info) {
  return isThere(state) ? accept([{ kind: "dropped" as const }], { reply: null, cancels: [NEXT] }) : unknown(info);
}

function fire(state: CronJob | null, _body: object, { at }: Info) {
  if (!isThere(state)) return ignore;
  const nextAt = nextTime(state.plan, at);
  const next = timerOf(nextAt);
  const isMissed = state.plan.catchUp === "skip" && at - (state.nextAt ?? at) > LATE_MS;
  if (isMissed || state.runningSince !== null) return accept([{ kind: "skipped" as const, nextAt }], next); // J1
  const { to, command, body } = state.plan;
  return accept([{ kind: "started" as const, at, nextAt }], {
    ...next,
    effects: [...(next.effects ?? []), { kind: "tell" as const, to, command, body: body as Json, answerTo: "ran" }],
  });
}

function ran(state: CronJob | null, answer: Answer<Json>) {
  if (state === null) return ignore;
  return accept([{ kind: "finished" as const, outcome: answer.ok ? "ok" : `${answer.code}: ${answer.detail}` }]);
}

const NEXT = "next";
/** How late a run still is the one of its time. */
const LATE_MS = 60_000;

/** The timer of the next time; an expression that has none any more (a date that passed) ends the timer. */
function timerOf(nextAt: number | null) {
  if (nextAt === null) return { cancels: [NEXT] };
  return { effects: [{ kind: "schedule" as const, label: NEXT, at: nextAt, command: "fire", body: {} }] };
}

/** The first time of the expression after `at`; null when there is none. */
function nextTime({ schedule, timezone }: CronPlan, at: number): number | null {
  return new Cron(schedule, { timezone, paused: true }).nextRun(new Date(at))?.getTime() ?? null;
}

function whyNotPlan(plan: CronPlan): string | null {
  if (!/^[^/]+\/[^/]+$/.test(plan.to)) return `to is ${JSON.stringify(plan.to)}; expected the address of an entity, type/id`;
  try {
    nextTime(plan, 0);
    return null;
  } catch (cause) {
    return `the schedule ${JSON.stringify(plan.schedule)} in ${plan.timezone} is refused: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}

const unknown = ({ key }: Info) => reject("not_found", `there is no job ${key}`);
