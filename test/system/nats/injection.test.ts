/**
 * Issue 5, must show 4: words that try to be something else (TRAPS 42), as ids, keys, headers, commands, reply subjects and in bodies, through HTTP and NATS. A
 * listener to every subject (`>`) sees what the clients themselves sent and one answer for each inbox, and nothing else; each word is either a plain
 * id or key, or a clear 4xx.
 */
import { connect, type NatsConnection } from "nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { commandTable, statusSpec } from "../../../src/system/ingress/command-table.ts";
import { commandSubject, durableSubject, eventSubject, isReplySubject, serviceSubjects } from "../../../src/system/nats/subjects.ts";
import { fieldsOf, get, type HttpAnswer, post, send } from "../../support/http-client.ts";
import { INJECTIONS } from "../../support/injection-corpus.ts";
import { ask, headersOf, listenToAll, type NatsAnswer, RawNats } from "../../support/nats-client.ts";
import { NatsNode } from "../../support/nats-node.ts";
import { TestNats } from "../../support/nats-server.ts";
import { describeWithEachNats } from "../../support/with-nats.ts";

const money = { amount: "1", currency: "CZK" };
/** What a command may be answered with: done, or a refusal that names its reason. */
function expectClear(what: string, { status, text }: HttpAnswer | NatsAnswer): void {
  expect([what, status < 500, status >= 200]).toEqual([what, true, true]);
  if (status < 400) return;
  const { code, detail } = JSON.parse(text) as { readonly code: string; readonly detail: string };
  expect([what, code, detail.length > 10]).toEqual([what, expect.stringMatching(/^[a-z_]+$/), true]);
}

it("TRAPS 42: no word of the corpus but a plain one becomes a token of a subject", () => {
  const plain = /^[A-Za-z0-9_-]{1,64}$/;
  for (const word of INJECTIONS.filter((each) => !plain.test(each)))
    for (const make of [commandSubject, durableSubject, eventSubject]) {
      expect(() => make(word, "open"), word).toThrow(RangeError);
      expect(() => make("account", word), word).toThrow(RangeError);
    }
  for (const word of INJECTIONS.filter((each) => !plain.test(each)))
    expect(() => serviceSubjects("PING", "troupe", word)).toThrow(RangeError);
  expect(
    INJECTIONS.filter((word) => isReplySubject(word, "_INBOX_troupe") || isReplySubject(`_INBOX.${word}.1`, "_INBOX_troupe")).filter(
      (word) => !plain.test(word) && !/^[\w-]+(\.[\w-]+)*$/.test(word),
    ),
  ).toEqual([]);
});

describeWithEachNats("the injection corpus", (version) => {
  let server: TestNats;
  let node: NatsNode;
  let connection: NatsConnection;
  let all: Awaited<ReturnType<typeof listenToAll>>;
  beforeAll(async () => {
    server = await TestNats.start({ version });
    node = await NatsNode.start({ servers: server.url });
    await node.connected();
    connection = await connect({ servers: server.url });
    await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK" });
    all = await listenToAll(server.url);
  });
  afterAll(async () => {
    await all.close();
    await connection.close();
    expect(node.defects).toEqual([]);
    await node[Symbol.asyncDispose]();
    await server.stop();
  });

  /** Everything that was heard, but for the inboxes of this test's clients and what they themselves said. */
  async function strange(sent: readonly string[]): Promise<readonly string[]> {
    await connection.flush();
    await all.settle();
    const known = new Set(sent);
    return all.subjects.splice(0).filter((subject) => !known.has(subject) && !/^_INBOX\.[A-Za-z0-9]+\.[A-Za-z0-9]+$/.test(subject));
  }

  it("through HTTP: as ids in paths and bodies, as keys and as texts, nothing reaches NATS", async () => {
    for (const word of INJECTIONS) {
      const what = JSON.stringify(word.slice(0, 60));
      const inPath = word.isWellFormed() ? encodeURIComponent(word) : "%ed%a0%80";
      expectClear(
        what,
        await get(node.url, `/v1/accounts/${inPath === "." || inPath === ".." ? encodeURIComponent(`${word} `) : inPath}/entries`),
      );
      expectClear(what, await post(node.url, "/v1/accounts", { id: word, currency: "CZK" }));
      expectClear(what, await post(node.url, "/v1/accounts", { id: "alice", currency: "CZK", owner: word }));
      expectClear(what, await post(node.url, "/v1/deposits", { ...money, accountId: word }, `http-${INJECTIONS.indexOf(word)}`));
      expectClear(what, await post(node.url, "/v1/conversations", { id: word }));
      if (!/[\r\n\0]/.test(word))
        expectClear(what, await post(node.url, "/v1/deposits", { ...money, accountId: "alice" }, Buffer.from(word).toString("latin1")));
    }
    expect(fieldsOf(await send(node.url, "GET", "/v1/accounts/a%0d%0ab")).code).toBe("validation_failed");
    expect(await strange([])).toEqual([]);
  });

  it("through NATS: as ids, keys, deadlines, traces and in bodies, each answer goes to its inbox and nowhere else", async () => {
    const sent = new Set<string>();
    const tell = async (
      what: string,
      command: string,
      body: unknown,
      headers: readonly (readonly [string, string])[],
    ): Promise<NatsAnswer> => {
      sent.add(`troupe.v1.${command}`);
      const answer = await ask(connection, `troupe.v1.${command}`, { body, headers });
      expectClear(what, answer);
      return answer;
    };
    for (const [at, word] of INJECTIONS.entries()) {
      const what = JSON.stringify(word.slice(0, 60));
      await tell(what, "account.open", { id: word, currency: "CZK" }, []);
      await tell(what, "transfer.deposit", { ...money, accountId: word }, [["Idempotency-Key", `nats-${at}`]]);
      if (word.isWellFormed()) await tell(what, "account.get", undefined, [["Troupe-Id", encodeURIComponent(word)]]);
      if (/[\r\n]/.test(word)) {
        // The library refuses to send these; raw they are another header or the end of the headers, see below.
        expect(() => headersOf([["Troupe-Id", word]])).toThrow();
        continue;
      }
      for (const header of ["Troupe-Id", "Idempotency-Key", "Troupe-Deadline", "traceparent", "Troupe-Reply-To"]) {
        const key = header === "Idempotency-Key" ? [] : [["Idempotency-Key", `header-${header}-${at}`] as const];
        await tell(`${header} ${what}`, "transfer.deposit", { ...money, accountId: "alice" }, [...key, [header, word]]);
      }
    }
    expect(await strange([...sent])).toEqual([]);
  });

  it("raw: as the command in a subject nothing answers, and as the reply subject nothing is sent", async () => {
    using raw = await RawNats.connect(server.port);
    const sent: string[] = [];
    const publish = async (subject: string, reply: string): Promise<void> => {
      sent.push(subject);
      await raw.say(`PUB ${subject} ${reply} 0\r\n\r\n`);
    };
    const answered: string[] = [];
    connection.subscribe("_INBOX.none.>", { callback: (_error, { subject }) => void answered.push(subject) });
    await connection.flush();
    const inOneWord = INJECTIONS.filter((word) => word !== "" && !/[\s\0]/.test(word) && word.isWellFormed());
    for (const word of inOneWord) {
      await publish(`troupe.v1.account.${word}`, `_INBOX.none.${inOneWord.indexOf(word)}`);
      await publish(`troupe.v1.${word}.open`, `_INBOX.none.${inOneWord.indexOf(word)}`);
    }
    for (const word of inOneWord) await publish("troupe.v1.account.get", Buffer.from(word).toString("latin1"));
    // Behind them on the same subject: when this is answered, they would have been.
    expect((await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] })).status).toBe(200);
    // A word that is no ASCII is heard as its bytes are read.
    expect(await strange(sent.flatMap((subject) => [subject, Buffer.from(subject).toString()]))).toEqual([]);
    expect(answered).toEqual([]);
  });

  it("raw: line breaks inside headers and bodies stay inside them", async () => {
    using raw = await RawNats.connect(server.port);
    await raw.say("SUB _INBOX.raw.* 1\r\n");
    const words = INJECTIONS.filter((word) => /[\r\n]/.test(word));
    for (const [at, word] of words.entries()) {
      for (const header of ["Troupe-Id", "Idempotency-Key", "Troupe-Reply-To"]) {
        const head = Buffer.from(`NATS/1.0\r\n${header}: ${word}\r\n\r\n`);
        const body = Buffer.from(JSON.stringify({ ...money, accountId: word }));
        const subject = "troupe.v1.transfer.deposit";
        await raw.say(
          Buffer.concat([
            Buffer.from(`HPUB ${subject} _INBOX.raw.${at}${header} ${head.length} ${head.length + body.length}\r\n`),
            head,
            body,
            Buffer.from("\r\n"),
          ]),
        );
        await raw.until(() => raw.heard.includes(`_INBOX.raw.${at}${header} `));
      }
    }
    const statuses = [...raw.heard.matchAll(/Troupe-Status: (\d+)/g)].map(([, status]) => Number(status));
    expect(statuses.length).toBe(words.length * 3);
    expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([]);
    await all.settle();
    expect(all.subjects.filter((subject) => subject !== "troupe.v1.transfer.deposit" && !subject.startsWith("_INBOX."))).toEqual([]);
    all.subjects.length = 0;
  });

  it("the node serves on, and no id of the corpus is in a subject that it listens to", async () => {
    const answer = await ask(connection, "troupe.v1.account.get", { headers: [["Troupe-Id", "alice"]] });
    expect(answer.status).toBe(200);
    const names = [...commandTable, statusSpec];
    const subjects = new Set(names.map(({ type, command }) => commandSubject(type, command)));
    const info = JSON.parse((await ask(connection, "$SRV.INFO.troupe")).text) as {
      readonly endpoints: ReadonlyArray<{ readonly subject: string }>;
    };
    expect(new Set(info.endpoints.map(({ subject }) => subject))).toEqual(subjects);
  });
});
