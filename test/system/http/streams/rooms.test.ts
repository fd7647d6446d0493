/** Rooms of conversations (R-API-5). */
import { describe, expect, it } from "vitest";
import { type Member, type Notice, Rooms } from "../../../../src/system/http/streams/rooms.ts";

function member(name: string, hear?: (notice: Notice) => void) {
  const heard: string[] = [];
  const broken: unknown[] = [];
  const made: Member = {
    memberId: `id-${name}`,
    name,
    hear(notice) {
      hear?.(notice);
      heard.push(`${notice.event} ${String(notice.data.name)}`);
    },
    broke: (cause) => broken.push(cause),
  };
  return { ...made, member: made, heard, broken };
}

describe("rooms", () => {
  it("R-API-5: who is there hears who joins, types and leaves; nobody hears itself", () => {
    const rooms = new Rooms();
    const [a, b, elsewhere] = [member("a"), member("b"), member("x")];
    rooms.join("c", a.member);
    rooms.join("other", elsewhere.member);
    rooms.join("c", b.member);
    rooms.tellOthers("c", b.member, "typing");
    rooms.leave("c", b.member);
    rooms.leave("c", b.member);
    expect([a.heard, b.heard, elsewhere.heard]).toEqual([["joined b", "typing b", "left b"], [], []]);
  });

  it("R-API-5: one broken member stops no broadcast, is told nothing more, and the others hear that it left", () => {
    const rooms = new Rooms();
    const throwing = () => {
      throw new Error("broken");
    };
    const [a, bad, worse, b] = [member("a"), member("bad", throwing), member("worse", throwing), member("b")];
    for (const one of [bad, worse, a, b]) rooms.join("c", one.member);
    expect(a.heard).toEqual(["joined b"]);
    expect([bad.broken.length, worse.broken.length]).toEqual([1, 1]);
    rooms.tellOthers("c", a.member, "typing");
    expect(b.heard).toEqual(["typing a"]);
    expect(rooms.membersOf("c").map(({ name }) => name)).toEqual(["a", "b"]);
  });

  it("R-API-5: a member that breaks late is left behind, and all others hear both", () => {
    const rooms = new Rooms();
    let isBroken = false;
    const late = member("late", () => {
      if (isBroken) throw new Error("broken");
    });
    const [a, b, c] = [member("a"), member("b"), member("c")];
    for (const one of [a, late, b, c]) rooms.join("c", one.member);
    isBroken = true;
    rooms.tellOthers("c", a.member, "typing");
    expect(b.heard).toEqual(["joined c", "typing a", "left late"]);
    expect(c.heard).toEqual(["typing a", "left late"]);
    expect(late.broken).toHaveLength(1);
  });

  it("R-API-5: empty rooms vanish, also when the last member was a broken one", () => {
    const rooms = new Rooms();
    const a = member("a");
    const bad = member("bad", () => {
      throw new Error("broken");
    });
    rooms.join("c", a.member);
    expect(rooms.count).toBe(1);
    rooms.leave("c", a.member);
    expect(rooms.count).toBe(0);
    rooms.join("c", bad.member);
    rooms.join("c", a.member);
    rooms.leave("c", a.member);
    expect([rooms.count, bad.broken.length]).toEqual([0, 1]);
  });
});
