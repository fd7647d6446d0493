/** comlink ships this file without types that nodenext can find. It turns a worker or port of Node into what comlink talks over. */
declare module "comlink/dist/esm/node-adapter.mjs" {
  import type { MessagePort, Worker } from "node:worker_threads";
  import type { Endpoint } from "comlink";

  function nodeEndpoint(port: MessagePort | Worker): Endpoint;
  // biome-ignore lint/style/noDefaultExport: it describes comlink's own export.
  export default nodeEndpoint;
}
