/**
 * Turns of 64 conversations over HTTP: the real server, the load (this process) and the model (a third one, or the built-in replier) on the same cores. The
 * model is the source story's, 180 times faster: a reply takes 32 ms, a summary 152 ms. It does not measure a network or a real model.
 */
import { Agent, request } from "node:http";
import type { AiSettings } from "../../test/support/fake-ai.ts";
import { AiProcess } from "../../test/support/fake-ai-process.ts";
import { closedLoop } from "../harness/closed-loop.ts";
import { cpuOf, durableOf } from "../harness/server-look.ts";
import { byMode, type Mode, type Outcome, type RunVariant } from "../harness/suite.ts";
import { startServer } from "../http/servers.ts";
import { stagesOf } from "./stages.ts";
import { CONVERSATIONS, type TalkOptions, Talks } from "./talks.ts";

const REPLY_MS = 32;
const SUMMARY_MS = 152;
const AI: Partial<AiSettings> = {
  replyMs: REPLY_MS,
  summaryMs: SUMMARY_MS,
  content: "That works: Friday at ten, the small room is free.",
  keepsCalls: false,
};
/** Every conversation may have its reply under way at once; the defaults of 50 would make some wait for others. */
const WIDE = ["--conversation.replies-max", String(CONVERSATIONS), "--ai.connections-max", String(4 * CONVERSATIONS)];
const INLINE = ["--conversation.summaries", "inline", "--conversation.summaries-max", String(CONVERSATIONS)];

const PACED = { everyMs: 256, share: 0.25 };

/** Summaries behind the reply, as shipped. At 250 turns a second, which neither way of summarizing is too slow for: what is compared is a turn's time. */
export const async: RunVariant = (mode) => withModel(mode, AI, PACED);
export const slowSummary: RunVariant = (mode) => withModel(mode, { ...AI, summaryMs: SUMMARY_MS * 10 }, PACED);
export const failingSummary: RunVariant = (mode) => withModel(mode, { ...AI, summaryFault: { kind: "status", status: 500 } }, PACED);
/** The answer waits for the summary of its turn too; every conversation may have one under way. */
export const inline: RunVariant = (mode) => withModel(mode, AI, { ...PACED, flags: INLINE });
/** As many turns as there can be: each conversation begins the next one when it has its reply. */
export const restless: RunVariant = (mode) => withModel(mode, AI);

/** The built-in replier answers at once, and its summaries run on the worker pool. */
export const instant: RunVariant = (mode) => builtIn(mode, { count: countIn(mode, 4), wantsReply: true });
/** The same at 500 turns a second: all that is left of a turn is ours. */
export const calm: RunVariant = (mode) => builtIn(mode, { count: countIn(mode, 0.5), wantsReply: true, everyMs: 128 });
/** Messages that want no reply. */
export const appends: RunVariant = (mode) => builtIn(mode, { count: countIn(mode, 4), wantsReply: false });

/** Where the time of a turn goes, from the traces of one turn in 20. */
export const stages: RunVariant = async (mode) => {
  await using ai = await AiProcess.start(AI);
  let log = "";
  const flags = ["--ai.url", ai.url, "--log.level", "debug", ...WIDE];
  await using server = await startServer(new URL("./troupe-server.ts", import.meta.url), flags, (text) => {
    log += text;
  });
  const talks = await Talks.open(server);
  await talks.say({ count: warmUpIn(mode), wantsReply: true });
  log = "";
  const { figures } = await talks.say({ count: countIn(mode, 0.5), wantsReply: true, traceOf: sampledOneIn(TRACED_ONE_IN) });
  await talks.audit();
  return { figures: { p50Ms: figures.p50Ms, p99Ms: figures.p99Ms, ...stagesOf(log) } };
};

const TRACED_ONE_IN = 20;
const sampledOneIn =
  (share: number) =>
  (i: number): string | null =>
    i % share === 0 ? `00-${(i + 1).toString(16).padStart(32, "0")}-00f067aa0ba902b7-01` : null;

/** Turns that are measured; 6 to 10 s of them when a model takes its time. */
const countIn = (mode: Mode, share: number): number => Math.ceil(byMode(mode, { full: 16_000, quick: 8_000, tiny: 256 }) * share);
const warmUpIn = (mode: Mode): number => byMode(mode, { full: 4_000, quick: 2_000, tiny: CONVERSATIONS });

interface ModelOptions {
  readonly flags?: readonly string[];
  readonly share?: number;
  /** Time from one turn of a conversation to the next, unless it takes longer; else without a rest. */
  readonly everyMs?: number;
}

async function withModel(
  mode: Mode,
  settings: Partial<AiSettings>,
  { flags = [], share = 1, everyMs }: ModelOptions = {},
): Promise<Outcome> {
  await using ai = await AiProcess.start(settings);
  // What the model alone takes under the same load, asked without the service: the rest of a turn is the service's own.
  const alone = await direct(ai.url, Math.ceil(countIn(mode, 1) / 10));
  const outcome = await measured(mode, ["--ai.url", ai.url, ...WIDE, ...flags], {
    count: countIn(mode, share),
    wantsReply: true,
    ...(everyMs === undefined ? {} : { everyMs }),
  });
  const { p50Ms = 0, p99Ms = 0 } = outcome.figures;
  const own = { ownP50Ms: p50Ms - alone.p50Ms, ownP99Ms: p99Ms - alone.p50Ms, aiP50Ms: alone.p50Ms, aiCalls: await ai.callCount() };
  return { ...outcome, figures: { ...outcome.figures, ...own } };
}

const builtIn = (mode: Mode, talk: TalkOptions): Promise<Outcome> =>
  measured(mode, ["--conversation.replies-max", String(CONVERSATIONS)], talk);

async function measured(mode: Mode, flags: readonly string[], talk: TalkOptions): Promise<Outcome> {
  await using server = await startServer(new URL("./troupe-server.ts", import.meta.url), flags);
  const talks = await Talks.open(server);
  await talks.say({ count: warmUpIn(mode), wantsReply: talk.wantsReply });
  const before = await server.look();
  const { figures, count } = await talks.say(talk);
  const after = await server.look();
  await talks.audit();
  const { sample: _, ...loop } = figures;
  return { figures: { ...loop, ...cpuOf(before, after, count) }, durable: durableOf(before, after) };
}

/** Requests for replies straight to the model, as many at once as there are conversations. */
async function direct(url: string, count: number) {
  using agent = { keepAlive: new Agent({ keepAlive: true }), [Symbol.dispose]: () => agent.keepAlive.destroy() };
  const body = JSON.stringify({ model: "default", messages: [{ role: "user", content: "Hello." }], temperature: 0.7, max_tokens: 1_000 });
  const headers = { "content-type": "application/json", "content-length": body.length, "idempotency-key": "direct" };
  const ask = (): Promise<void> =>
    new Promise((resolve, reject) => {
      request(`${url}/chat/completions`, { method: "POST", agent: agent.keepAlive, headers }, (answer) => {
        answer.resume().on("end", resolve);
      })
        .on("error", reject)
        .end(body);
    });
  await Promise.all(Array.from({ length: CONVERSATIONS }, ask));
  return await closedLoop({ count, inFlight: CONVERSATIONS, one: ask });
}
