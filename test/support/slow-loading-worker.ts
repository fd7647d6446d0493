/** A thread whose modules take their time; it notes in shared memory that they are loaded. */
import { setTimeout as delay } from "node:timers/promises";
import { workerData } from "node:worker_threads";
import { Heartbeat } from "../../src/system/threads/heartbeat.ts";

await delay(200);
Atomics.store(workerData.loaded as Int32Array, 0, 1);
Heartbeat.ofThisThread();
