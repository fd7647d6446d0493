/** A thread that opens a ring, makes and uses the keys it is given, and says what it sealed. */
import { parentPort, workerData } from "node:worker_threads";
import { KeyRing, type KeyRingOptions } from "../../src/system/keys/key-ring.ts";

export interface KeyRingThreadData {
  readonly options: KeyRingOptions;
  readonly ids: readonly string[];
  /** One Int32: every thread adds itself and waits for all `threads`, so that they open the file at once. */
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
}

const { options, ids, gate, threads } = workerData as KeyRingThreadData;
const arrived = new Int32Array(gate);
Atomics.add(arrived, 0, 1);
Atomics.notify(arrived, 0);
for (let seen = Atomics.load(arrived, 0); seen < threads; seen = Atomics.load(arrived, 0)) Atomics.wait(arrived, 0, seen);
using ring = new KeyRing(options);
for (const id of ids) ring.make([id]);
parentPort?.postMessage(ids.map((id) => ring.seal(id, "m1", `text of ${id}`)));
