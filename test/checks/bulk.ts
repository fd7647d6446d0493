/**
 * Streams a million lines through `POST /v1/transfers/bulk` of a server in a process of its own and shows that its memory does not grow with them.
 *
 *   check:bulk -- [--lines 1000000] [--warm 200000] [--growth-mib 64] [--json]
 *
 * The server's resident memory is read from the kernel every 100 ms. Its baseline is what it has when the answer to a warm-up stream of 200,000 lines has
 * just ended: code is compiled and page caches have their size by then, as in any server that has run for a minute. Among the lines are some that
 * must be refused and some that repeat a key. Every answer is compared with its line, in order; in the end every account's balance and the trial
 * balance are compared with the client's own sums.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { runCheck, tell } from "../support/check-run.ts";
import { KeepAliveClient } from "../support/keep-alive-client.ts";
import { KillableServer } from "../support/killable-server.ts";
import { accountId, CURRENCY } from "../support/ledger-load.ts";

const USAGE = "check:bulk [--lines 1000000] [--warm 200000] [--growth-mib 64] [--json]";
const ACCOUNTS = 500;
const CONNECTIONS = 32;
const SAMPLE_MS = 100;
const KIB_PER_MIB = 1024;
/** Lines in one write of the client. */
const WRITE_LINES = 100;
const REFUSED_EACH = 1_000;
const REPEATED_EACH = 777;
const FIRST_MS_MAX = 10_000;
const VIEW_MS_MAX = 120_000;
const DEFECTS_SHOWN = 10;

await runCheck(USAGE, { lines: 1_000_000, warm: 200_000, "growth-mib": 64 }, async ({ lines, warm, "growth-mib": growthMibMax }) => {
  const dataDir = mkdtempSync(join(tmpdir(), "troupe-bulk-"));
  try {
    const server = await KillableServer.start({ dataDir });
    const client = new KeepAliveClient(server.url, CONNECTIONS);
    for (let number = 0; number < ACCOUNTS; number++) await openUnlimited(client, accountId(number));
    const books: ClientBooks = { balances: new Array<number>(ACCOUNTS).fill(0), entries: 0 };
    const warmed = await stream(server, { name: "warm", lines: warm, books });
    const baselineKiB = server.rssKiB();
    const main = await stream(server, { name: "bulk", lines, books });
    const growthMib = (main.rssKiBMax - baselineKiB) / KIB_PER_MIB;
    const defects = [...warmed.defects, ...main.defects, ...(await compareBooks(client, books))];
    if (main.firstAnswerAfter >= lines) defects.push("the first answer came after the last line was sent");
    if (growthMib > growthMibMax) defects.push(`memory grew by ${growthMib.toFixed(1)} MiB, allowed are ${growthMibMax}`);
    client.close();
    const code = await server.stop();
    if (code !== 0) defects.push(`the server ended with ${code}`);
    return {
      ok: defects.length === 0,
      lines,
      answers: main.answers,
      done: main.done,
      refused: main.refused,
      replayed: main.replayed,
      linesPerSecond: main.perSecond,
      firstAnswerAfterLines: main.firstAnswerAfter,
      rssBaselineMib: mib(baselineKiB),
      rssMaxMib: mib(main.rssKiBMax),
      rssEndMib: mib(main.rssKiBEnd),
      /** At each tenth of the stream. */
      rssSeriesMib: main.rssSeriesMib,
      rssGrowthMib: Number(growthMib.toFixed(1)),
      warmLines: warm,
      defects: defects.slice(0, DEFECTS_SHOWN),
    };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});

function mib(kib: number): number {
  return Math.round(kib / KIB_PER_MIB);
}

/** What the client knows that the accounts must hold, in minor units. */
interface ClientBooks {
  readonly balances: number[];
  entries: number;
}

function move(books: ClientBooks, { from, to, minor }: Line): void {
  books.balances[from] = (books.balances[from] ?? 0) - minor;
  books.balances[to] = (books.balances[to] ?? 0) + minor;
  books.entries += 2;
}

interface Line {
  readonly key: string;
  readonly kind: "done" | "refused" | "repeated";
  readonly from: number;
  readonly to: number;
  readonly minor: number;
}

/** The line with this number: always the same one, so that answers are judged without a copy of a million lines. */
function lineOf(name: string, number: number): Line {
  // A repeat is the line before it once more, so it often finds its first still running.
  if (number % REPEATED_EACH === REPEATED_EACH - 1) {
    const first = lineOf(name, number - 1);
    // A refusal at the door uses no key: sent again it is refused again.
    return first.kind === "refused" ? first : { ...first, kind: "repeated" };
  }
  const from = number % ACCOUNTS;
  const to = (number * 7 + 1) % ACCOUNTS;
  const isRefused = number % REFUSED_EACH === 0;
  return {
    key: `${name}-${number}`,
    kind: isRefused ? "refused" : "done",
    from,
    to: to === from ? (to + 1) % ACCOUNTS : to,
    minor: (number % 97) + 1,
  };
}

function textOf({ key, kind, from, to, minor }: Line): string {
  const amount = kind === "refused" ? "0" : `${Math.floor(minor / 100)}.${String(minor % 100).padStart(2, "0")}`;
  return `${JSON.stringify({ key, from: accountId(from), to: accountId(to), amount, currency: CURRENCY })}\n`;
}

interface Stream {
  readonly name: string;
  readonly lines: number;
  readonly books: ClientBooks;
}

async function stream(server: KillableServer, { name, lines, books }: Stream) {
  const outgoing = request(`${server.url}/v1/transfers/bulk`, { method: "POST", headers: { "content-type": "application/x-ndjson" } });
  outgoing.flushHeaders();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  const figures = {
    answers: 0,
    done: 0,
    refused: 0,
    replayed: 0,
    firstAnswerAfter: -1,
    rssKiBMax: 0,
    rssKiBEnd: 0,
    perSecond: 0,
    rssSeriesMib: [] as number[],
    defects: [] as string[],
  };
  let sent = 0;
  const sample = setInterval(() => {
    figures.rssKiBMax = Math.max(figures.rssKiBMax, server.rssKiB());
  }, SAMPLE_MS);
  const startedAt = performance.now();
  const reading = (async () => {
    for await (const text of createInterface({ input: incoming, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (figures.answers === 0) figures.firstAnswerAfter = sent;
      const line = lineOf(name, figures.answers++);
      const answer = JSON.parse(text) as {
        readonly key: string | null;
        readonly status: number;
        readonly code?: string;
        readonly replayed?: boolean;
      };
      const isRight =
        answer.key === line.key &&
        (line.kind === "refused"
          ? answer.status === 400 && answer.code === "amount_invalid"
          : answer.status === 201 && (answer.replayed === true) === (line.kind === "repeated"));
      if (!isRight) figures.defects.push(`line ${figures.answers} (${line.kind}, ${line.key}) was answered ${text}`);
      if (line.kind === "refused") figures.refused++;
      else if (line.kind === "repeated") figures.replayed++;
      else {
        figures.done++;
        move(books, line);
      }
      if (figures.answers % Math.ceil(lines / 10) === 0) figures.rssSeriesMib.push(mib(server.rssKiB()));
      if (figures.answers % 100_000 === 0)
        tell(
          `${figures.answers} answers, ${Math.round((figures.answers / (performance.now() - startedAt)) * 1000)}/s, ${mib(server.rssKiB())} MiB`,
        );
    }
  })();
  while (sent < lines - 1) {
    let piece = "";
    for (const until = Math.min(sent + WRITE_LINES, lines - 1); sent < until; sent++) piece += textOf(lineOf(name, sent));
    if (!outgoing.write(piece)) await Promise.race([once(outgoing, "drain"), reading]);
  }
  // A short stream fits into the buffers on the way; its last line waits, because answers must come without the end of the input.
  for (const until = performance.now() + FIRST_MS_MAX; figures.answers === 0 && performance.now() < until; ) await delay(1);
  outgoing.end(textOf(lineOf(name, sent++)));
  await reading;
  clearInterval(sample);
  figures.rssKiBEnd = server.rssKiB();
  figures.rssKiBMax = Math.max(figures.rssKiBMax, figures.rssKiBEnd);
  figures.perSecond = Math.round((lines / (performance.now() - startedAt)) * 1000);
  if (figures.answers !== lines) figures.defects.push(`${name}: ${lines} lines and ${figures.answers} answers`);
  return figures;
}

async function openUnlimited(client: KeepAliveClient, id: string): Promise<void> {
  const body = JSON.stringify({ id, currency: CURRENCY, overdraftLimit: null });
  const { status, body: text } = await client.send({ method: "POST", path: "/v1/accounts", body });
  if (status !== 201) throw new Error(`account ${id} could not be opened: ${text}`);
}

async function compareBooks(client: KeepAliveClient, books: ClientBooks): Promise<readonly string[]> {
  const defects: string[] = [];
  for (const [number, expected] of books.balances.entries()) {
    const { body } = await client.send({ method: "GET", path: `/v1/accounts/${accountId(number)}` });
    const { balance } = JSON.parse(body) as { readonly balance?: string };
    if (Math.round(Number(balance) * 100) !== expected)
      defects.push(`${accountId(number)} holds ${balance}, the lines add up to ${expected / 100}`);
  }
  const trial = await trialBalance(client);
  if (Number(trial.total) !== 0 || Number(trial.inTransit) !== 0) defects.push(`the trial balance says ${JSON.stringify(trial)}`);
  if (trial.entries !== books.entries) defects.push(`the trial balance counts ${trial.entries} entries, the lines made ${books.entries}`);
  return defects;
}

interface Trial {
  readonly total: string;
  readonly inTransit: string;
  readonly entries: number;
}

/** The read model may be behind after a million lines; it says so, and it is asked again. */
async function trialBalance(client: KeepAliveClient): Promise<Trial> {
  const until = performance.now() + VIEW_MS_MAX;
  for (;;) {
    const { status, body } = await client.send({ method: "GET", path: "/v1/ledger/trial-balance" });
    const [line] = status === 200 ? (JSON.parse(body) as { readonly lines: readonly Trial[] }).lines : [];
    if (line !== undefined) return line;
    if (performance.now() > until) throw new Error(`no trial balance within ${VIEW_MS_MAX} ms: ${status} ${body}`);
    await delay(SAMPLE_MS);
  }
}
