/** `troupe account <id>`: one account, from whoever holds the store. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { accountViewSchema } from "../../actors/index.ts";
import type { Config } from "../config/config.ts";
import { runFileOf } from "../data-dir.ts";
import { storePaths } from "../sqlite/open-stores.ts";
import { CliError } from "./cli-error.ts";
import { configOf, type Result, type Run, say } from "./command.ts";
import { HttpLedger } from "./http-ledger.ts";
import type { LedgerTarget } from "./ledger-target.ts";
import { NodeLedger } from "./node-ledger.ts";
import { realClock, repeated } from "./repeat.ts";

export interface AccountOptions {
  readonly id: string;
  readonly url?: string;
  readonly dataDir?: string;
}

/** @throws CliError `account_not_found`, `STORE_NOT_FOUND`, `SERVER_UNREACHABLE` and others. */
export async function runAccount(run: Run, { id, url, dataDir }: AccountOptions): Promise<Result> {
  await using ledger = url === undefined ? await holderOf(configOf(run, dataDir)) : await HttpLedger.connect(url);
  const outcome = await repeated(() => ledger.account(id), realClock);
  if (!outcome.ok) throw new CliError(outcome.code, `${outcome.detail} (asked: ${ledger.name})`);
  const account = accountViewSchema.parse(JSON.parse(outcome.body));
  for (const [name, value] of Object.entries(account)) say(run, `  ${name.padEnd(14)} ${value ?? WHEN_NULL[name] ?? "-"}`);
  say(run, `  (from ${ledger.name})`);
  return { ok: true, account, from: ledger.name };
}

const WHEN_NULL: Readonly<Record<string, string>> = { available: "unlimited", overdraftLimit: "unlimited" };

/** The server that runs on the directory; without one, a node of our own on it for as long as it takes. */
async function holderOf(config: Config): Promise<LedgerTarget> {
  const dir = resolve(config.data.dir);
  if (!existsSync(storePaths(dir).journal))
    throw new CliError(
      "STORE_NOT_FOUND",
      `there is no store in ${dir} (no journal.db). Name its folder with --data-dir, or a server with --url.`,
    );
  const url = runFileOf(dir)?.urls[0];
  return url === undefined ? await NodeLedger.start(config) : await HttpLedger.connect(url);
}
