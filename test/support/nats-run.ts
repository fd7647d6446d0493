/** Commands and events over NATS while the service, its NATS and one of its consumers are killed. */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { tell } from "./check-run.ts";
import type { HeardEvent } from "./heard-event.ts";
import { JournalHolder } from "./journal-holder.ts";
import { KeepAliveClient } from "./keep-alive-client.ts";
import { KillableServer } from "./killable-server.ts";
import { CODE_OF_WISH, type NatsOrder } from "./nats-orders.ts";
import type { TestNats } from "./nats-server.ts";
import type { PlainAnswer, PlainClientOptions, PlainSaid } from "./plain-nats-client.ts";
import type { SubscribedEvent } from "./plain-nats-subscriber.ts";
import { PlainProgram } from "./plain-program.ts";
import type { SlowProxy } from "./slow-proxy.ts";
import { defectsOfTrial } from "./trial-balance.ts";

export interface NatsRun {
  /** Each way. */
  readonly commands: number;
  /** kill -9 of the service. */
  readonly kills: number;
  /** Ends of the server of NATS, in order and by kill -9 in turns. */
  readonly restarts: number;
  readonly weaken: string;
  readonly dataDir: string;
  readonly nats: TestNats;
  /** Between the service, and no one else, and `nats`. */
  readonly proxy: SlowProxy;
  readonly random: () => number;
}

/** What the plain programs were told. */
export class NatsTold {
  readonly answered = new Map<string, PlainAnswer>();
  /** Keys that the stream said it has. */
  readonly stored = new Set<string>();
  /** Keys that were answered 202. */
  readonly accepted = new Set<string>();
  /** As the stream has them. */
  readonly events: HeardEvent[] = [];
  /** As a plain subscriber heard them. */
  readonly subscribed: SubscribedEvent[] = [];
  /** One sentence each. */
  readonly defects: string[] = [];
  compared = 0;
  differing = 0;
  stolen = 0;
  sentAgain = 0;
  askedFor = 0;
  isDone = false;
  natsVersion = "";
  #waiting: Array<{ readonly is: () => boolean; readonly resolve: () => void }> = [];

  hear(said: PlainSaid): void {
    switch (said.kind) {
      case "opened":
        this.natsVersion = said.server;
        break;
      case "stored":
        this.stored.add(said.key);
        break;
      case "accepted":
        this.accepted.add(said.key);
        break;
      case "answered":
        this.answered.set(said.key, said.answer);
        break;
      case "compared":
        this.compared++;
        if (said.isSame) break;
        this.differing++;
        this.defects.push(`${said.key}: two sendings were answered ${shown(said.first)} and ${shown(said.second)}`);
        break;
      case "stuck":
        this.defects.push(`${said.key}: no answer in time: ${said.why}`);
        break;
      case "done":
        this.isDone = true;
        this.sentAgain = said.sentAgain;
        this.askedFor = said.askedFor;
    }
    this.looked();
  }

  get isOpen(): boolean {
    return this.natsVersion !== "";
  }

  /** Resolves in the very turn in which something was heard that makes it so. */
  async until(is: () => boolean): Promise<void> {
    if (!is()) await new Promise<void>((resolve) => this.#waiting.push({ is, resolve }));
  }
  /** Looks whether somebody waits for what has become so. */
  looked(): void {
    const due = this.#waiting.filter(({ is }) => is());
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
  }
}
const shown = ({ status, body }: PlainAnswer): string => `${status} ${body.slice(0, 200)}`;

/**
 * How a life of the service ends: while its journal cannot commit, while it hears nothing of the server (what it publishes is heard, and will come again), with
 * an answer just received, or some time after one.
 */
const STYLES = ["held", "unacknowledged", "answered", "any"] as const;
type Style = (typeof STYLES)[number];
const MORE_MS_MAX = 100;
/** How long the journal is held before the kill: answers that nothing made durable get out meanwhile, if there are any. */
const HELD_MS = 400;
/** Of a service that breaks its word: time to do it on a busy machine too. */
const HELD_WEAK_MS = 3_000;
/** What was acknowledged before is heard by then, mostly. */
const ON_THE_WAY_MS = 20;
const UNHEARD_MS_MAX = 1_000;
const STOLEN_MAX = 50;
/** From the moment in which it is ready to take some: longer than until the stream gives again what the dead service had. */
const THEFT_MS_MAX = 4_000;
/** A run in which nothing comes forward for so long is stuck. */
const PROGRESS_MS_MAX = 150_000;
const EVENTS_MS_MAX = 60_000;
/** What a planted bug lost is not waited for as long. */
const WEAKENED_ORDER_MS_MAX = 12_000;
const WEAKENED_EVENTS_MS_MAX = 5_000;
const ORDER_MS_MAX = 120_000;
const EVENTS_QUIET_MS = 1_000;
const REFUSALS_MAX = 400;

export interface NatsFigures {
  readonly told: NatsTold;
  readonly kills: number;
  readonly killsWhileJournalHeld: number;
  readonly restarts: number;
  readonly readyMs: readonly number[];
  readonly refusalsCompared: number;
  /** Keys of commands that were sent over HTTP only, to compare refusals. */
  readonly httpKeys: ReadonlySet<string>;
}

/** Plays the whole run. In the end the service is stopped in order. @throws Error when a program ended by itself or nothing came forward any more. */
export async function runOverNats(run: NatsRun, orders: ReadonlyMap<string, NatsOrder>): Promise<NatsFigures> {
  const { nats, kills, restarts } = run;
  const told = new NatsTold();
  const readyMs: number[] = [];
  const { promise: listens, resolve: isListening } = Promise.withResolvers<void>();
  const subscriber = new PlainProgram(new URL("./plain-nats-subscriber.ts", import.meta.url), [nats.url], (heard) => {
    if (heard === "listens") isListening();
    else for (const event of heard as readonly SubscribedEvent[]) told.subscribed.push(event);
    told.looked();
  });
  // Before there is anything to hear.
  await Promise.race([listens, subscriber.ended()]);
  let server = await start(run);
  const clientOptions: PlainClientOptions = {
    url: nats.url,
    commands: run.commands,
    atOnce: 64,
    orderMsMax: run.weaken === "" ? ORDER_MS_MAX : WEAKENED_ORDER_MS_MAX,
    hasOtherKeys: run.weaken === "other-keys",
  };
  const client = new PlainProgram(new URL("./plain-nats-client.ts", import.meta.url), [JSON.stringify(clientOptions)], (said) => {
    for (const one of said as readonly PlainSaid[]) told.hear(one);
  });
  const listener = new PlainProgram(new URL("./plain-nats-listener.ts", import.meta.url), [nats.url], (heard) => {
    for (const event of heard as readonly HeardEvent[]) told.events.push(event);
    told.looked();
  });
  const broken = Promise.race([client.ended(), listener.ended(), subscriber.ended()]);
  broken.catch(() => undefined);
  let held = 0;
  try {
    await forward(told, broken, () => told.isOpen);
    const faults = faultsOf(kills, restarts);
    for (const [i, fault] of faults.entries()) {
      // A service that breaks its word is fast: it must not be done before it is killed.
      const share = run.weaken === "" ? 1 / (faults.length + 1) : 0.05;
      const due = Math.floor((i + 1) * 2 * run.commands * share);
      await forward(told, broken, () => told.answered.size >= due || told.isDone);
      if (fault.kind === "nats") await (fault.isKill ? killed(nats) : nats.restart());
      else {
        const style = STYLES[fault.number % STYLES.length] ?? "any";
        if (style === "held") held++;
        await kill(run, { server, style, told });
        told.stolen += await theft(run);
        server = await start(run);
        readyMs.push(server.readyMs);
      }
      tell(
        `${i + 1} of ${faults.length} faults, ${told.answered.size} answered, ${told.stored.size} stored, ${told.events.length} events heard`,
      );
    }
    await forward(told, broken, () => told.isDone);
    const compared = await compareWithHttp(server, told, orders);
    await eventsArrived(told, orders, run.weaken === "" ? EVENTS_MS_MAX : WEAKENED_EVENTS_MS_MAX);
    return { told, kills, killsWhileJournalHeld: held, restarts, readyMs, ...compared };
  } finally {
    await Promise.all([client.kill(), listener.kill(), subscriber.kill()]);
    const code = await server.stop();
    if (code !== 0) told.defects.push(`the last server ended with ${code}`);
  }
}

type ServiceFault = { readonly kind: "service"; readonly number: number } | { readonly kind: "nats"; readonly isKill: boolean };

/** The faults in their order: those of NATS lie between those of the service. */
function faultsOf(kills: number, restarts: number): readonly ServiceFault[] {
  const faults: ServiceFault[] = Array.from({ length: kills }, (_, number) => ({ kind: "service", number }));
  for (let i = restarts - 1; i >= 0; i--)
    faults.splice(Math.ceil(((i + 1) * kills) / (restarts + 1)), 0, { kind: "nats", isKill: i % 2 === 1 });
  return faults;
}

async function killed(nats: TestNats): Promise<void> {
  await nats.kill();
  await nats.restart();
}

/** @throws Error when it does not become so although time passes, or a program ended. */
async function forward(told: NatsTold, broken: Promise<never>, is: () => boolean): Promise<void> {
  const arrived = told.until(is).then(() => true);
  for (let seen = -1; ; ) {
    const timer = new AbortController();
    const isThere = await Promise.race([arrived, broken, delay(PROGRESS_MS_MAX, false, { signal: timer.signal }).catch(() => false)]);
    timer.abort();
    if (isThere) return;
    if (told.answered.size === seen)
      throw new Error(`nothing came forward for ${PROGRESS_MS_MAX} ms; ${told.answered.size} commands have an answer`);
    seen = told.answered.size;
  }
}

function start({ dataDir, proxy, weaken }: NatsRun): Promise<KillableServer> {
  return KillableServer.start({
    dataDir,
    args: PLANTED.has(weaken) ? ["--planted-bug", weaken] : [],
    env: {
      TROUPE_NATS_SERVERS: proxy.url,
      TROUPE_NATS_RECONNECT_MS_MIN: "50",
      TROUPE_NATS_RECONNECT_MS_MAX: "500",
      // As short as may be: what a dead consumer took comes back soon.
      TROUPE_NATS_DURABLE_ACK_MS: "1000",
      // What the thief takes counts as an attempt.
      TROUPE_NATS_DURABLE_ATTEMPTS_MAX: "1000",
      TROUPE_NATS_DURABLE_BACKOFF_MS_MIN: "50",
      TROUPE_CHECKPOINT_EVERY_MS: "50",
      TROUPE_CHECKPOINT_EVERY_ENTITIES: "200",
      // Threads that wait for a busy machine are none that are stuck.
      TROUPE_THREADS_HEARTBEAT_MS: "60000",
    },
  });
}
const PLANTED: ReadonlySet<string> = new Set(["reply-before-commit", "ack-before-commit"]);

interface Killing {
  readonly server: KillableServer;
  readonly style: Style;
  readonly told: NatsTold;
}

async function kill(run: NatsRun, { server, style, told }: Killing): Promise<void> {
  const holder = style === "held" ? new JournalHolder(join(run.dataDir, "journal.db")) : null;
  if (holder !== null) {
    await holder.hold();
    await delay(run.weaken === "" ? HELD_MS : HELD_WEAK_MS);
  }
  if (style === "unacknowledged") await keepAcknowledgements(run.proxy, told);
  else if (style !== "answered") await delay(run.random() * MORE_MS_MAX);
  server.kill();
  await server.gone();
  await holder?.kill();
  run.proxy.backDelayMs = 0;
}

/** From now on the service hears nothing of NATS. Resolves when somebody heard an event since, or at the limit. */
async function keepAcknowledgements(proxy: SlowProxy, told: NatsTold): Promise<void> {
  proxy.backDelayMs = Number.POSITIVE_INFINITY;
  await delay(ON_THE_WAY_MS);
  const heard = told.subscribed.length;
  await Promise.race([told.until(() => told.subscribed.length > heard), delay(UNHEARD_MS_MAX)]);
}

/** Another consumer takes commands while the service is away, acknowledges none and is killed. @returns how many it took. */
async function theft({ nats }: NatsRun): Promise<number> {
  let stolen = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const thief = new PlainProgram(new URL("./plain-nats-thief.ts", import.meta.url), [nats.url, String(STOLEN_MAX)], (said) => {
    if (said === "takes") setTimeout(resolve, THEFT_MS_MAX);
    else if (++stolen === STOLEN_MAX) resolve();
  });
  await Promise.race([promise, thief.ended()]);
  await thief.kill();
  return stolen;
}

/** Every refusal, up to a number: the same request over HTTP, with its key and with another one. */
async function compareWithHttp(
  server: KillableServer,
  told: NatsTold,
  orders: ReadonlyMap<string, NatsOrder>,
): Promise<{ readonly refusalsCompared: number; readonly httpKeys: ReadonlySet<string> }> {
  const client = new KeepAliveClient(server.url, 16);
  const httpKeys = new Set<string>();
  const refused = [...told.answered].filter(([, { status }]) => status >= 400);
  const step = Math.max(1, Math.floor(refused.length / REFUSALS_MAX));
  const chosen = refused.filter((_, i) => i % step === 0);
  for (const [key, answer] of chosen) {
    const order = orders.get(key);
    if (order === undefined) continue;
    const path = `/v1/${order.command === "deposit" ? "deposits" : "transfers"}`;
    const same = await client.send({ method: "POST", path, key, body: order.body });
    const otherKey = `http-${key}`;
    httpKeys.add(otherKey);
    const other = await client.send({ method: "POST", path, key: otherKey, body: order.body });
    const isKept = answer.status !== 400;
    if (same.status !== answer.status || (isKept ? same.body !== answer.body : timeless(same.body) !== timeless(answer.body)))
      told.defects.push(`${key}: NATS refuses with ${shown(answer)}, HTTP with the same key with ${same.status} ${same.body}`);
    if (other.status !== answer.status || timeless(other.body) !== timeless(answer.body))
      told.defects.push(`${key}: NATS refuses with ${shown(answer)}, HTTP with ${other.status} ${other.body}`);
    if (answer.errorCode !== String(answer.status) || answer.error === "" || codeOf(answer.body) !== CODE_OF_WISH[order.wish])
      told.defects.push(`${key}: is refused as ${codeOf(answer.body)}, with the headers ${answer.errorCode} ${answer.error}`);
  }
  told.defects.push(...defectsOfTrial(await client.send({ method: "GET", path: "/v1/ledger/trial-balance" })));
  client.close();
  return { refusalsCompared: chosen.length, httpKeys };
}

/** Without what two refusals of one kind differ in: when it was, and which transfer of its own it was about. */
const timeless = (body: string): string =>
  body.replace(/"timestamp":"[^"]*"/, '"timestamp":""').replace(/\/v1\/transfers\/[A-Za-z0-9_-]{43}/g, "/v1/transfers/");

function codeOf(body: string): string | null {
  try {
    return (JSON.parse(body) as { readonly code?: string }).code ?? null;
  } catch {
    return null;
  }
}

/** Every transfer that was answered has its event, and no more come; or the limit is reached, and what is missing will be named. */
async function eventsArrived(told: NatsTold, orders: ReadonlyMap<string, NatsOrder>, msMax: number): Promise<void> {
  const wanted = [...told.answered.keys()].filter((key) => orders.get(key)?.wish !== "bad-amount").length;
  const until = performance.now() + msMax;
  const ends = (): number => new Set(told.events.filter(({ subject }) => isEnd(subject)).map(({ attributes }) => attributes.id)).size;
  for (let heard = -1; performance.now() < until && (ends() < wanted || told.events.length > heard); await delay(EVENTS_QUIET_MS))
    heard = told.events.length;
}
/** Whether the event says that a transfer has ended. */
export const isEnd = (subject: string): boolean =>
  subject === "troupe.events.transfer.completed" || subject === "troupe.events.transfer.failed";
