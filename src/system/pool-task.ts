/** Composition root of a thread of the worker pool: performs `compute` effects, one after the other. */
import { workerData } from "node:worker_threads";
import type { AttemptResult, PortDefinition, PortRequest } from "../runtime/index.ts";
import { attempt } from "./effects/attempt.ts";
import { loadModules } from "./loaded-modules.ts";

export interface PoolWorkerData {
  readonly modules: readonly string[];
}
export interface PoolTask {
  readonly port: string;
  readonly request: PortRequest;
}

/** Nothing aborts a task from inside: its thread is ended. */
const controller = new AbortController();

/** The modules of a thread, loaded by its first task. */
class Ports {
  #loading: Promise<ReadonlyMap<string, PortDefinition>> | null = null;

  load(): Promise<ReadonlyMap<string, PortDefinition>> {
    this.#loading ??= loadModules((workerData as PoolWorkerData).modules).then(({ ports }) => ports);
    return this.#loading;
  }
}
const ports = new Ports();

/** What the pool calls. */
export async function perform({ port: name, request }: PoolTask): Promise<AttemptResult> {
  const port = (await ports.load()).get(name);
  if (port === undefined) throw new Error(`no module of this thread defines the port "${name}"`);
  return await attempt(port, request, controller, null);
}
