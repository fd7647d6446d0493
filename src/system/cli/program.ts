/** The commands, their options and examples, and what all of them share: how errors are told and what `--json` means. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { EffectLook } from "../../runtime/index.ts";
import { describeConfig, splitArgv } from "../config/config.ts";
import type { NodeBug } from "../planted-bug.ts";
import { CliError, told } from "./cli-error.ts";
import { configOf, type Result, type Run } from "./command.ts";
import { EXIT_REFUSED, exitCodeOf } from "./exit-code.ts";

const JSON_TEXT = 'the last line of standard output is one JSON object with "ok" and the figures';
const DATA_DIR_TEXT = "folder of the store; the same as --data.dir";
const ADMIN_URL_TEXT = "ask this admin port; without it, that of the server that runs on the store";
const SETTINGS_TEXT = `
Settings: every key of docs/configuration.md is a flag (--data.dir DIR) and an environment variable (TROUPE_DATA_DIR=DIR);
--config FILE names a file of settings.`;

const EXIT_TEXT = `
Exit codes: 0 stopped in order; 1 failed, or forced by a second signal, and may be started again; ${EXIT_REFUSED} refused for a reason that another
start does not change: the command line, the configuration, the data directory in use, a journal that is damaged or unknown.`;

const example = (...lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  npm run -s troupe -- ${line}`).join("\n")}\n`;

/**
 * Runs one command line (without the program's name). Never rejects.
 * @returns the exit code: 0 only when the command's result is ok; see `exit-code.ts`.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const { config: flags, rest } = splitArgv(argv);
  const run: Run = { flags, isJson: rest.includes("--json") };
  let result: Result = { ok: true };
  const program = programOf(run, (found) => {
    result = found;
  });
  try {
    // First: the value of a misspelled setting would else be told as one argument too many.
    if (flags.length > 0) configOf(run);
    await program.parseAsync(rest, { from: "user" });
  } catch (error) {
    result = failure(error);
  }
  if (run.isJson) await written(`${JSON.stringify(result)}\n`);
  return exitCodeOf(result);
}

function failure(error: unknown): Result {
  // Help and version end by this too; commander has written what there is to say.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? { ok: true } : { ok: false, code: "USAGE", message: error.message.replace(/^error: /, "") };
  }
  const { code, message, isDefect } = told(error);
  process.stderr.write(`troupe: ${code}: ${message}\n`);
  if (isDefect) process.stderr.write("This is a defect of Troupe, not of what you did. Please report it with the lines above.\n");
  return { ok: false, code, message };
}

/** Standard output may be a pipe, and the process ends right after: what was written must have left. */
function written(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

function programOf(run: Run, keep: (result: Result) => void): Command {
  const program = new Command("troupe");
  program
    .description("Troupe: a durable actor runtime and the ledger service on it.")
    .exitOverride()
    .showHelpAfterError("Run it with --help to see what there is.")
    .configureHelp({ helpWidth: 120 })
    .helpCommand(false)
    .addHelpText("after", SETTINGS_TEXT)
    .addHelpText("after", example("start", "demo", "import --help"));
  const command = (parent: Command, usage: string, text: string): Command =>
    parent.command(usage).description(text).allowExcessArguments(false).option("--json", JSON_TEXT);

  command(program, "start", "Start the node and its HTTP server; SIGTERM or Ctrl-C stops them in order.")
    .addOption(
      new Option("--planted-bug <name>", "for checks only; breaks a promise on purpose").choices([
        "reply-before-commit",
        "dedup-not-rebuilt",
        "perform-before-commit",
        "ack-before-commit",
      ] satisfies NodeBug[]),
    )
    .addHelpText("after", () => settingsHelp())
    .addHelpText("after", example("start", "start --http.port 0 --data.dir /tmp/ledger", "start --supervise --log.level warn"))
    .option("--supervise", "run the node as a child process and start it again when it dies (settings supervise.*)")
    .addOption(new Option("--supervised", "given to that child").hideHelp())
    .addHelpText("after", EXIT_TEXT)
    .action(async ({ plantedBug = null, supervise, supervised }: StartFlags) => {
      // Either one alone: a supervisor must not load what may bring a node down.
      if (supervise) keep(await (await import("./supervise-command.ts")).runSupervise(run));
      else keep(await (await import("./start-command.ts")).runStart(run, { plantedBug, isSupervised: supervised === true }));
    });

  command(program, "import <csv>", "Load a CSV file (also gzipped) into the ledger, each row once however often it is run.")
    .requiredOption("--map <file>", "JSON file that says what the columns mean; config/import/berka.json is one")
    .option("--url <url>", "import through this running server instead of opening the store here")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .option("--verify", "read the entries back and compare each balance with the file's")
    .option("--in-flight <count>", "movements under way at once", count(1, 4096), 64)
    .addHelpText(
      "after",
      `
A row becomes a deposit or a withdrawal whose idempotency key is the row's id; its adjustment, if not 0, has the key "<id>:adj".
The date column is only checked to be there: the ledger dates an entry when it is made. The file is read and checked once before
anything is written. Run it again after any interruption: what is done is answered from the journal and not done twice.`,
    )
    .addHelpText("after", SETTINGS_TEXT)
    .addHelpText(
      "after",
      example(
        "import transactions.csv.gz --map config/import/berka.json --verify",
        "import transactions.csv.gz --map config/import/berka.json --url http://127.0.0.1:7070 --json",
      ),
    )
    .action(async (csv: string, options: ImportFlags) => {
      const { runImport } = await import("./import-command.ts");
      keep(await runImport(run, { csv, ...options }));
    });

  command(
    program,
    "import-dialogues <jsonl>",
    "Play a file of dialogues (also gzipped) through the service: each line a message of its speaker.",
  )
    .option("--url <url>", "play through this running server instead of the one on the store, or one for this purpose")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .option("--conversations <count>", "dialogues at once", count(1, 4096), 64)
    .option("--id-prefix <text>", "put before the name of a dialogue to make its conversation's id", "dialogue-")
    .addHelpText(
      "after",
      `
A line of the file is a JSON object, {"fname", "dialogue": "name: what was said\\n..."} (DialogSum) or {"meeting_transcripts":
[{"speaker", "content"}]} (QMSum; its name is meeting_ and the number of the line). No message wants a reply. Then the last summaries are waited
for, and the messages are read back and compared. Run again within 24 hours, what is done is not done twice.`,
    )
    .addHelpText("after", SETTINGS_TEXT)
    .addHelpText("after", example("import-dialogues dev.jsonl", "import-dialogues meetings.jsonl.gz --url http://127.0.0.1:7070 --json"))
    .action(async (file: string, options: ImportDialoguesFlags) => {
      const { runImportDialogues } = await import("./import-dialogues-command.ts");
      keep(await runImportDialogues(run, { file, ...options }));
    });

  const journal = program.command("journal").description("Look into a store's journal; works while a node runs on it, and writes nothing.");
  journal.addHelpText("after", example("journal verify", "journal tail --limit 5"));
  command(journal, "tail", "Print the last records, one line for each entry.")
    .option("--after <seq>", "begin after this record instead of near the end", count(0, Number.MAX_SAFE_INTEGER))
    .option("--limit <count>", "at most this many records", count(1, Number.MAX_SAFE_INTEGER), 20)
    .option("--follow", "go on with new records until Ctrl-C")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("journal tail", "journal tail --after 0 --limit 100", "journal tail --follow"))
    .action(async (options: TailFlags) => {
      const { runTail } = await import("./journal-command.ts");
      keep(await runTail(run, options));
    });
  command(journal, "verify", "Walk the whole journal: sequence, hash chain, groups, shards. Repairs nothing.")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("journal verify", "journal verify --data-dir /srv/ledger --json"))
    .action(async ({ dataDir }: { readonly dataDir?: string }) => {
      const { runVerify } = await import("./journal-command.ts");
      keep(await runVerify(run, dataDir));
    });

  const keys = program.command("keys").description("The keys with which the texts of conversations are sealed.");
  keys.addHelpText("after", example("keys give-up --data-dir /srv/ledger"));
  command(keys, "give-up", "Start anew without keys that are lost for good: the texts of all conversations stay unreadable for ever.")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText(
      "after",
      `
For a store that was restored without its keys.db, and of which no backup has it. Every conversation is then as if it had been deleted; accounts
and all else stay as they were. Refused while a server runs on the store, and when keys.db is there.`,
    )
    .addHelpText("after", example("keys give-up", "keys give-up --data-dir /srv/ledger --json"))
    .action(async ({ dataDir }: { readonly dataDir?: string }) => {
      const { runGiveUp } = await import("./keys-command.ts");
      keep(runGiveUp(run, dataDir));
    });

  command(program, "account <id>", "Show one account: through the server that runs on the store, else from the store itself.")
    .option("--url <url>", "ask this server")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("account alice", "account berka-25 --url http://127.0.0.1:7070"))
    .action(async (id: string, options: AccountFlags) => {
      const { runAccount } = await import("./account-command.ts");
      keep(await runAccount(run, { id, ...options }));
    });

  command(program, "call [type] [id] [command] [json]", "Send one command to a running server, over HTTP or NATS, and print its answer.")
    .option("--list", "show every command")
    .option("--key <key>", "the idempotency key; without it one is made for what changes something")
    .option("--url <url>", "send it to this server instead of the one that runs on the store")
    .option("--nats <servers>", "send it over NATS; user and secrets are settings, nats.*")
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText(
      "after",
      `
The id "-" is none. Fields of a read, such as limit and after of a list, are fields of the JSON too. The exit code is 0 only for an answer below 400.`,
    )
    .addHelpText("after", SETTINGS_TEXT)
    .addHelpText(
      "after",
      example(
        "call --list",
        `call account alice open '{"currency":"CZK"}'`,
        `call transfer - deposit '{"accountId":"alice","amount":"10.50","currency":"CZK"}' --key first`,
        "call account alice get --nats nats://127.0.0.1:4222",
      ),
    )
    .action(
      async (type: string | undefined, id: string | undefined, name: string | undefined, json: string | undefined, options: CallFlags) => {
        const { runCall, runCallList } = await import("./call-command.ts");
        if (options.list) return keep(runCallList(run));
        if (type === undefined || id === undefined || name === undefined)
          throw new CliError("USAGE", 'expected a type, an id (or "-") and a command; `call --list` shows what there is');
        keep(await runCall(run, { type, id, command: name, text: json ?? "", ...options }));
      },
    );

  command(program, "tree", "Show the parts of a running server: state, restarts, what waits.")
    .option("--url <url>", ADMIN_URL_TEXT)
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("tree", "tree --data-dir /srv/ledger --json"))
    .action(async (options: AdminFlags) => {
      const { runTree } = await import("./tree-command.ts");
      keep(await runTree(run, options));
    });
  command(program, "actors [type]", "List the entities in memory of a running server, by address; wakes none.")
    .option("--after <address>", "continue after this entity")
    .option("--limit <count>", "at most this many", count(1, 1_000), 50)
    .option("--url <url>", ADMIN_URL_TEXT)
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("actors", "actors account --limit 10", "actors account --after account/alice --json"))
    .action(async (type: string | undefined, options: ActorsFlags) => {
      const { runActors } = await import("./actors-command.ts");
      keep(await runActors(run, type === undefined ? options : { type, ...options }));
    });
  command(program, "top", "Show what is busy in a running server, each second at a terminal; Ctrl-C ends it.")
    .option("--once", "look for one second and end, as without a terminal and with --json")
    .option("--limit <count>", "entities in each list", count(1, 100), 10)
    .option("--url <url>", ADMIN_URL_TEXT)
    .option("--data-dir <dir>", DATA_DIR_TEXT)
    .addHelpText("after", example("top", "top --once", "top --json --limit 3"))
    .action(async (options: TopFlags) => {
      const { runTop } = await import("./top-command.ts");
      keep(await runTop(run, options));
    });

  const effects = program
    .command("effects")
    .description("Effects of a running server that are not over: what is under way, rests, or is a dead letter.");
  effects.addHelpText("after", example("effects list", "effects show 12.3.45.0", "effects cancel 12.3.45.0"));
  effectsCommand(command(effects, "list", "List them by shard thread and id."))
    .addOption(new Option("--state <state>", "only those of this state").choices(["open", "resting", "dead"] satisfies EffectState[]))
    .option("--after <id>", "continue after this effect")
    .option("--limit <count>", "at most this many", count(1, 1_000), 50)
    .addHelpText("after", example("effects list --state resting", "effects list --after 12.3.45.0 --json"))
    .action(async (options: EffectsFlags) => {
      const { runEffectsList } = await import("./effects-command.ts");
      keep(await runEffectsList(run, options));
    });
  effectsCommand(command(effects, "show <id>", "Show one: attempts, next time, last error."))
    .addHelpText("after", example("effects show 12.3.45.0"))
    .action(async (id: string, options: AdminFlags) => {
      const { runEffectShow } = await import("./effects-command.ts");
      keep(await runEffectShow(run, id, options));
    });
  effectsCommand(command(effects, "cancel <ids...>", "End effects without their work; who waits for an answer gets a refusal."))
    .addHelpText("after", example("effects cancel 12.3.45.0 12.3.46.0"))
    .action(async (ids: readonly string[], options: AdminFlags) => {
      const { runEffectActions } = await import("./effects-command.ts");
      keep(await runEffectActions(run, { ids, action: "cancel", ...options }));
    });

  const letters = program
    .command("deadletters")
    .description("Effects and durable commands of NATS whose last attempt failed and that wait for a person's decision.");
  letters.addHelpText("after", example("deadletters list", "deadletters replay 12.3.45.0", "deadletters drop nats-7"));
  effectsCommand(command(letters, "list", "List them: effects by shard thread and id, then commands by age."))
    .option("--after <id>", "continue after this one")
    .option("--limit <count>", "at most this many", count(1, 1_000), 50)
    .addHelpText("after", example("deadletters list", "deadletters list --limit 10 --json"))
    .action(async (options: DeadLettersFlags) => {
      const { runDeadLetters } = await import("./dead-letters-command.ts");
      keep(await runDeadLetters(run, options));
    });
  effectsCommand(command(letters, "show <id>", "Show one: attempts, last error, and of a command its body."))
    .addHelpText("after", example("deadletters show 12.3.45.0", "deadletters show nats-7"))
    .action(async (id: string, options: AdminFlags) => {
      const { runDeadLetterShow } = await import("./dead-letters-command.ts");
      keep(await runDeadLetterShow(run, id, options));
    });
  for (const [action, text] of [
    ["replay", "Begin dead letters anew, with all their attempts."],
    ["drop", "End dead letters without their work."],
  ] as const) {
    effectsCommand(command(letters, `${action} <ids...>`, text))
      .addHelpText("after", example(`deadletters ${action} 12.3.45.0`, `deadletters ${action} 12.3.45.0 12.3.46.0 --json`))
      .action(async (ids: readonly string[], options: AdminFlags) => {
        const { runDeadLetterActions } = await import("./dead-letters-command.ts");
        keep(await runDeadLetterActions(run, { ids, action, ...options }));
      });
  }

  const events = program.command("events").description("Events of a running server that leave over NATS.");
  events.addHelpText(
    "after",
    example("events status", "events held", "events skip account/alice", "events replay --from 2026-01-31T12:00:00Z"),
  );
  effectsCommand(command(events, "status", "Show how far they are, what waits, and why."))
    .addHelpText("after", example("events status", "events status --json"))
    .action(async (options: AdminFlags) => {
      const { runEventsStatus } = await import("./events-command.ts");
      keep(await runEventsStatus(run, options));
    });
  effectsCommand(command(events, "held", "List entities whose events are held at one that the broker refuses, by address."))
    .option("--after <entity>", "continue after this one")
    .option("--limit <count>", "at most this many", count(1, 1_000), 50)
    .addHelpText("after", example("events held", "events held --limit 10 --json"))
    .action(async (options: ActorsFlags) => {
      const { runEventsHeld } = await import("./events-command.ts");
      keep(await runEventsHeld(run, options));
    });
  effectsCommand(command(events, "skip <entities...>", "Give up the one event at which an entity is held; its later ones go on."))
    .addHelpText("after", example("events skip account/alice"))
    .action(async (entities: readonly string[], options: AdminFlags) => {
      const { runEventsSkip } = await import("./events-command.ts");
      keep(await runEventsSkip(run, entities, options));
    });
  effectsCommand(command(events, "replay", "Send the events again from a record of the journal on, or from a time."))
    .requiredOption("--from <position>", "a record, as journal tail shows it, or a time like 2026-01-31T12:00:00Z")
    .addHelpText(
      "after",
      `
They are sent in order, with the ids that they had; new ones follow them, so that the order of an entity's events is kept. A listener that knows the
ids passes over what it has.`,
    )
    .addHelpText("after", example("events replay --from 1", "events replay --from 2026-01-31T12:00:00Z --json"))
    .action(async (options: AdminFlags & { readonly from: string }) => {
      const { runEventsReplay } = await import("./events-command.ts");
      keep(await runEventsReplay(run, options));
    });

  command(program, "demo", "Load a small shop's ledger into a store of its own, show what happened, and throw the store away.")
    .addHelpText("after", example("demo"))
    .action(async () => {
      const { runDemo } = await import("./demo-command.ts");
      keep(await runDemo(run));
    });
  return program;
}

type EffectState = EffectLook["state"];

export interface StartFlags {
  readonly plantedBug?: NodeBug | null;
  readonly supervise?: boolean;
  readonly supervised?: boolean;
}
export interface ImportFlags {
  readonly map: string;
  readonly url?: string;
  readonly dataDir?: string;
  readonly verify?: boolean;
  readonly inFlight: number;
}
export interface ImportDialoguesFlags {
  readonly url?: string;
  readonly dataDir?: string;
  readonly conversations: number;
  readonly idPrefix: string;
}
export interface TailFlags {
  readonly after?: number;
  readonly limit: number;
  readonly follow?: boolean;
  readonly dataDir?: string;
}
export interface AccountFlags {
  readonly url?: string;
  readonly dataDir?: string;
}

export interface CallFlags {
  readonly list?: boolean;
  readonly key?: string;
  readonly url?: string;
  readonly nats?: string;
  readonly dataDir?: string;
}
export interface AdminFlags {
  readonly url?: string;
  readonly dataDir?: string;
}
export interface ActorsFlags extends AdminFlags {
  readonly after?: string;
  readonly limit: number;
}
export interface DeadLettersFlags extends AdminFlags {
  readonly after?: string;
  readonly limit: number;
}
export interface EffectsFlags extends AdminFlags {
  readonly state?: EffectState;
  readonly after?: string;
  readonly limit: number;
}
export interface TopFlags extends AdminFlags {
  readonly once?: boolean;
  readonly limit: number;
}

const effectsCommand = (command: Command): Command =>
  command.option("--url <url>", ADMIN_URL_TEXT).option("--data-dir <dir>", DATA_DIR_TEXT);

const count =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };

function settingsHelp(): string {
  const lines = describeConfig().map(({ flag, env, default: byDefault, description }) => {
    const [sentence = ""] = description.split(/[.;]\s/, 1);
    return `  ${flag.padEnd(30)} ${env.padEnd(34)} ${JSON.stringify(byDefault).padEnd(14)} ${sentence}`;
  });
  return `\nSettings (flag, environment variable, default; details in docs/configuration.md; --config FILE names a file of them):\n${lines.join("\n")}`;
}
