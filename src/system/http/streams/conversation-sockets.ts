/** Takes connections that become WebSockets. The only file that knows how one is made. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { Refusal } from "../../../runtime/index.ts";
import { refuse } from "../../ingress/ledger-door.ts";
import { answerRaw } from "../raw-answer.ts";
import { routes } from "../routes.ts";
import { ConversationSocket, type SocketOptions, type SocketSurroundings } from "./conversation-socket.ts";
import { streamStart, unknownParameter } from "./stream-start.ts";

export interface ConversationSocketsOptions extends SocketSurroundings {
  readonly frameBytesMax: number;
  /** Why nothing new is taken now; null = it is. */
  readonly whyClosed: () => Refusal | null;
}

const SOCKET = routes.find(({ key }) => key === "GET /v1/conversations/{id}/socket");
const NAME_CHARS_MAX = 200;

/** Only these requests leave the way of HTTP: clients that offer another protocol, as some do with every request, are answered as if they had not. */
export const wantsSocket = ({ headers: { upgrade } }: IncomingMessage): boolean => upgrade?.toLowerCase() === "websocket";

export class ConversationSockets {
  readonly #options: ConversationSocketsOptions;
  readonly #server: WebSocketServer;

  constructor(options: ConversationSocketsOptions) {
    this.#options = options;
    // Compression would keep memory for each socket, and the texts are short.
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.frameBytesMax,
    });
    this.#server.on("wsClientError", (_error, socket) =>
      answerRaw(socket, refuse("validation_failed", "the request is no well-formed WebSocket handshake (RFC 6455, version 13)")),
    );
  }

  /** For the server's `upgrade`. Refused before the handshake is a problem like any other. */
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    // A Node.js before 24.9 cannot be told to go on as if nothing had been offered.
    if (!wantsSocket(request)) return answerRaw(socket, refuse("validation_failed", "only an Upgrade to websocket is taken; send none"));
    this.#admitted(request).then(
      (checked) => (checked.ok ? this.#open(request, socket, head, checked.options) : answerRaw(socket, checked)),
      (cause: unknown) => {
        this.#options.onDefect(cause);
        answerRaw(socket, refuse("INTERNAL_ERROR", "the service met a defect and logged it; try again"));
      },
    );
  }

  #open(request: IncomingMessage, socket: Duplex, head: Buffer, options: SocketOptions): void {
    // It was looked at before the conversation was; many may have come meanwhile.
    const why = this.#whyNot(options.conversation);
    if (why !== null) return answerRaw(socket, why);
    this.#server.handleUpgrade(request, socket, head, (opened) => {
      try {
        new ConversationSocket(opened, options, this.#options);
      } catch (cause) {
        this.#options.onDefect(cause);
        opened.terminate();
      }
    });
  }

  async #admitted(request: IncomingMessage): Promise<{ readonly ok: true; readonly options: SocketOptions } | Refusal> {
    const url = URL.parse(request.url ?? "/", "http://localhost");
    if (url === null) return refuse("validation_failed", "the path is not a well-formed URL; write other characters as %xx of UTF-8");
    const id = SOCKET?.pattern.test(url.pathname) === true ? decoded(url.pathname.split("/")[3] ?? "") : null;
    if (id === null) return refuse("not_found", "there is no WebSocket at this path; see /docs for where there is one");
    if (!isSameOrigin(request))
      return refuse("forbidden", "a page of another origin asks; browsers send any page's sockets here, so it is refused");
    const query = Object.fromEntries(url.searchParams);
    const bad = unknownParameter(query, ["after", "name"]);
    if (bad !== null) return bad;
    const name = query.name ?? "user";
    if (name === "" || name.length > NAME_CHARS_MAX) return refuse("validation_failed", `name has 1 to ${NAME_CHARS_MAX} characters`);
    const start = streamStart(this.#options.system, request, query);
    if (!start.ok) return start;
    const why = this.#whyNot(id);
    if (why !== null) return why;
    const checked = this.#options.door.plain(id, "get");
    if (!checked.ok) return checked;
    const { address, command, body } = checked.call;
    const found = await this.#options.system.ask(address, command, body, { timeoutMs: this.#options.answerMsMax });
    return found.ok ? { ok: true, options: { conversation: id, from: start.from, name } } : found;
  }

  #whyNot(conversation: string): Refusal | null {
    const { whyClosed, streams, rooms } = this.#options;
    if (!streams.isFull && rooms.hasRoom(conversation)) return whyClosed();
    return whyClosed() ?? TOO_MANY;
  }
}

/** What is refused when no further stream is taken. */
export const TOO_MANY = refuse("OVERLOADED", "as many streams are open as the server takes; try again later, or read by GET …/messages");

/** A browser names the page's origin and lets every page open sockets anywhere; other programs send none. */
function isSameOrigin({ headers: { origin, host } }: IncomingMessage): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
