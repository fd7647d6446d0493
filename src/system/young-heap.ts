import { setFlagsFromString } from "node:v8";

/**
 * For a process that serves, when its threads run and before its first request: V8 may decide for good that what one place in the code makes is old from birth, when
 * nearly all of it was alive in the first collections, which see little more than the requests under way. From then on each request hangs on such an object until the
 * next full collection: 3 times as long in young collections, p99 of a deposit 24 ms instead of 17 (docs/decisions.md 37 says how sure that is).
 *
 * Not earlier: code that was compiled under other flags is compiled again, and that is all of Node.js' own modules, in every thread.
 */
export function keepYoungHeapYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
