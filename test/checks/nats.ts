/**
 * Sends commands over NATS while the service is killed, its NATS is restarted and commands are stolen from the stream, and proves that each effect is there
 * once and that every event is heard, in order (issue 5, must show 1 and 2).
 *
 *   check:nats -- --commands 20000 --json               20,000 by request and reply and 20,000 through the stream, one of ten sent twice
 *   check:nats -- --weaken reply-before-commit          the server answers before the commit: the check must fail
 *   check:nats -- --weaken ack-before-commit            the server acknowledges to the stream before the commit: the check must fail
 *   check:nats -- --weaken other-keys                   the client repeats with other keys: the check must fail
 *
 * The client, the thief and two listeners are programs that use `nats` and `@nats-io/jetstream` and nothing of the service. One listener reads the stream,
 * which passes over repeats by itself: nothing may be missing there. The other has a plain subscription and hears each repeat, which must be the same event;
 * new events of an entity come in order there too, but it may miss what was sent while it was away. In the end `journal-reader.ts` (plain SQL, no code of the
 * service) must find every command that was acknowledged, by an answer or by the stream, byte for byte and once, and books that add up; refusals are sent
 * over HTTP too and must be the same. Of four kills one comes while acknowledgements of events are kept back, so that there are repeats, and one comes while
 * another program holds the journal's lock: what is acknowledged then is lost for sure, which is how the planted bugs are found.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { natsLines } from "../../tools/nats-server.mjs";
import { type CheckResult, percentile, runCheck } from "../support/check-run.ts";
import { allOrders } from "../support/nats-orders.ts";
import { natsPromises } from "../support/nats-promises.ts";
import { type NatsFigures, type NatsRun, runOverNats } from "../support/nats-run.ts";
import { TestNats } from "../support/nats-server.ts";
import { randomOf } from "../support/seeded-random.ts";
import { SlowProxy } from "../support/slow-proxy.ts";

const USAGE = `check:nats [--commands 20000] [--kills 5] [--restarts 2] [--server 2.10]
           [--weaken reply-before-commit|ack-before-commit|other-keys] [--seed <number>] [--json]
--commands: by request and reply, and as many through the stream. --kills: kill -9 of the service. --restarts: of the server of NATS. --server: its line of versions.`;
const WEAKENED = ["", "reply-before-commit", "ack-before-commit", "other-keys"];
const DEFECTS_SHOWN = 10;

await runCheck(
  USAGE,
  { commands: 20_000, kills: 5, restarts: 2, server: "2.10", weaken: "", seed: Date.now() % 1_000_000 },
  async (options): Promise<CheckResult> => {
    if (!WEAKENED.includes(options.weaken)) throw new Error(`--weaken knows ${WEAKENED.slice(1).join(", ")}, not ${options.weaken}`);
    const version = natsLines.find((line) => line === options.server);
    if (version === undefined) throw new Error(`--server knows ${natsLines.join(" and ")}, not ${options.server}`);
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-nats-check-"));
    const nats = await TestNats.start({ version, jetstream: true });
    const orders = new Map([...allOrders(options.commands)].map((order) => [order.key, order]));
    const proxy = await SlowProxy.start(nats.port);
    const run = { ...options, dataDir, nats, proxy, random: randomOf(options.seed) };
    try {
      const figures = await runOverNats(run, orders);
      return judged(run, figures, natsPromises(join(dataDir, "journal.db"), figures, orders), options.seed);
    } finally {
      await proxy[Symbol.asyncDispose]();
      await nats.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

function judged(run: NatsRun, figures: NatsFigures, promises: ReturnType<typeof natsPromises>, seed: number): CheckResult {
  const { told } = figures;
  const { books, defects, ...kept } = promises;
  const twice = Math.floor(run.commands / 5);
  const wanting = [
    ...(told.answered.size === 2 * run.commands ? [] : [`${told.answered.size} commands of ${2 * run.commands} were answered`]),
    ...(told.stored.size === run.commands || run.weaken === "other-keys"
      ? []
      : [`the stream stored ${told.stored.size} commands of ${run.commands}`]),
    ...(told.compared >= twice * 0.9 ? [] : [`only ${told.compared} commands were sent twice`]),
    // A theft that took nothing shows nothing.
    ...(run.kills === 0 || told.stolen > 0 ? [] : ["no command was taken from the stream without an acknowledgement"]),
    // Of two kills one comes while acknowledgements are kept back; when nothing is sent again, nothing is shown of repeats.
    ...(run.kills < 2 || run.weaken !== "" || kept.repeats > 0 ? [] : ["the plain subscriber heard no event twice"]),
    ...defects,
  ];
  const { lost, doubled, eventsMissing, eventsOutOfOrder, repeatsChanged, subscribedOutOfOrder } = kept;
  return {
    ok: wanting.length === 0 && lost + doubled + eventsMissing + eventsOutOfOrder + repeatsChanged + subscribedOutOfOrder === 0,
    commands: run.commands,
    ...kept,
    stored: told.stored.size,
    kills: figures.kills,
    killsWhileJournalHeld: figures.killsWhileJournalHeld,
    restarts: figures.restarts,
    sentTwice: told.compared,
    differing: told.differing,
    sentAgain: told.sentAgain,
    askedFor: told.askedFor,
    stolen: told.stolen,
    refusalsCompared: figures.refusalsCompared,
    events: told.events.length,
    transfers: books.transfers.size,
    journalRecords: books.records,
    readyMsP50: Math.round(percentile(figures.readyMs, 0.5)),
    ...(run.weaken === "" ? {} : { weaken: run.weaken }),
    natsServer: told.natsVersion,
    seed,
    defects: wanting.slice(0, DEFECTS_SHOWN),
  };
}
