import { randomBytes } from "node:crypto";
import type { WebSocket } from "ws";
import type { Refusal } from "../../../runtime/index.ts";
import type { FeedEvent, FeedPlace } from "../../conversation-reads.ts";
import type { ConversationCalls } from "../../ingress/conversation-call.ts";
import type { ConversationDoor } from "../../ingress/conversation-door.ts";
import { waitingMembers, waitingShown } from "../../ingress/conversation-shown.ts";
import { keyOfField } from "../../ingress/idempotency-key.ts";
import { type JsonLimits, type JsonObject, readJsonObject } from "../../ingress/json-body.ts";
import { refuse } from "../../ingress/ledger-door.ts";
import type { TroupeSystem } from "../../system.ts";
import { clientEvent } from "./client-event.ts";
import { idOfPlace } from "./feed-place.ts";
import { FeedPump, type Taken } from "./feed-pump.ts";
import type { OpenStream, OpenStreams } from "./open-streams.ts";
import type { Member, Notice, Rooms } from "./rooms.ts";

export interface SocketSurroundings {
  readonly system: TroupeSystem;
  readonly door: ConversationDoor;
  readonly calls: ConversationCalls;
  readonly streams: OpenStreams;
  readonly rooms: Rooms;
  readonly json: JsonLimits;
  readonly answerMsMax: number;
  readonly onDefect: (cause: unknown) => void;
}
export interface SocketOptions {
  readonly conversation: string;
  readonly from: FeedPlace;
  readonly name: string;
}

/** Bytes that wait for a slow client before nothing more is given to it. */
const BUFFER_BYTES_MAX = 64 * 1024;
const COMMANDS_MAX = 32;
/** One notice of typing in this time is passed on; a client sends one for each key. */
const TYPING_EVERY_MS = 1_000;
const REF_CHARS_MAX = 100;
const CLOSED_NORMALLY = 1000;
const CLOSED_FOR_RESTART = 1012;

/** One device in a conversation over a WebSocket: its events, its room, and what it says. Text frames of JSON both ways. */
export class ConversationSocket implements OpenStream, Member {
  readonly isAnswer = false;
  readonly memberId = randomBytes(9).toString("base64url");
  readonly name: string;
  readonly #socket: WebSocket;
  readonly #around: SocketSurroundings;
  readonly #conversation: string;
  readonly #pump: FeedPump;
  #blockedSinceMs: number | null = null;
  #isAlive = true;
  #commands = 0;
  #typedMs = Number.NEGATIVE_INFINITY;

  /** Joins the room at once. @throws Fault `OVERLOADED`. */
  constructor(socket: WebSocket, { conversation, from, name }: SocketOptions, around: SocketSurroundings) {
    const { system, streams, rooms, onDefect } = around;
    this.name = name;
    this.#socket = socket;
    this.#around = around;
    this.#conversation = conversation;
    this.#pump = new FeedPump({
      reads: system,
      conversation,
      from,
      take: (event) => this.#take(event),
      onDeleted: () => void this.#deleted(),
      onDefect: (cause) => {
        onDefect(cause);
        this.cut();
      },
    });
    socket.on("error", () => undefined); // A malformed or too large frame: the library has closed the connection, and says so to the client.
    socket.on("pong", () => {
      this.#isAlive = true;
    });
    socket.on("message", (data: Buffer, isBinary: boolean) => this.#hear(data, isBinary));
    socket.once("close", () => {
      this.#pump.close();
      streams.remove(this);
      rooms.leave(conversation, this);
    });
    streams.add(this);
    const members = rooms.membersOf(conversation).map((member) => ({ memberId: member.memberId, name: member.name }));
    const data = { conversationId: conversation, memberId: this.memberId, members };
    this.#send({ id: idOfPlace(from), event: "connected", data });
    rooms.join(conversation, this);
    this.#pump.start();
  }

  get blockedSinceMs(): number | null {
    return this.#blockedSinceMs;
  }

  /** Dead when it has not answered the beat before. */
  beat(): void {
    if (!this.#isAlive) return this.cut();
    this.#isAlive = false;
    this.#socket.ping();
  }

  end(why: "time" | "stop"): void {
    if (why === "stop") this.#socket.close(CLOSED_FOR_RESTART, "the server stops; come back with after");
    else this.#socket.close(CLOSED_NORMALLY, "as long as a socket is open; come back with after");
  }

  cut(): void {
    this.#socket.terminate();
  }

  hear(notice: Notice): void {
    if (this.#blockedSinceMs === null) this.#send(notice); // A slow member misses notices and no event.
  }

  broke(cause: unknown): void {
    this.#around.onDefect(cause);
    this.cut();
  }

  #take(event: FeedEvent): Taken {
    const shown = clientEvent(event, (parts) => this.#around.door.opened(this.#conversation, parts));
    if (shown === null) return this.#deleted();
    return this.#send(shown) ? "more" : "full";
  }

  #deleted(): Taken {
    this.#send({ event: "deleted", data: { conversationId: this.#conversation } });
    this.#socket.close(CLOSED_NORMALLY, "the conversation was deleted");
    return "over";
  }

  /** @returns whether there is room for more. */
  #send(message: object): boolean {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return true; // Its close is on the way.
    socket.send(JSON.stringify(message), () => this.#sent());
    if (socket.bufferedAmount <= BUFFER_BYTES_MAX) return true;
    this.#blockedSinceMs ??= performance.now();
    socket.pause(); // Who does not listen gets no answers, so it is not heard either.
    return false;
  }

  #sent(): void {
    if (this.#blockedSinceMs === null || this.#socket.bufferedAmount > BUFFER_BYTES_MAX / 2) return;
    this.#blockedSinceMs = null;
    this.#socket.resume();
    this.#pump.resume();
  }

  #hear(data: Buffer, isBinary: boolean): void {
    const command = isBinary
      ? refuse("validation_failed", "a binary frame; send JSON in a text frame")
      : readJsonObject(data, this.#around.json);
    if (!command.ok) return this.#answer({}, command);
    const { type, ref, ...fields } = command.value;
    const asked = { type, ref: typeof ref === "string" ? ref.slice(0, REF_CHARS_MAX) : undefined };
    if (this.#commands >= COMMANDS_MAX)
      return this.#answer(asked, refuse("rate_limited", `${COMMANDS_MAX} commands of this socket have no answer yet; send it again later`));
    this.#commands++;
    this.#obey(type, fields)
      .then(
        (result) => result !== null && this.#answer(asked, result),
        (cause: unknown) => {
          this.#around.onDefect(cause);
          this.#answer(asked, refuse("INTERNAL_ERROR", "the service met a defect and logged it; a repeat with the same key is safe"));
        },
      )
      .finally(() => {
        this.#commands--;
      });
  }

  #answer(asked: object, result: JsonObject | Refusal): void {
    this.#send({ event: "answer", data: { ...asked, ok: true, ...result } });
  }

  /** Null: there is nothing to answer. */
  async #obey(type: unknown, fields: JsonObject): Promise<JsonObject | Refusal | null> {
    switch (type) {
      case "send":
        return await this.#say(fields);
      case "stop":
        return await this.#stop();
      case "typing":
        return this.#typing();
      default:
        return refuse("validation_failed", "type is not known; expected send, stop or typing");
    }
  }

  async #say({ key: given, ...fields }: JsonObject): Promise<JsonObject | Refusal> {
    const key = keyOfField(given);
    if (!key.ok) return key;
    const { door, calls, answerMsMax } = this.#around;
    const checked = door.post(this.#conversation, { speaker: this.name, ...fields }, key.key, { stream: true });
    if (!checked.ok) return checked;
    const result = await calls.post(checked.call, { timeoutMs: answerMsMax });
    switch (result.kind) {
      case "refused":
        return { ok: false, code: result.code, detail: result.detail };
      case "pending":
        return { messageId: result.messageId, turn: result.turn, status: "pending" };
      case "waiting": {
        const detail = waitingShown(this.#conversation, result);
        return { ok: false, code: result.code, detail, ...waitingMembers(result), retryAfterMs: result.retryAfterMs };
      }
      case "outcome": {
        const { messageId, turn, replyId, status, code } = result.reply;
        return { messageId, turn, replyId, status, code };
      }
      default:
        return result satisfies never;
    }
  }

  async #stop(): Promise<JsonObject | Refusal> {
    const { door, system, answerMsMax } = this.#around;
    const checked = door.plain(this.#conversation, "stop");
    if (!checked.ok) return checked;
    const { address, command, body } = checked.call;
    const answer = await system.ask(address, command, body, { timeoutMs: answerMsMax });
    return answer.ok ? (answer.value as JsonObject) : { ok: false, code: answer.code, detail: answer.detail };
  }

  #typing(): null {
    const nowMs = performance.now();
    if (nowMs - this.#typedMs < TYPING_EVERY_MS) return null;
    this.#typedMs = nowMs;
    this.#around.rooms.tellOthers(this.#conversation, this, "typing");
    return null;
  }
}
