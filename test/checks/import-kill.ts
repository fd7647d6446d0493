/**
 * R-LED-4 and L3 for the import: `troupe import` through HTTP while the server is killed with SIGKILL in the middle. The first kill is followed
 * by a restart at once, which the running import must ride out; after the second one nobody comes back, so the import gives up and says so.
 * Then the server is started and the same command run again, twice: every movement is there once, each stored balance is the file's.
 *
 *   npm run -s check:import -- <csv[.gz]> [--map config/import/berka.json] [--json]
 *
 * With `--json` the last line of standard output is {ok, movements, effectsAtKills, ...}; exit 0 only when ok.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { rowsOfFile } from "../../src/system/cli/import-file.ts";
import { readMapping } from "../../src/system/cli/import-mapping.ts";
import { type CliServer, figuresOf, freePort, runCli, startCli, tempFolder } from "../support/cli.ts";

export interface ImportKillResult {
  readonly ok: boolean;
  /** Movements that the file asks for, adjustments among them. */
  readonly movements: number;
  /** Movements done when the server was killed, first and second time. */
  readonly effectsAtKills: readonly number[];
  /** The interrupted import ended by itself with an error that says why. */
  readonly isInterruptionTold: boolean;
  readonly newEffects: number;
  readonly replayed: number;
  readonly differences: number;
  readonly newEffectsAgain: number;
  readonly replayedAgain: number;
  /** Entries in the books; a movement has two. */
  readonly entries: number;
  readonly trialBalance: number;
  readonly isJournalWhole: boolean;
}

/** Shares of the movements after which the server is killed. */
const KILL_AT = [0.25, 0.6] as const;
const LOOK_MS = 10;
const LOOKS_MAX = 6000;

/** Runs the check with a server of its own in a new folder. @throws when a program cannot be run or the import was over before the kill. */
export async function checkImportKill(csv: string, map: string): Promise<ImportKillResult> {
  using folder = tempFolder();
  const port = String(await freePort());
  const start = (): Promise<CliServer> => startCli(folder.path, "--http.port", port);
  const command = ["import", csv, "--map", map, "--url", `http://127.0.0.1:${port}`, "--verify", "--json"];
  const movements = await countMovements(csv, map);

  const effectsAtKills: number[] = [];
  const first = await start();
  const interrupted = runCli(...command);
  effectsAtKills.push(await killAt(first, movements * KILL_AT[0]));
  const second = await start();
  effectsAtKills.push(await killAt(second, movements * KILL_AT[1]));
  const told = figuresOf(await interrupted);

  await using third = await start();
  const again = figuresOf(await runCli(...command));
  const oncemore = figuresOf(await runCli(...command));
  const { entries } = await booksOf(third.url);
  await third.end("SIGTERM");
  const journal = figuresOf(await runCli("journal", "verify", "--data-dir", folder.path, "--json"));

  const result = {
    movements,
    effectsAtKills,
    isInterruptionTold: told.ok === false && told.code === "SERVER_UNREACHABLE",
    newEffects: Number(again.newEffects),
    replayed: Number(again.replayed),
    differences: Number(again.differences) + Number(oncemore.differences),
    newEffectsAgain: Number(oncemore.newEffects),
    replayedAgain: Number(oncemore.replayed),
    entries,
    trialBalance: Number(oncemore.trialBalance),
    isJournalWhole: journal.ok === true,
  };
  const ok =
    result.isInterruptionTold &&
    again.ok === true &&
    oncemore.ok === true &&
    result.newEffects + result.replayed === movements &&
    result.newEffects > 0 &&
    result.newEffectsAgain === 0 &&
    result.replayedAgain === movements &&
    result.entries === 2 * movements &&
    result.isJournalWhole;
  return { ok, ...result };
}

async function countMovements(csv: string, map: string): Promise<number> {
  let count = 0;
  for await (const row of rowsOfFile(csv, readMapping(map))) count += row.movements.length;
  return count;
}

/** Waits until so many movements are in the books, then kills. Answers how many there were at the last look. */
async function killAt(server: CliServer, movements: number): Promise<number> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const effects = (await booksOf(server.url)).entries / 2;
    if (effects >= movements) {
      await server.end("SIGKILL");
      return Math.floor(effects);
    }
    await delay(LOOK_MS);
  }
  await server.end("SIGKILL");
  throw new Error(`the import did not come to ${movements} movements`);
}

async function booksOf(url: string): Promise<{ readonly entries: number }> {
  const answer = await fetch(`${url}/v1/ledger/trial-balance`);
  // The books may be a moment behind while the import runs.
  if (answer.status === 503) return { entries: 0 };
  const { lines } = (await answer.json()) as { readonly lines: ReadonlyArray<{ readonly entries: number }> };
  return { entries: lines.reduce((sum, { entries }) => sum + entries, 0) };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      map: { type: "string", default: "config/import/berka.json" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const [csv] = positionals;
  if (values.help || csv === undefined) {
    process.stdout.write("check:import <csv[.gz]> [--map config/import/berka.json] [--json]\n\nKills the server twice during an import.\n");
    process.exitCode = values.help ? 0 : 1;
  } else {
    const result = await checkImportKill(csv, values.map);
    if (!values.json) for (const [name, value] of Object.entries(result)) process.stdout.write(`  ${name.padEnd(20)} ${String(value)}\n`);
    else process.stdout.write(`${JSON.stringify(result)}\n`);
    process.exitCode = result.ok ? 0 : 1;
  }
}
