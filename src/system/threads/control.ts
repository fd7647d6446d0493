import type { MessagePort, Worker } from "node:worker_threads";
import { expose, type Remote, transfer, wrap } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { Fault, type StartCode } from "../../runtime/records.ts";

/**
 * Control calls between threads (start, assign, inspect, drain, stop) by comlink. The data plane does not use it: it is 10 times slower
 * than batched messages. comlink loses the fields of errors, so a call answers a value: its result or what went wrong.
 */
export type Outcome<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: string; readonly message: string };

type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;
type Outcomes<Api extends Calls> = {
  readonly [Name in keyof Api]: (...args: Parameters<Api[Name]>) => Promise<Outcome<Awaited<ReturnType<Api[Name]>>>>;
};
export type Control<Api extends Calls> = {
  readonly [Name in keyof Api]: (...args: Parameters<Api[Name]>) => Promise<Awaited<ReturnType<Api[Name]>>>;
};

/** Offers `api` to the thread at the other end. Called once, in the worker. */
export function exposeControl<Api extends Calls>(port: MessagePort, api: Api): void {
  const guarded = Object.fromEntries(
    Object.entries(api).map(([name, call]) => [
      name,
      async (...args: never[]): Promise<Outcome<unknown>> => {
        try {
          return { ok: true, value: await call(...args) };
        } catch (cause) {
          const code = cause instanceof Fault ? cause.code : "INTERNAL_ERROR";
          return {
            ok: false,
            code,
            message: cause instanceof Fault ? cause.message : String(cause instanceof Error ? cause.stack : cause),
          };
        }
      },
    ]),
  );
  expose(guarded, nodeEndpoint(port));
}

/**
 * The other end. Hold the result as long as the thread lives: comlink drops calls in flight when its proxy is collected. A call to a
 * thread that has ended never answers; who calls waits for the thread's exit too.
 * @throws Fault with the code that the other thread named.
 */
export function controlOf<Api extends Calls>(worker: Worker | MessagePort): Control<Api> {
  const remote = wrap<Outcomes<Api>>(nodeEndpoint(worker)) as Remote<Outcomes<Api>>;
  return new Proxy({} as Control<Api>, {
    get: (_, name) => {
      if (name === "then") return undefined; // A proxy must not look like a promise.
      return async (...args: unknown[]) => {
        const call = (remote as unknown as Record<PropertyKey, (...args: unknown[]) => Promise<Outcome<unknown>>>)[name];
        const outcome = await call?.(...args);
        if (outcome?.ok === true) return outcome.value;
        throw new Fault((outcome?.code ?? "INTERNAL_ERROR") as StartCode, outcome?.message ?? "the thread did not answer");
      };
    },
  });
}

/** Marks a port in the arguments of a control call as handed over: it works at the other end from then on. */
export const handOver = (port: MessagePort): MessagePort => transfer(port, [port]);
/** The same for the ports in a value. */
export const handOverAll = <Value extends object>(value: Value, ports: MessagePort[]): Value => transfer(value, ports);
