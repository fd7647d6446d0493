/**
 * Ends the server at random under the load of conversations, in order and not, and proves that no turn and no summary is lost, done twice or out of order (R-CON-4).
 *
 *   check:turns -- --turns 10000 --kills 40 --json      500 conversations; half of the ends SIGTERM, half kill -9
 *   check:turns -- --weaken reply-before-commit         the server breaks a promise on purpose: the check must fail
 *
 * Clients hold what they were answered; after every end the messages without an answer, the latest and some older ones are sent again with their keys. In the
 * end `turn-journal.ts` (plain SQL and AES, no code of the service) must find every acknowledged turn once, with its text and its reply, and every turn in
 * exactly one summary, in the order of turns. What the endpoint makes of a summary's prompt proves what stood in it: the summary before, and the messages of
 * exactly its turns (R-CON-2). A third of the kills come while another program keeps the journal from committing and further clients say what wants no
 * reply: what is acknowledged then is lost for sure, which is how the planted bug is found.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckResult, percentile, runCheck } from "../support/check-run.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";
import { readTurns } from "../support/turn-journal.ts";
import { killBetweenTurns, type TurnKillFigures } from "../support/turn-kills.ts";
import { type TurnLoad, type TurnOrder, TurnOrders } from "../support/turn-orders.ts";
import { turnPromises } from "../support/turn-promises.ts";

const USAGE = `check:turns [--turns 10000] [--kills 40] [--conversations 500] [--connections 64] [--weaken reply-before-commit] [--seed <number>] [--json]
--kills: ends of the server, half of them SIGTERM and half kill -9.`;
const DEFECTS_SHOWN = 10;

await runCheck(
  USAGE,
  { turns: 10_000, kills: 40, conversations: 500, connections: 64, weaken: "", seed: Date.now() % 1_000_000 },
  async (options): Promise<CheckResult> => {
    if (!["", "reply-before-commit"].includes(options.weaken)) throw new Error(`--weaken knows reply-before-commit, not ${options.weaken}`);
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-turns-"));
    const random = randomOf(options.seed);
    const orders = new TurnOrders({ ...options, random });
    const load = new OrderLoad<TurnOrder>({ next: orders.next, connections: options.connections });
    try {
      const figures = await killBetweenTurns({ ...options, dataDir, random, load, orders });
      return judged({ ...options, dataDir, load, figures });
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);

interface Played {
  readonly turns: number;
  readonly kills: number;
  readonly conversations: number;
  readonly weaken: string;
  readonly seed: number;
  readonly dataDir: string;
  readonly load: TurnLoad;
  readonly figures: TurnKillFigures;
}

function judged({ turns, kills, conversations, weaken, seed, dataDir, load, figures }: Played): CheckResult {
  const { again, ends, defects, readyMs, stopMs, ...told } = figures;
  const books = readTurns(dataDir);
  const { defects: broken, turns: inJournal, ...promises } = turnPromises(books, load, again);
  const killed = ends.answered + ends.any + ends.held;
  const wanting = [
    ...(killed + ends.term === kills ? [] : [`${killed + ends.term} ends of ${kills}`]),
    ...(load.acknowledged.size === turns ? [] : [`${load.acknowledged.size} messages of ${turns} were acknowledged`]),
    ...(inJournal === turns ? [] : [`the journal holds ${inJournal} turns of ${turns}`]),
    // An end that nobody was under way at shows nothing.
    ...(figures.inFlight * 2 >= kills ? [] : [`only ${figures.inFlight} of ${kills} ends met messages in flight`]),
    // The third life has an endpoint: without its summaries nothing shows what they are made of.
    ...(kills < 2 || promises.summariesProven > 0 ? [] : ["no summary was made by the endpoint"]),
    ...defects,
    ...broken,
  ];
  const { lost, duplicated, outOfOrder } = promises;
  return {
    ok: wanting.length === 0 && lost + duplicated + outOfOrder === 0,
    turns: inJournal,
    kills: killed,
    terms: ends.term,
    killsWhileJournalHeld: ends.held,
    acknowledged: load.acknowledged.size,
    ...promises,
    ...told,
    regenerated: again.length,
    conversations: Math.min(conversations, books.conversations.size),
    repeatedUnanswered: load.repeated,
    replaysCompared: load.replays,
    replaysChanged: load.changed.size,
    journalRecords: books.records,
    readyMsP50: Math.round(percentile(readyMs, 0.5)),
    stopMsP50: Math.round(percentile(stopMs, 0.5)),
    stopMsMax: Math.round(percentile(stopMs, 1)),
    ...(weaken === "" ? {} : { weaken }),
    seed,
    defects: wanting.slice(0, DEFECTS_SHOWN),
  };
}
