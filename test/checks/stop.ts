/**
 * Ends the server under load, in order and not, again and again, and proves that nothing accepted was lost and nothing done twice.
 *
 *   check:stop -- --rounds 50 --json     half of the rounds SIGTERM, half kill -9, some of them under `start --supervise`
 *
 * After every round `journal-reader.ts` (plain SQL, no code of the service) reads the journal: every acknowledged outcome must be there byte for
 * byte, everything that was answered 202 too, and after a stop in order nothing may be under way. Strangers who come during a stop hold the
 * server to its words: who is told SHUTTING_DOWN must not be in the journal, who is told 201 must be, and no answer is a half one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CheckResult, percentile, runCheck } from "../support/check-run.ts";
import { type Order, randomOrders } from "../support/ledger-load.ts";
import { OrderLoad } from "../support/order-load.ts";
import { randomOf } from "../support/seeded-random.ts";
import { stopRounds } from "../support/stop-rounds.ts";

const USAGE = `check:stop [--rounds 50] [--connections 64] [--accounts 300] [--acks 200] [--seed <number>] [--json]
--acks: acknowledgements before each end.`;
const DEFECTS_SHOWN = 10;

await runCheck(
  USAGE,
  { rounds: 50, connections: 64, accounts: 300, acks: 200, seed: Date.now() % 1_000_000 },
  async (options): Promise<CheckResult> => {
    const dataDir = mkdtempSync(join(tmpdir(), "troupe-stop-"));
    const random = randomOf(options.seed);
    const load = new OrderLoad<Order>({ next: randomOrders(options.accounts, random), connections: options.connections });
    try {
      const { stopMs, backMs, readyMs, rounds, defects, ...figures } = await stopRounds({ ...options, dataDir, random, load });
      const played = Object.values(rounds).reduce((sum, count) => sum + count, 0);
      const wanting = [
        ...(played === options.rounds ? [] : [`${played} rounds of ${options.rounds}`]),
        // Each stop in order has a moment in which it must refuse; that nobody ever met it would mean that the strangers came too late.
        ...(figures.strangers.refused > 0 ? [] : ["no stranger was told SHUTTING_DOWN"]),
        ...(figures.halfAnswers === 0 ? [] : [`${figures.halfAnswers} half answers of servers that stopped in order`]),
        ...defects,
      ];
      return {
        ok: wanting.length === 0 && figures.lost === 0 && figures.doubled === 0,
        rounds: played,
        styles: rounds,
        ...figures,
        acknowledged: load.acknowledged.size,
        accepted202: load.accepted.size,
        repeatedUnanswered: load.repeated,
        replaysCompared: load.replays,
        stopMsP50: Math.round(percentile(stopMs, 0.5)),
        stopMsMax: Math.round(percentile(stopMs, 1)),
        backMsP50: Math.round(percentile(backMs, 0.5)),
        readyMsP50: Math.round(percentile(readyMs, 0.5)),
        seed: options.seed,
        defects: wanting.slice(0, DEFECTS_SHOWN),
      };
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
);
