/**
 * Every setting of Troupe with its default, limits and meaning. Only this file knows them; names, documentation and error
 * texts are derived. A key is `section.name`; its unit and bound end the name.
 */
import { z } from "zod";

/** What a setting's schema carries besides its check: `description` ends with `allowed`, which errors quote. */
export type SettingMeta = { readonly description: string; readonly allowed: string };

const documented = <S extends z.ZodType>(schema: S, text: string, allowed: string): S =>
  schema.meta({ description: `${text} Allowed: ${allowed}.`, allowed } satisfies SettingMeta);

type Range = { readonly unit: string; readonly min: number; readonly max: number };

const count = (text: string, byDefault: number, { unit, min, max }: Range) =>
  documented(z.int().min(min).max(max).default(byDefault), text, `whole number of ${unit}, ${min} to ${max}`);

const milliseconds = (text: string, byDefault: number, max = 86_400_000, min = 1) =>
  count(text, byDefault, { unit: "milliseconds", min, max });

const flag = (text: string, byDefault: boolean) => documented(z.boolean().default(byDefault), text, "true or false");

const words = (text: string, byDefault: string) =>
  documented(z.string().min(1).max(4096).default(byDefault), text, "text, 1 to 4096 characters");

const choice = <const T extends readonly [string, ...string[]]>(text: string, choices: T, byDefault: NoInfer<T[number]>) =>
  // The default is one of the choices by its type, which zod's mapped type of an enum cannot see through a type parameter.
  documented(z.literal(choices).default(byDefault as never), text, choices.map((word) => `"${word}"`).join(", "));

/** A text that may be absent. The word null means absence, also in the environment and in flags, so no such text may be "null". */
const optional = (text: string, shape: RegExp, allowed: string) =>
  documented(
    z
      .string()
      .max(4096)
      .regex(shape)
      .refine((word) => word !== "null")
      .nullable()
      .default(null),
    text,
    `null or ${allowed}`,
  );

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

export const configSchema = z.strictObject({
  http: z.strictObject({
    host: words("Address that the HTTP server listens on.", "127.0.0.1"),
    port: documented(
      z.int().min(0).max(65_535).default(7070),
      "Port that the HTTP server listens on; 0 takes a free one.",
      "whole number, 0 to 65535",
    ),
    bodyBytesMax: count("Largest body of one request, except bulk streams; larger is refused with 413.", MIB, {
      unit: "bytes",
      min: KIB,
      max: GIB,
    }),
    jsonDepthMax: count("Deepest nesting of a JSON body; deeper is refused with 400.", 32, { unit: "levels", min: 1, max: 1000 }),
    jsonKeysMax: count("Most object keys and array items in one JSON body; more is refused with 400.", 1000, {
      unit: "keys",
      min: 1,
      max: 1_000_000,
    }),
    answerMsMax: milliseconds("Longest wait for an answer, after which the client gets 202, 504 or 503.", 30_000, 600_000),
    bulkInFlightMax: count("Lines of one bulk request that are worked on at once.", 1024, { unit: "lines", min: 1, max: 65_536 }),
    bulkLineBytesMax: count("Longest line of a bulk request.", 16 * KIB, { unit: "bytes", min: 256, max: 16 * MIB }),
    connectionsMax: count("Most connections at once; further ones are closed on arrival.", 10_000, {
      unit: "connections",
      min: 1,
      max: 1_000_000,
    }),
    requestTimeoutMs: milliseconds("Longest time for receiving one whole request, except bulk streams.", 60_000),
    streamsMax: count("Streams of events that are open at once, SSE and WebSocket together; further ones are refused with 503.", 1000, {
      unit: "streams",
      min: 1,
      max: 1_000_000,
    }),
    streamHeartbeatMs: milliseconds("Time between two heartbeats of a stream of events.", 15_000, 600_000, 100),
    streamAgeMsMax: milliseconds(
      "Longest life of a stream of events; its client then comes back to where it was.",
      1_800_000,
      86_400_000,
      100,
    ),
    streamStalledMs: milliseconds(
      "Time after which a stream is cut whose client does not read what is sent; it can come back to where it was.",
      30_000,
      3_600_000,
      100,
    ),
    gzipBytesMin: count("Smallest answer that is compressed for clients that accept gzip.", KIB, { unit: "bytes", min: 0, max: GIB }),
  }),
  data: z.strictObject({
    dir: words("Folder of the store; made when missing, used by one process at a time.", "./data-local"),
  }),
  shard: z.strictObject({
    count: count("Shards of the store; fixed when the store is made, another number is refused later.", 64, {
      unit: "shards",
      min: 1,
      max: 4096,
    }),
    threads: documented(
      z.int().min(1).max(256).nullable().default(null),
      "Threads that run shards; null takes one less than the machine has cores, at least 1.",
      "null or whole number of threads, 1 to 256",
    ),
    commandsMax: count("Commands accepted and not yet answered, per thread; more are refused with 503.", 8192, {
      unit: "commands",
      min: 1,
      max: 1_000_000,
    }),
    mailboxMax: count("Messages waiting for one entity; a command beyond is refused with MAILBOX_FULL.", 1000, {
      unit: "messages",
      min: 1,
      max: 1_000_000,
    }),
    turnMessagesMax: count("Messages that a thread handles before it lets input and output run.", 1024, {
      unit: "messages",
      min: 1,
      max: 1_000_000,
    }),
    turnMsMax: milliseconds("Time that a thread handles messages before it lets input and output run.", 5, 1000),
    groupEntriesMax: count("Most entries in one commit group.", 2000, { unit: "entries", min: 1, max: 100_000 }),
    groupsInFlightMax: count("Commit groups of one thread that the journal has and has not answered.", 4, {
      unit: "groups",
      min: 1,
      max: 64,
    }),
    entitiesIdleMs: milliseconds("Time without a message after which an entity leaves memory.", 60_000),
    entitiesMax: count("Entities in memory per thread; beyond, idle ones leave.", 100_000, { unit: "entities", min: 1, max: 10_000_000 }),
    entitiesBytesMax: count(
      "Estimated memory of the entities of one thread; beyond, those with the largest bytes x idle time leave, and at twice as much new commands are refused with 503.",
      512 * MIB,
      { unit: "bytes", min: 64 * KIB, max: 1024 * GIB },
    ),
    tellOpenMax: count("Messages between entities that are not yet handled, per thread; beyond, new commands are refused.", 100_000, {
      unit: "messages",
      min: 1,
      max: 10_000_000,
    }),
    portMessagesMax: count(
      "Messages of one shard thread that another has not handled, from which on the first takes no new commands (503); messages between entities go on.",
      16_384,
      { unit: "messages", min: 1, max: 10_000_000 },
    ),
    heapMiBMax: count("JavaScript heap of one shard thread; beyond, the thread ends and its successor recovers.", 2048, {
      unit: "MiB",
      min: 64,
      max: 65_536,
    }),
    hopsMax: count("Messages caused one by the other without outside input; the next becomes a dead letter.", 100, {
      unit: "messages",
      min: 1,
      max: 10_000,
    }),
  }),
  threads: z.strictObject({
    heartbeatMs: milliseconds(
      "Time without progress after which a thread is ended and replaced. A call to the disk is waited for, however long it takes.",
      2000,
      600_000,
      100,
    ),
  }),
  journal: z.strictObject({
    unsafe: flag("Lets the ledger run on a journal that can lose acknowledged work in a power cut. For experiments only.", false),
    synchronous: choice('SQLite\'s synchronous mode of the journal. "normal" needs journal.unsafe.', ["full", "normal"], "full"),
    diskFreeBytesMin: count("Free disk space below which new commands are refused.", 64 * MIB, { unit: "bytes", min: 0, max: 1024 * GIB }),
    busyTimeoutMs: milliseconds(
      "Longest wait for another program's lock on a file of the store, for example a backup's.",
      5000,
      600_000,
      0,
    ),
    cacheKiB: count("Page cache of the journal's connection, and of those of the snapshots.", 16_384, {
      unit: "KiB",
      min: 64,
      max: 16_777_216,
    }),
    walPagesMax: count(
      "Pages in the write-ahead log after which the journal moves them to the main file and begins the log anew. A page has 16 KiB, in a store whose journal was made with smaller pages 4.",
      1_000,
      {
        unit: "pages",
        min: 100,
        max: 10_000_000,
      },
    ),
  }),
  checkpoint: z.strictObject({
    everyMs: milliseconds("Longest time between the starts of two checkpoints while something changes.", 5000),
    everyEntities: count("Changed entities that start a checkpoint early.", 60_000, { unit: "entities", min: 1, max: 10_000_000 }),
    batchRows: count("Most snapshots written in one transaction.", 10_000, { unit: "rows", min: 1, max: 100_000 }),
  }),
  views: z.strictObject({
    waitMsMax: milliseconds("Longest wait of a read for its view to reach the journal; then 503 VIEW_BEHIND.", 1000, 60_000, 0),
    batchRecordsMax: count("Most journal records that a view takes in one transaction.", 2048, { unit: "records", min: 1, max: 100_000 }),
    cacheKiB: count("Page cache of the views' connection.", 16_384, { unit: "KiB", min: 64, max: 16_777_216 }),
  }),
  admin: z.strictObject({
    port: documented(
      z.int().min(0).max(65_535).default(0),
      "Port of the admin server, which listens on the loopback only; 0 takes a free one, which run.json in the data directory names (adminUrl).",
      "whole number, 0 to 65535",
    ),
  }),
  pool: z.strictObject({
    threads: documented(
      z.int().min(1).max(256).nullable().default(null),
      "Threads of the worker pool, which performs compute effects; null takes half of the machine's cores, at least 1. They start with the first task.",
      "null or whole number of threads, 1 to 256",
    ),
    queueMax: count("Tasks that wait for a thread of the pool; more are offered again later.", 1000, {
      unit: "tasks",
      min: 0,
      max: 1_000_000,
    }),
    taskMsMax: milliseconds("Longest time for one task of the pool; then its thread is ended and the attempt has failed.", 60_000),
    heapMiBMax: count("JavaScript heap of one thread of the pool; beyond, the thread ends and the attempt has failed.", 512, {
      unit: "MiB",
      min: 16,
      max: 65_536,
    }),
  }),
  ai: z.strictObject({
    url: optional(
      "Base URL of an OpenAI-compatible endpoint, to which /chat/completions is added; null takes the built-in replier and summarizer, which need no network.",
      /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#@\\]*)?$/,
      "an http or https URL without user, query and fragment",
    ),
    hostsAllowed: optional(
      "Hosts that ai.url may name, so that a changed URL does not carry conversations elsewhere; null means the host of ai.url. Redirects are never followed.",
      /^[^\s,/]+(\s*,\s*[^\s,/]+)*$/,
      "host names separated by commas",
    ),
    keyEnv: optional(
      "Environment variable that holds the endpoint's key; one of its own, because names that begin with TROUPE_ are settings.",
      /^[A-Z_][A-Z0-9_]*$/,
      "the name of a variable in capitals",
    ),
    keyFile: optional("File that holds the endpoint's key and nothing else; wins over ai.keyEnv.", /[/\\]/, "a path with a / in it"),
    model: words("Model that the endpoint is asked for.", "default"),
    connectionsMax: count("Connections to the endpoint for replies, and as many for summaries, each with one request at a time.", 50, {
      unit: "connections",
      min: 1,
      max: 1000,
    }),
    connectionIdleMs: milliseconds("Time after which a connection without a request is closed.", 20_000),
    connectionAgeMsMax: milliseconds("Time after which a connection gets no new request.", 300_000),
    connectionWaitMs: milliseconds("Longest wait for a free connection.", 10_000, 600_000),
    connectMs: milliseconds("Longest time for making a connection.", 5_000, 600_000),
    writeMs: milliseconds("Longest time for sending a request.", 10_000, 600_000),
    readMs: milliseconds("Longest wait for the head of an answer, and between two parts of its body.", 60_000, 3_600_000),
    responseMs: milliseconds("Longest time from sending a request to the last byte of its answer.", 60_000, 3_600_000),
    bodyBytesMax: count("Largest answer of the endpoint, also when unpacked.", 10 * MIB, { unit: "bytes", min: KIB, max: GIB }),
    promptCharsMax: count("Largest prompt; older messages are left out of a reply's, long ones are cut in a summary's.", 48_000, {
      unit: "characters",
      min: 1000,
      max: 10_000_000,
    }),
    attemptsMax: count("Attempts at a reply or summary: the first and its repeats, on 429, 5xx, lost connections and timeouts.", 4, {
      unit: "attempts",
      min: 1,
      max: 20,
    }),
    backoffMsMin: milliseconds("Rest after the first failed attempt; doubles with each.", 2_000),
    backoffMsMax: milliseconds("Longest rest between attempts, with its jitter; a longer Retry-After of the endpoint counts.", 30_000),
    jitterPercent: count("Share of a rest that is drawn on top at random.", 50, { unit: "percent", min: 0, max: 100 }),
    deadlineMs: milliseconds("Longest time for a reply with all its attempts and waits; then it has failed.", 300_000),
    breakerOpenMs: milliseconds("Time for which no attempt is made after most of the last ones failed.", 30_000),
    localWordMs: milliseconds("Rest of the built-in replier before each word, for trying out streaming.", 0, 10_000, 0),
  }),
  conversation: z.strictObject({
    summaries: choice(
      'When a post is answered: "async" as soon as the reply is durable, "inline" when the summary of its turn is too (for comparison).',
      ["async", "inline"],
      "async",
    ),
    repliesMax: count("Replies that are made at once; further ones wait, durably.", 50, { unit: "replies", min: 1, max: 10_000 }),
    summariesMax: count("Summaries that are made at once; further ones wait, durably, and hold up no reply.", 8, {
      unit: "summaries",
      min: 1,
      max: 1_000,
    }),
    summaryThreads: count("Threads of the built-in summarizer, a pool of its own; they start with the first summary.", 1, {
      unit: "threads",
      min: 1,
      max: 256,
    }),
    summaryQueueMax: count("Summaries that wait for one of these threads; more are offered again later.", 100, {
      unit: "summaries",
      min: 0,
      max: 1_000_000,
    }),
    summaryMsMax: milliseconds(
      "Longest time for one summary on these threads; then its thread is ended and the attempt has failed.",
      60_000,
    ),
  }),
  nats: z.strictObject({
    servers: optional(
      "NATS servers, tried in turn; null = NATS is not used, and nothing of it is loaded. With one that begins with tls:// all must speak TLS. Names and passwords stand in nats.user, nats.passwordEnv and nats.credentialsFile.",
      /\S/, // See `natsProblems`, which says what is wrong with one.
      "nats://host:port or tls://host:port, several separated by commas",
    ),
    name: words("Name of the connection in the servers' monitoring.", "troupe"),
    inboxPrefix: documented(
      z
        .string()
        .regex(/^_INBOX[A-Za-z0-9_-]{0,40}$/)
        .default("_INBOX_troupe"),
      "First token of the subjects on which this node gets answers, so that permissions can be given for them alone.",
      "_INBOX and up to 40 letters, digits, - and _",
    ),
    credentialsFile: optional("File with a user's JWT and seed, as nsc makes it.", /[/\\]/, "a path with a / in it"),
    user: optional("User name; its password stands in the variable that nats.passwordEnv names.", /^\S+$/, "a name without blanks"),
    passwordEnv: optional(
      "Environment variable that holds the password of nats.user.",
      /^[A-Z_][A-Z0-9_]*$/,
      "the name of a variable in capitals",
    ),
    tokenEnv: optional("Environment variable that holds a token.", /^[A-Z_][A-Z0-9_]*$/, "the name of a variable in capitals"),
    tlsCaFile: optional("File with the certificates that servers are checked against.", /[/\\]/, "a path with a / in it"),
    tlsCertFile: optional(
      "File with this node's certificate, where servers want to see one; nats.tlsKeyFile belongs to it.",
      /[/\\]/,
      "a path with a / in it",
    ),
    tlsKeyFile: optional("File with the key of this node's certificate.", /[/\\]/, "a path with a / in it"),
    connectMs: milliseconds("Longest time for making a connection.", 5_000, 600_000),
    reconnectMsMin: milliseconds("Rest before a connection is tried again; doubles with each failure, half of it is random.", 250, 600_000),
    reconnectMsMax: milliseconds("Longest rest before a connection is tried again.", 5_000, 600_000),
    commandsMax: count("Commands by request and reply that are worked on at once; more are refused with Retry-After.", 4096, {
      unit: "commands",
      min: 1,
      max: 1_000_000,
    }),
    durable: flag("Takes commands from the stream TROUPE_COMMANDS, and makes the streams that are missing. Needs JetStream.", true),
    durableMax: count("Commands of the stream that are worked on at once.", 512, { unit: "commands", min: 1, max: 100_000 }),
    durableAttemptsMax: count("Attempts at a command of the stream, then it is a dead letter.", 8, { unit: "attempts", min: 1, max: 1000 }),
    durableBackoffMsMin: milliseconds("Rest after the first failed attempt at a command of the stream; doubles with each.", 500, 600_000),
    durableBackoffMsMax: milliseconds("Longest rest between two attempts at a command of the stream.", 30_000, 3_600_000),
    durableAckMs: milliseconds("Time after which the stream gives a command again that was not acknowledged.", 30_000, 3_600_000, 1000),
    events: flag("Sends events to the stream TROUPE_EVENTS, and makes it when it is missing. Needs JetStream.", true),
    eventsMax: count("Events that are sent and not yet acknowledged, at most one of each entity.", 256, {
      unit: "events",
      min: 1,
      max: 100_000,
    }),
    eventsAckMs: milliseconds("Longest wait for the acknowledgement of an event, which is then sent again.", 5_000, 600_000),
    replicas: count("Copies of the streams that are made here; needs as many servers.", 1, { unit: "copies", min: 1, max: 5 }),
  }),
  shutdown: z.strictObject({
    deadlineMs: milliseconds(
      "Longest time for an ordered stop; what is not finished by then resumes at the next start.",
      60_000,
      3_600_000,
    ),
    lameDuckMs: milliseconds(
      "Time in which /readyz is already 503 and requests are still taken, so that load balancers stop sending them; part of shutdown.deadlineMs. Behind a load balancer at least two intervals of its health check.",
      0,
      3_600_000,
      0,
    ),
  }),
  supervise: z.strictObject({
    restartsMax: count("Restarts of a node by `start --supervise` within supervise.windowMs; after the next death it gives up.", 10, {
      unit: "restarts",
      min: 0,
      max: 1000,
    }),
    windowMs: milliseconds("Time after which a death of a supervised node no longer counts.", 120_000),
    backoffMsMin: milliseconds("Rest before the first restart of a node that died; doubles with each death that counts.", 200, 3_600_000),
    backoffMsMax: milliseconds("Longest rest before a restart; half of every rest is random.", 10_000, 3_600_000),
  }),
  log: z.strictObject({
    level: choice("Least level of log lines that are written.", ["trace", "debug", "info", "warn", "error", "fatal", "silent"], "info"),
  }),
});

/** All settings, complete and checked. `shard.threads` null means "by the machine": see `shardThreadsOf`. */
export type Config = z.output<typeof configSchema>;
