import { join } from "node:path";
import { tell } from "./check-run.ts";
import { snapshotsBeyondCheckpoint } from "./half-checkpoint.ts";
import { JournalHolder } from "./journal-holder.ts";
import { KeepAliveClient } from "./keep-alive-client.ts";
import {
  COMPARED_LATEST,
  COMPARED_OLDER,
  type KillFigures,
  type KillHit,
  type KillRun,
  randomMs,
  untilAcknowledged,
} from "./kill-figures.ts";
import { KillableServer } from "./killable-server.ts";
import { httpDoor, openAccounts } from "./ledger-load.ts";
import { settle } from "./settle.ts";

/** A life that takes no orders for so long is stuck. */
const LIFE_MS_MAX = 60_000;
/** Changed entities that start a checkpoint: small, so that kills hit checkpoints, and different, so that tails are short and long. */
const CHECKPOINT_ENTITIES = [50, 200, 2_000] as const;

/** More time for a server that breaks its word, to do it on a busy machine too. */
const WEAK_MS = 1_500;

/** How a life ends: with an acknowledgement just received, some time after one, or while the journal cannot commit. */
const STYLES = ["acknowledged", "any", "held"] as const;

/** Lives of the server on one data folder, each ended by kill -9 under HTTP load; a last one that settles what is open and is stopped in order. */
export async function killProcesses(run: KillRun): Promise<KillFigures> {
  const { load } = run;
  const hits: KillHit[] = [];
  const readyMs: number[] = [];
  let leftBefore: ReadonlySet<string> = new Set();
  for (let life = 0; life < run.kills; life++) {
    const server = await start(run, life);
    if (life > 0) readyMs.push(server.readyMs);
    const hit = await endLife(run, server, life);
    const left = snapshotsBeyondCheckpoint(run.dataDir);
    hits.push({ ...hit, isInCheckpoint: !left.isSubsetOf(leftBefore) });
    leftBefore = left;
    load.compareLater(COMPARED_LATEST, COMPARED_OLDER, run.random);
    if ((life + 1) % 10 === 0) tell(`${life + 1} kills, ${load.acknowledged.size} acknowledged, ${load.changed.size} changed`);
  }
  const defects = await settle(await start(run, run.kills), run);
  return { hits, readyMs, defects };
}

async function endLife(run: KillRun, server: KillableServer, life: number): Promise<Omit<KillHit, "isInCheckpoint">> {
  const { load } = run;
  const style = STYLES[life % STYLES.length] ?? "any";
  const client = new KeepAliveClient(server.url, run.connections);
  if (life === 0) await openAccounts(client, run.accounts);
  const holder = style === "held" ? new JournalHolder(join(run.dataDir, "journal.db")) : null;
  const before = load.acknowledged.size;
  const running = load.run(httpDoor(client));
  const { promise: killed, resolve, reject } = Promise.withResolvers<{ readonly at: number; readonly acknowledged: number }>();
  const kill = (): void => {
    server.kill();
    load.stop();
    resolve({ at: Date.now(), acknowledged: load.acknowledged.size - before });
  };
  untilAcknowledged(run, () => {
    if (style === "acknowledged") kill();
    else (holder?.hold() ?? Promise.resolve()).then(() => setTimeout(kill, randomMs(run) + (run.weaken === "" ? 0 : WEAK_MS)), reject);
  });
  const stuck = setTimeout(() => reject(new Error(`a server took too few orders in ${LIFE_MS_MAX} ms`)), LIFE_MS_MAX);
  const ended = server.gone().then(() => Promise.race([killed, Promise.reject(new Error(`a server ended by itself:\n${server.said}`))]));
  const { at, acknowledged } = await Promise.race([killed, ended]);
  clearTimeout(stuck);
  await server.gone();
  await running;
  await holder?.kill();
  client.close();
  return { at, acknowledged, inFlight: load.unanswered, isJournalHeld: holder !== null };
}

function start({ dataDir, threads, weaken, random }: KillRun, life: number): Promise<KillableServer> {
  const entities = CHECKPOINT_ENTITIES[Math.floor(random() * CHECKPOINT_ENTITIES.length)] ?? CHECKPOINT_ENTITIES[0];
  return KillableServer.start({
    dataDir,
    args: weaken === "" ? [] : ["--planted-bug", weaken],
    env: {
      TROUPE_SHARD_THREADS: String(threads[Math.floor(life / 2) % threads.length] ?? 1),
      TROUPE_CHECKPOINT_EVERY_ENTITIES: String(entities),
      TROUPE_CHECKPOINT_EVERY_MS: "50",
      // Many transactions a checkpoint: what lies between two of them shows in the file.
      TROUPE_CHECKPOINT_BATCH_ROWS: "20",
    },
  });
}
