/** Conversations of a bench: 64 of them, opened before the clock starts, each with one connection that posts its next message when the last one was answered. */
import { request } from "node:http";
import { httpLoad, postBytes } from "../harness/http-load.ts";
import { assertResult } from "../harness/suite.ts";
import type { BenchServer } from "../http/servers.ts";

export const CONVERSATIONS = 64;
const TEXT = "I would like to move the meeting to Friday at ten, because two of us cannot come on Thursday; is the small room free then?";
const idOf = (number: number): string => `talk-${number}`;

export interface TalkOptions {
  /** Messages in all. */
  readonly count: number;
  readonly wantsReply: boolean;
  /** Time between two messages of a conversation; 0 = none. */
  readonly everyMs?: number;
  /** The W3C header of the i-th message; null = none. */
  readonly traceOf?: (i: number) => string | null;
}

/** The conversations of one server, and how many messages each got. */
export class Talks {
  readonly #server: BenchServer;
  #said = 0;

  private constructor(server: BenchServer) {
    this.#server = server;
  }

  static async open(server: BenchServer): Promise<Talks> {
    const { host, port } = server;
    const requests = Array.from({ length: CONVERSATIONS }, (_, i) =>
      postBytes("/v1/conversations", JSON.stringify({ id: idOf(i) }), `open-${i}`),
    );
    await httpLoad({ host, port, connections: 8, status: 201, requests });
    return new Talks(server);
  }

  /** Posts messages and answers what it took. `count` is made a multiple of the conversations. */
  async say({ count, wantsReply, everyMs = 0, traceOf = () => null }: TalkOptions) {
    const { host, port } = this.#server;
    const each = Math.ceil(count / CONVERSATIONS);
    const requests = Array.from({ length: each * CONVERSATIONS }, (_, i) => {
      const trace = traceOf(i);
      const body = JSON.stringify({ content: `${this.#said + Math.floor(i / CONVERSATIONS)}. ${TEXT}`, speaker: "Ana", reply: wantsReply });
      const path = `/v1/conversations/${idOf(i % CONVERSATIONS)}/messages`;
      return postBytes(path, body, `said-${this.#said}-${i}`, trace === null ? {} : { traceparent: trace });
    });
    const figures = await httpLoad({ host, port, connections: CONVERSATIONS, status: 201, requests, isByLane: true, everyMs });
    this.#said += each;
    assertResult(figures.sample.includes(wantsReply ? '"status":"complete"' : '"status":"stored"'), `an answer says ${figures.sample}`);
    return { figures, count: requests.length };
  }

  /** Every message is a turn, and no reply is under way. @throws when one is missing. */
  async audit(): Promise<void> {
    for (let i = 0; i < CONVERSATIONS; i++) {
      const view = JSON.parse(await this.#get(`/v1/conversations/${idOf(i)}`)) as { readonly turns: number; readonly isReplying: boolean };
      assertResult(
        view.turns === this.#said && !view.isReplying,
        `conversation ${i} is ${JSON.stringify(view)} after ${this.#said} messages`,
      );
    }
  }

  #get(path: string): Promise<string> {
    const { host, port } = this.#server;
    return new Promise((resolve, reject) => {
      request({ host, port, path }, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => {
          text += chunk.toString();
        });
        answer.on("end", () => resolve(text));
      })
        .on("error", reject)
        .end();
    });
  }
}
