/**
 * Which store takes the commands of a NATS: one only, because a key is known by one store alone (L3), and of two each would do half of the commands.
 * Nodes of one store share them. Its invariants:
 *
 * C1. A node says who it is before it asks who else is there: of two that begin at the same moment at least one hears of the other.
 * C2. It takes commands only after a roll call, made while it claimed them, in which no other store claimed or took them.
 * C3. Of two the stronger one stays (`isStronger`) and the other leaves the commands; one that merely claims never drives out one that takes them.
 * C4. A node that does not hear its own answer would not hear another's: it takes nothing.
 * C5. A node that left rests before it claims again, on a new connection too: when NATS comes back, who took the commands is there first.
 * C6. Who takes them asks again and again: an answer may have come too late, or two parts of a cluster come together.
 */
import type { NatsConnection } from "nats";
import { type Backoff, nextDelayMs } from "../../runtime/index.ts";
import type { Log } from "../observe/log.ts";
import { isStronger, type Presence, type Stand } from "./presence.ts";
import { type RollCall, type RollCallOptions, rollCall } from "./roll-call.ts";
import { pingSubject } from "./subjects.ts";

export interface CommandClaimOptions extends RollCallOptions {
  /** Commands are to be taken on this connection, until `left` is aborted or the connection is gone. Must not throw. */
  readonly onTake: (connection: NatsConnection, left: AbortSignal) => void;
  readonly log: Pick<Log, "info" | "warn">;
}

export class CommandClaim {
  readonly #options: CommandClaimOptions;
  #commands: Stand = "left";
  #since = "";
  #left = new AbortController();
  /** In a row; 0 after commands were taken. */
  #yields = 0;
  #whyNot: string | null = LOOKING;

  constructor(options: CommandClaimOptions) {
    this.#options = options;
  }

  /** What discovery tells of this node. */
  get presence(): Presence {
    return { store: this.#options.storeId, commands: this.#commands, since: this.#since };
  }

  /** Why no commands are taken on the connection, in sentences; null while they are. */
  get whyNot(): string | null {
    return this.#whyNot;
  }

  /** Claims the commands and takes them when it may, until the connection is gone. The node must be discovered on it. Never rejects. */
  async keep(connection: NatsConnection): Promise<void> {
    this.#leave(this.#yields === 0 ? LOOKING : this.#whyNot);
    while (!connection.isClosed()) {
      if (this.#commands === "left" && this.#yields > 0) await rest(nextDelayMs(YIELDED, this.#yields, Math.random()));
      if (connection.isClosed()) return;
      if (this.#commands === "left") this.#announce("claimed");
      const heard = await rollCall(connection, this.#options);
      if (connection.isClosed()) return;
      await rest(await this.#decide(connection, heard));
    }
  }

  /** @returns after how many milliseconds to ask again. */
  async #decide(connection: NatsConnection, heard: RollCall): Promise<number> {
    const isTaken = this.#commands === "taken";
    switch (heard.kind) {
      case "alone":
        if (isTaken) return ASK_TAKEN_MS;
        await this.#take(connection);
        return ASK_AGAIN_MS;
      case "other":
        if (isStronger(heard.other, this.presence)) return this.#yield(heard.other);
        if (!isTaken)
          this.#whyNot = `The store ${named(heard.other)} claims the commands of this NATS too, later than this node. ${HTTP_GOES_ON}`;
        return ASK_AGAIN_MS;
      case "unheard":
        // What is taken stays so: most likely the server is slow, and another store that comes leaves these commands alone.
        if (!isTaken) this.#whyNot = unheard(this.#options.name);
        return ASK_AGAIN_MS;
    }
  }

  async #take(connection: NatsConnection): Promise<void> {
    this.#announce("taken");
    this.#left = new AbortController();
    this.#options.onTake(connection, this.#left.signal);
    await connection.flush().catch(() => undefined); // Not taken before the server knows what we subscribe to.
    if (connection.isClosed()) return;
    if (this.#yields > 0) this.#options.log.info({}, "no other store takes the commands of NATS any more; this node does");
    this.#yields = 0;
    this.#whyNot = null;
  }

  #yield(other: Presence): number {
    if (this.#yields === 0 || this.#commands === "taken")
      this.#options.log.warn(
        { other: other.store, own: this.#options.storeId },
        "another store takes the commands of NATS; this node takes none",
      );
    this.#yields = Math.min(this.#yields + 1, YIELDS_COUNTED_MAX);
    this.#leave(anotherTakes(other, this.#options.storeId));
    return 0;
  }

  #leave(why: string | null): void {
    this.#announce("left");
    this.#whyNot = why;
    this.#left.abort();
  }

  #announce(stand: Stand): void {
    // Who takes what it claimed is there since it claimed it.
    if (stand !== "taken") this.#since = new Date().toISOString();
    this.#commands = stand;
  }
}

const named = ({ store }: Presence): string => (store === "" ? "of a node that names none" : store);
const HTTP_GOES_ON = "Commands by HTTP go on.";
const LOOKING = `It is asked whether another store takes the commands of this NATS. ${HTTP_GOES_ON}`;
const anotherTakes = (other: Presence, own: string): string =>
  `The store ${named(other)} ${other.commands === "taken" ? "takes" : "claims"} the commands of this NATS, so this node, with the store ${own}, takes none: a key is known by one store alone. Give one of them a NATS account or server of its own, or stop the other node; it is asked again by itself. ${HTTP_GOES_ON}`;
const unheard = (name: string): string =>
  `No commands are taken from NATS, because no answer to our own ${pingSubject(name)} came back, so another store would not be heard either. Give the user the permissions of config/nats/node-role.conf. ${HTTP_GOES_ON}`;

/** Rests of a node that left, until it claims again. */
const YIELDED: Backoff = { backoffMsMin: 500, backoffMsMax: 10_000, jitterRatio: 0.5 };
/** Beyond, rests do not grow. */
const YIELDS_COUNTED_MAX = 10;
/** Between questions while something changes. */
const ASK_AGAIN_MS = 500;
const ASK_TAKEN_MS = 10_000;

const rest = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
