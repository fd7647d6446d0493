/** A TCP proxy that keeps every byte for a while, in both directions, or for ever: a network that is slow or swallows packets. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const LOOK_MS = 2;

export class SlowProxy implements AsyncDisposable {
  /** How long each byte is kept, in milliseconds; Infinity lets none through. Counts for what comes from now on. */
  delayMs = 0;
  /** How much longer what the server says is kept, the same. */
  backDelayMs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      this.#carry(client, server, () => this.delayMs);
      this.#carry(server, client, () => this.delayMs + this.backDelayMs);
    });
  }

  /** In front of a port of this machine. */
  static async start(port: number): Promise<SlowProxy> {
    const proxy = new SlowProxy(port);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  #carry(from: Socket, to: Socket, delayMs: () => number): void {
    const kept: Array<{ readonly at: number; readonly chunk: Buffer }> = [];
    const timer = setInterval(() => {
      while (kept[0] !== undefined && kept[0].at <= performance.now()) to.write(kept.shift()?.chunk ?? "");
    }, LOOK_MS);
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk) => {
      // Never before what came earlier, also when the delay has become shorter.
      if (delayMs() === 0 && kept.length === 0) to.write(chunk);
      else kept.push({ at: Math.max(performance.now() + delayMs(), kept.at(-1)?.at ?? 0), chunk });
    });
    from.on("error", () => undefined); // One end went away; the other is told by `close`.
    from.on("close", () => {
      clearInterval(timer);
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
