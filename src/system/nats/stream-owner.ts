/** A stream belongs to one store, which its description names: metadata of streams needs nats-server 2.10. */
import type { JetStreamManager, StreamConfig } from "@nats-io/jetstream";

export interface StreamOwner {
  readonly what: "Commands" | "Events";
  readonly storeId: string;
}

/** Another store has this stream. It stays so until a person changes it. */
export class ForeignStreamError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ForeignStreamError";
  }
}

export const describing = ({ what, storeId }: StreamOwner): string => `${what} of Troupe store ${storeId}`;
const OWNED = /^(?:Commands|Events) of Troupe store (\S+)$/;
/** Made by hand, or before streams named their stores. Other words are somebody's own, and stay. */
const UNBOUND: ReadonlySet<string> = new Set(["", "Events of Troupe"]);

/**
 * Binds a stream that belongs to nobody. Of two stores that do so at the same moment the later one has it, so the other must look once more.
 * @returns whether it was bound now. @throws ForeignStreamError when it belongs to another store.
 */
export async function ensureOwn(
  manager: JetStreamManager,
  { name, description = "" }: Pick<StreamConfig, "name" | "description">,
  owner: StreamOwner,
): Promise<boolean> {
  if (UNBOUND.has(description)) {
    await manager.streams.update(name, { description: describing(owner) });
    return true;
  }
  const [, other = owner.storeId] = OWNED.exec(description) ?? [];
  if (other === owner.storeId) return false;
  throw new ForeignStreamError(
    `the stream ${name} belongs to the store ${other}, this node has the store ${owner.storeId}. Give it another NATS account or server; or, when that store is gone for good, empty the description of the stream`,
  );
}
