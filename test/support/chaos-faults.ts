/**
 * Loaded into every thread of a server under chaos (`--import`): a thread that is named by its number does to itself what it is told to. The service
 * itself knows nothing of it, so that nobody can reach it in a server that was started without.
 */
import { BroadcastChannel, isMainThread, threadId } from "node:worker_threads";

/** How a thread ends: an error that nobody catches, an exit, a loop that gives the event loop no turn, more heap than it may have. */
export type ThreadFault = "throw" | "exit" | "loop" | "heap";
export interface FaultOrder {
  readonly threadId: number;
  readonly fault: ThreadFault;
}
export const CHAOS_CHANNEL = "troupe-chaos";

function commit(fault: ThreadFault): void {
  switch (fault) {
    case "throw":
      throw new Error("chaos: an error that nobody catches");
    case "exit":
      process.exit(7);
      break;
    case "loop":
      for (;;);
    case "heap":
      for (const kept: Array<{ readonly number: number; readonly text: string }> = []; ; )
        kept.push({ number: kept.length, text: `${kept.length}` });
  }
}

if (!isMainThread) {
  const channel = new BroadcastChannel(CHAOS_CHANNEL);
  channel.onmessage = (event) => {
    const order = (event as { readonly data: FaultOrder }).data;
    if (order.threadId !== threadId) return;
    setImmediate(() => commit(order.fault));
  };
  channel.unref();
}
