/** The domain's loop: order, limits, faults of handlers, keys, and what leaves when (S1-S4, L2, L3, L5, L6). */
import { describe, expect, it } from "vitest";
import { addressOf, RECORDED_ANSWER, shardOf, tagOfShard, unpackEntries } from "../../../src/runtime/index.ts";
import { ball, codeOf, DomainBench, recoveredOf, replyIn, SHARD_COUNT } from "./domain-bench.ts";

const foreign = (shard: number): boolean => shard < SHARD_COUNT / 2;
/** A counter in a shard that `foreign` owns, and one that it does not. */
const here = addressOf("counter", `here-{${tagOfShard(0, SHARD_COUNT)}}`);
const there = addressOf("counter", `there-{${tagOfShard(7, SHARD_COUNT)}}`);

describe("answers", () => {
  it("L2: nothing leaves before its group is committed, not even a read of what is not", () => {
    const bench = new DomainBench();
    const [add, get] = [bench.send("counter/a", "add", { by: 2 }), bench.send("counter/a", "get")];
    bench.settle();
    expect(bench.answers.size).toBe(0);
    bench.commit();
    expect(replyIn(bench.answers.get(add))).toEqual({ total: 2 });
    expect(replyIn(bench.answers.get(get))).toMatchObject({ total: 2 });
  });

  it("L2: a read of committed state leaves at once, whatever other entities wait for", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.send("counter/b", "add", { by: 1 });
    const get = bench.send("counter/a", "get");
    bench.settle();
    expect(replyIn(bench.answers.get(get))).toMatchObject({ total: 1 });
  });

  it("S1: one entity handles its messages in the order of their arrival, also while it is being read", () => {
    const bench = new DomainBench();
    const callers = [1, 2, 3].map((by) => bench.send("counter/a", "add", { by }));
    bench.drive();
    expect(callers.map((caller) => replyIn(bench.answers.get(caller)))).toEqual([{ total: 1 }, { total: 3 }, { total: 6 }]);
  });

  it("L4: info.at never goes back, whatever the clock does", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    bench.nowMs = 10;
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ at: 1_000 });
  });
});

describe("limits", () => {
  it("L6: a full mailbox refuses a client's command with MAILBOX_FULL and keeps nothing of it", () => {
    const bench = new DomainBench({ limits: { mailboxMax: 2 } });
    const callers = [1, 2, 3].map((by) => bench.send("counter/a", "add", { by }));
    expect(codeOf(bench.answers.get(callers[2] ?? 0))).toBe("MAILBOX_FULL");
    bench.drive();
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 3 });
  });

  it("a full mailbox still takes a tell: it is durable and may only be delayed", () => {
    const bench = new DomainBench({ limits: { mailboxMax: 1 } });
    bench.ask("counter/b", "get");
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 5, isAnswered: false });
    bench.drive();
    bench.send("counter/b", "add", { by: 1 });
    bench.drive();
    expect(replyIn(bench.ask("counter/b", "get"))).toMatchObject({ total: 6 });
  });

  it("L6: as many open effects as may be refuse new commands with OVERLOADED", () => {
    const bench = new DomainBench({ isOwned: foreign, limits: { effectsMax: 1 } });
    bench.ask(here, "tell", { to: there, command: "add", by: 1, isAnswered: true });
    expect(codeOf(bench.ask(here, "add", { by: 1 }))).toBe("OVERLOADED");
  });

  it("L6: as many changed entities as may be refuse new commands until a checkpoint holds them", () => {
    const bench = new DomainBench({ limits: { dirtyMax: 1 } });
    bench.ask("counter/a", "add", { by: 1 });
    expect(codeOf(bench.ask("counter/b", "add", { by: 1 }))).toBe("OVERLOADED");
    bench.checkpoint();
    expect(bench.ask("counter/b", "add", { by: 1 })).toMatchObject({ ok: true });
  });

  it("a deadline is looked at before the first handling only: surely not run", () => {
    const bench = new DomainBench();
    const late = bench.send("counter/a", "add", { by: 1 }, { deadlineAt: 999 });
    const inTime = bench.send("counter/a", "add", { by: 2 }, { deadlineAt: 1_000 });
    bench.settle();
    bench.nowMs = 5_000; // It passes between the handling and the commit: the answer is still the real one.
    bench.drive();
    expect(codeOf(bench.answers.get(late))).toBe("DEADLINE_EXCEEDED");
    expect(replyIn(bench.answers.get(inTime))).toEqual({ total: 2 });
  });

  it("a tell of a command whose deadline passed meanwhile is handled: effects carry none", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "tell", { to: "counter/b", command: "add", by: 3, isAnswered: true }, { deadlineAt: 1_000 });
    bench.nowMs = 1_000;
    bench.domain.loaded("counter/a", null);
    bench.loads.length = 0;
    bench.domain.run(1);
    bench.nowMs = 60_000;
    bench.loads.push(["counter/b", null]);
    bench.drive();
    expect(replyIn(bench.ask("counter/b", "get"))).toMatchObject({ total: 3 });
  });

  it("an unknown type or command is refused, one of another domain's shard too; nothing is kept", () => {
    const bench = new DomainBench({ isOwned: foreign });
    expect(codeOf(bench.ask("nothing/a", "add"))).toBe("validation_failed");
    expect(codeOf(bench.ask(here, "toString"))).toBe("validation_failed");
    expect(codeOf(bench.ask(there, "add", { by: 1 }))).toBe("NOT_OWNER");
    expect(bench.domain.entitiesCount).toBe(0);
  });

  it("L6: a group ends at its limit, and no more groups are handed out than may be in flight", () => {
    const bench = new DomainBench({ limits: { groupEntriesMax: 2, groupsInFlightMax: 2, turnMessagesMax: 1, mailboxMax: 100 } });
    for (let i = 0; i < 20; i++) bench.send("counter/a", "add", { by: 1 });
    bench.settle();
    expect(bench.groups.flatMap(({ body }) => unpackEntries(body)).map(({ events }) => events?.length)).toEqual([2, 2]);
    bench.drive();
    expect(bench.entries.every(({ events }) => events?.length === 2)).toBe(true);
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 20 });
  });

  it("the hop limit ends an endless chain of tells in a dead letter", () => {
    const bench = new DomainBench();
    bench.ask("ball/a", "hit", { to: "b", again: false });
    expect(bench.domain.figures()).toMatchObject({ deadLetters: 1, openEffects: 0 });
    const hits = Number(replyIn(bench.ask("ball/a", "get"))) + Number(replyIn(bench.ask("ball/b", "get")));
    expect(hits).toBe(11); // The client's and 10 hops.
  });

  it("the hop limit also ends a chain that goes on by the answers of dead letters", () => {
    const bench = new DomainBench();
    bench.ask("ball/a", "hit", { to: "b", again: true });
    expect(bench.domain.figures().openEffects).toBe(0);
    expect(bench.crashes).toHaveLength(1);
    expect(bench.crashes[0]).toContain("longer than 10");
  });
});

describe("port credits", () => {
  const here = `counter/here-{${tagOfShard(0, SHARD_COUNT)}}`;
  const there = `counter/there-{${tagOfShard(7, SHARD_COUNT)}}`;

  it("DESIGN 4.2, L6: with so many unhandled messages at another domain the door takes no commands; one answer opens it", () => {
    const bench = new DomainBench({ isOwned: (shard) => shard !== 7, limits: { portMessagesMax: 2 } });
    const tell = () => bench.ask(here, "tell", { to: there, command: "add", by: 1, isAnswered: false });
    expect([tell(), tell()].map((answer) => answer?.ok)).toEqual([true, true]);
    expect(codeOf(tell())).toBe("OVERLOADED");
    expect(codeOf(bench.ask(here, "get"))).toBe("OVERLOADED");
    const [first] = bench.sent.flatMap(({ message }) => (message.kind === "tell" ? [message.effect.id] : []));
    bench.domain.receive({ kind: "answer", id: first ?? "", answer: { ok: true, value: null } });
    bench.domain.receive({ kind: "answer", id: first ?? "", answer: { ok: true, value: null } }); // Repeated, it gives no second credit.
    expect(tell()?.ok).toBe(true);
    expect(codeOf(tell())).toBe("OVERLOADED");
    const recovered = recoveredOf(bench.records, (shard) => shard !== 7);
    const again = new DomainBench({ records: bench.records, recovered, isOwned: (shard) => shard !== 7, limits: { portMessagesMax: 2 } });
    expect(codeOf(again.ask(here, "get"))).toBe("OVERLOADED"); // A successor counts what it sends again.
  });
});

describe("clients that went away", () => {
  it("DESIGN 4.2: what waits is dropped and answered as surely not run; what has begun, and what others asked, goes on", () => {
    const bench = new DomainBench();
    const begun = bench.send("counter/a", "tellLater", { to: "counter/b", command: "add" });
    bench.settle();
    const [gone, stays] = [bench.send("counter/a", "add", { by: 1 }), bench.send("counter/a", "add", { by: 5 })];
    bench.domain.cancel([
      [begun, "counter/a"],
      [gone, "counter/a"],
      [99, "counter/a"],
      [gone, "counter/nobody"],
    ]);
    expect(codeOf(bench.answers.get(gone))).toBe("DEADLINE_EXCEEDED");
    bench.drive();
    expect(replyIn(bench.answers.get(begun))).toMatchObject({ total: 100 });
    expect(replyIn(bench.answers.get(stays))).toMatchObject({ total: 105 });
    expect(bench.domain.figures().commandsCancelled).toBe(1);
  });

  it("L6: a full mailbox whose clients left takes commands again", () => {
    const bench = new DomainBench({ limits: { mailboxMax: 2 } });
    const waiting = [bench.send("counter/a", "add", { by: 1 }), bench.send("counter/a", "add", { by: 1 })];
    expect(codeOf(bench.answers.get(bench.send("counter/a", "add", { by: 1 })))).toBe("MAILBOX_FULL");
    bench.domain.cancel(waiting.map((caller) => [caller, "counter/a"]));
    expect(replyIn(bench.ask("counter/a", "add", { by: 7 }))).toEqual({ total: 7 });
  });
});

describe("faults of handlers", () => {
  it("L5: a handler that throws leaves the state as it was and answers INTERNAL_ERROR", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "add", { by: 1 });
    expect(codeOf(bench.ask("counter/a", "boom"))).toBe("INTERNAL_ERROR");
    expect(codeOf(bench.ask("counter/a", "breakEvolve"))).toBe("INTERNAL_ERROR");
    expect(bench.crashes).toEqual(["counter/a boom: boom", "counter/a evolve: broken event"]);
    expect(replyIn(bench.ask("counter/a", "get"))).toMatchObject({ total: 1 });
    expect(bench.entries).toHaveLength(1);
  });

  it("S3: a tell whose handler throws is a dead letter at once, written with its cause, and the sender gets the fault", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "tell", { to: "counter/b", command: "boom", by: 0, isAnswered: true });
    const [told, deadLetter] = bench.entries;
    expect(deadLetter).toMatchObject({
      entity: "counter/b",
      handled: [{ isDeadLetter: true, answer: { ok: false, code: "INTERNAL_ERROR" } }],
    });
    const effect = told?.opens?.[0]?.id;
    expect(deadLetter?.handled?.[0]?.cause).toBe(effect);
    expect(bench.entries.at(-1)).toMatchObject({ entity: "counter/a", closes: [effect], events: [{ kind: "refused" }] });
    expect(bench.domain.figures()).toMatchObject({ deadLetters: 1, openEffects: 0 });
  });

  it("an effect to what does not exist is a fault of the handler that opens it, and nobody else's", () => {
    const bench = new DomainBench();
    expect(codeOf(bench.ask("counter/a", "tell", { to: "nothing/b", command: "add", by: 1, isAnswered: false }))).toBe("INTERNAL_ERROR");
    expect(codeOf(bench.ask("counter/a", "tell", { to: "counter/b", command: "toString", by: 1, isAnswered: false }))).toBe(
      "INTERNAL_ERROR",
    );
    expect(bench.entries).toEqual([]);
    expect(bench.ask("counter/a", "add", { by: 1 })).toMatchObject({ ok: true });
  });

  it("an ask gets an answer of a handler that only reads; one that would write is refused", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "ask", { to: "counter/b", command: "get" });
    bench.ask("counter/a", "ask", { to: "counter/b", command: "add" });
    expect(bench.entries.filter(({ entity }) => entity === "counter/b")).toEqual([]);
    expect(bench.entries.flatMap(({ events }) => events).map((event) => (event as { kind: string }).kind)).toEqual([
      "told",
      "added",
      "told",
      "refused",
    ]);
  });
});

describe("recorded keys", () => {
  it("L3: a repeat gets the first answer byte for byte, marked, and writes nothing, also after a snapshot or a replay", () => {
    const bench = new DomainBench();
    const first = JSON.stringify(bench.ask("counter/a", "addOnce", { by: 2 }, { id: "k" }));
    bench.ask("counter/a", "add", { by: 5 });
    const again = (of: DomainBench) => {
      const { isRepeat, ...answer } = of.ask("counter/a", "addOnce", { by: 2 }, { id: "k" }) ?? {};
      expect(isRepeat).toBe(true);
      return JSON.stringify(answer);
    };
    expect(again(bench)).toBe(first);
    expect(again(new DomainBench({ records: bench.records }))).toBe(first);
    bench.checkpoint();
    bench.domain.passivate({ idleSince: Number.POSITIVE_INFINITY, stepsMax: 10 });
    expect(bench.domain.entitiesCount).toBe(0);
    expect(again(bench)).toBe(first);
    expect(bench.entries).toHaveLength(2);
    expect(JSON.stringify([first, bench.entries])).not.toContain("isRepeat"); // The mark is of this answer, not of the kept one.
  });

  it("L3: the same key with another body is key_reused; a refusal of the entity is kept too", () => {
    const bench = new DomainBench();
    bench.ask("counter/a", "addOnce", { by: 2 }, { id: "k" });
    const reused = bench.ask("counter/a", "addOnce", { by: 3 }, { id: "k" });
    expect([codeOf(reused), reused?.isRepeat]).toEqual(["key_reused", undefined]);
    expect(bench.entries).toHaveLength(1);
  });

  it("L2: a repeat of what is not committed waits for it", () => {
    const bench = new DomainBench();
    bench.send("counter/a", "addOnce", { by: 2 }, { id: "k" });
    const again = bench.send("counter/a", "addOnce", { by: 2 }, { id: "k" });
    bench.settle();
    expect(bench.answers.size).toBe(0);
    bench.commit();
    expect(replyIn(bench.answers.get(again))).toEqual({ total: 2 });
  });

  it("TRAPS 17: what a key was answered is given again without running anything, once it is committed; an unknown key is not_found", () => {
    const bench = new DomainBench();
    const asked = (id: string) => bench.send("counter/a", RECORDED_ANSWER, {}, { id });
    bench.send("counter/a", "addOnce", { by: 2 }, { id: "k" });
    const [early, unknown] = [asked("k"), asked("other")];
    bench.settle();
    expect(bench.answers.size).toBe(0);
    bench.commit();
    expect(bench.answers.get(early)).toEqual({ ok: true, value: { total: 2 }, isRepeat: true });
    expect(codeOf(bench.answers.get(unknown))).toBe("not_found");
    expect(bench.entries).toHaveLength(1);
  });

  it("1,000 keys within 24 h are the limit: keys_exhausted, none is forgotten early; a day later there is room", () => {
    const bench = new DomainBench({ limits: { mailboxMax: 2_000 } });
    for (let i = 0; i < 1_000; i++) bench.send("counter/a", "addOnce", { by: 0 }, { id: `k${i}` });
    bench.drive();
    expect(codeOf(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "one more" }))).toBe("keys_exhausted");
    expect(bench.ask("counter/a", "addOnce", { by: 0 }, { id: "k0" })).toMatchObject({ ok: true });
    bench.nowMs += 24 * 3_600_000;
    expect(bench.ask("counter/a", "addOnce", { by: 1 }, { id: "one more" })).toMatchObject({ ok: true });
    expect(bench.entries.flatMap(({ keys }) => keys ?? [])).toHaveLength(1_001);
  });
});

describe("tells between domains", () => {
  const told = (isAnswered: boolean) => {
    const bench = new DomainBench({ isOwned: foreign });
    bench.send(here, "tell", { to: there, command: "add", by: 1, isAnswered });
    bench.settle();
    return bench;
  };

  it("L2: leave after the commit of the entry that opened them, and to the shard that owns the receiver", () => {
    const bench = told(true);
    const tells = () => bench.sent.filter(({ message }) => message.kind === "tell");
    expect(tells()).toEqual([]);
    bench.commit();
    expect(tells()).toMatchObject([{ shard: shardOf(there, SHARD_COUNT), message: { effect: { from: here, to: there } } }]);
  });

  it("S4: a second copy is not handled, before or after the first; it is answered again once that is committed", () => {
    const sender = told(true);
    sender.commit();
    const tell = sender.sent.map(({ message }) => message).find(({ kind }) => kind === "tell");
    if (tell?.kind !== "tell") throw new Error("no tell was sent");
    const receiver = new DomainBench({ isOwned: (shard) => !foreign(shard) });
    const answers = () => receiver.sent.filter(({ message }) => message.kind === "answer").length;
    receiver.domain.receive(tell);
    receiver.domain.receive(tell);
    receiver.settle();
    receiver.domain.receive(tell);
    receiver.settle();
    expect(answers()).toBe(0);
    receiver.commit();
    expect(answers()).toBe(2);
    expect(receiver.entries).toHaveLength(1);
    receiver.domain.receive({ kind: "closed", id: tell.effect.id });
    expect(receiver.domain.tellsSeen).toBe(0);
  });

  it("the list of open effects of one shard forgets nothing that was told to another shard", () => {
    const receiver = new DomainBench({ isOwned: (shard) => !foreign(shard) });
    const effect = { id: "0.1.1.0", kind: "tell" as const, from: here, shard: 0, to: there, command: "add", body: { by: 1 }, hops: 1 };
    receiver.domain.receive({ kind: "tell", effect });
    receiver.drive();
    receiver.domain.receive({ kind: "open", to: 6, shards: [0], ids: [] });
    expect(receiver.domain.tellsSeen).toBe(1);
    receiver.domain.receive({ kind: "open", to: 7, shards: [0], ids: [effect.id] });
    expect(receiver.domain.tellsSeen).toBe(1);
    receiver.domain.receive({ kind: "open", to: 7, shards: [1], ids: [] });
    expect(receiver.domain.tellsSeen).toBe(1);
    receiver.domain.receive({ kind: "open", to: 7, shards: [0], ids: [] });
    expect(receiver.domain.tellsSeen).toBe(0);
  });

  it("a successor is told what is open only after the closing entries that the list leaves out are committed", () => {
    const bench = told(true);
    bench.commit();
    const tell = bench.sent.map(({ message }) => message).find(({ kind }) => kind === "tell");
    if (tell?.kind !== "tell") throw new Error("no tell was sent");
    bench.domain.receive({ kind: "answer", id: tell.effect.id, answer: { ok: true, value: null } });
    bench.settle();
    bench.sent.length = 0;
    bench.domain.resend((shard) => !foreign(shard));
    expect(bench.sent).toEqual([]);
    bench.commit();
    const open = bench.sent.filter(({ message }) => message.kind === "open");
    expect(open).toHaveLength(SHARD_COUNT / 2);
    expect(open.every(({ message }) => message.kind === "open" && message.ids.length === 0)).toBe(true);
  });

  it("when a peer is recovered, what its old incarnation sent and was not handled is forgotten and taken again from the new one", () => {
    const receiver = new DomainBench({ isOwned: (shard) => !foreign(shard) });
    const effect = { id: "0.1.1.0", kind: "tell" as const, from: here, shard: 0, to: there, command: "add", body: { by: 1 }, hops: 1 };
    receiver.domain.receive({ kind: "tell", effect });
    expect(receiver.domain.isCommitted(receiver.domain.peerChanged(foreign))).toBe(true);
    receiver.domain.receive({ kind: "tell", effect });
    receiver.settle();
    // Handled and not committed: the barrier is that group.
    const barrier = receiver.domain.peerChanged(foreign);
    expect(receiver.domain.isCommitted(barrier)).toBe(false);
    receiver.commit();
    expect(receiver.domain.isCommitted(barrier)).toBe(true);
    expect(receiver.entries).toHaveLength(1);
  });

  it("a tell that wants no answer is closed by its sender when it was handled elsewhere", () => {
    const bench = told(false);
    bench.commit();
    const tell = bench.sent.map(({ message }) => message).find(({ kind }) => kind === "tell");
    if (tell?.kind !== "tell") throw new Error("no tell was sent");
    bench.domain.receive({ kind: "answer", id: tell.effect.id, answer: { ok: true, value: null } });
    bench.drive();
    expect(bench.entries.at(-1)).toMatchObject({ entity: here, closes: [tell.effect.id] });
    expect(bench.sent.at(-1)).toMatchObject({ message: { kind: "closed", id: tell.effect.id } });
    expect(bench.domain.effectsOpen).toBe(0);
  });
});

describe("the entities that changed after the checkpoint", () => {
  const before = new DomainBench({ limits: { dirtyMax: 1_000 } });
  for (let i = 0; i < 300; i++) before.ask(`counter/${i}`, "add", { by: 1 });

  it("wake some in a run, whoever is sent a message first; all have their state, and no checkpoint begins before", () => {
    const bench = new DomainBench({ records: before.records, limits: { dirtyMax: 1_000 } });
    expect([bench.loads.length, bench.domain.hasReady, bench.domain.isIdle]).toEqual([0, true, false]);
    const get = bench.send("counter/299", "get");
    bench.domain.run(1_000);
    expect(bench.loads[0]).toEqual(["counter/299", "tail"]);
    expect(bench.loads.length).toBeLessThan(100);
    expect(bench.domain.beginCheckpoint(bench.records.length)).toBeNull();
    bench.drive();
    expect(replyIn(bench.answers.get(get))).toMatchObject({ total: 1 });
    expect(bench.domain.figures()).toMatchObject({ entities: 300, dirty: 300 });
    expect(bench.domain.beginCheckpoint(bench.records.length)).not.toBeNull();
  });

  it("L6: count as changes that no snapshot holds before they wake too", () => {
    const bench = new DomainBench({ records: before.records, limits: { dirtyMax: 300 } });
    expect(codeOf(bench.ask("counter/new", "add", { by: 1 }))).toBe("OVERLOADED");
    bench.checkpoint();
    expect(replyIn(bench.ask("counter/new", "add", { by: 1 }))).toEqual({ total: 1 });
  });

  it("of a type that the program does not have refuse its start, before anything is served", () => {
    expect(() => new DomainBench({ records: before.records, definitions: [ball] })).toThrow(
      "no definition of the entity type of counter/0",
    );
  });
});
