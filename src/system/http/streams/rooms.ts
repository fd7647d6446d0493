/**
 * Who is in which conversation's room, and what they tell each other (R-API-5). It is ephemeral: notices have no id, nothing is kept, and one who is not
 * there does not hear them. What is said in a conversation goes another way, by its feed.
 */
import type { JsonObject } from "../../ingress/json-body.ts";

export interface Notice {
  readonly event: "joined" | "left" | "typing";
  readonly data: JsonObject;
}
export interface Member {
  readonly memberId: string;
  /** What the others call it. */
  readonly name: string;
  /** May drop the notice when the member is slow. */
  hear(notice: Notice): void;
  /** It threw on hearing and is in the room no longer. */
  broke(cause: unknown): void;
}

/** Each join is told to all: so many members cost so many squared. */
const MEMBERS_MAX = 256;

export class Rooms {
  readonly #rooms = new Map<string, Set<Member>>();

  /** Rooms with somebody in them; an empty one is gone. */
  get count(): number {
    return this.#rooms.size;
  }

  membersOf(conversation: string): readonly Member[] {
    return [...(this.#rooms.get(conversation) ?? [])];
  }

  hasRoom(conversation: string): boolean {
    return (this.#rooms.get(conversation)?.size ?? 0) < MEMBERS_MAX;
  }

  /** Those who are there are told. A member is in one room once. */
  join(conversation: string, member: Member): void {
    const room = this.#rooms.get(conversation) ?? new Set();
    this.#rooms.set(conversation, room);
    room.add(member);
    this.tellOthers(conversation, member, "joined");
  }

  /** Those who stay are told. Calling it twice does no harm. */
  leave(conversation: string, member: Member): void {
    if (this.#rooms.get(conversation)?.delete(member) === true) this.#hasLeft(conversation, member);
  }

  /** Tells all but the member. One who throws leaves the room, and the others hear it all the same. */
  tellOthers(conversation: string, member: Member, event: Notice["event"]): void {
    const { memberId, name } = member;
    const room = this.#rooms.get(conversation) ?? new Set();
    const broken: Member[] = [];
    for (const other of [...room]) {
      if (other === member) continue;
      try {
        other.hear({ event, data: { memberId, name } });
      } catch (cause) {
        room.delete(other); // Before the others hear of it: it must not be told anything again.
        broken.push(other);
        other.broke(cause);
      }
    }
    for (const other of broken) this.#hasLeft(conversation, other);
  }

  #hasLeft(conversation: string, member: Member): void {
    if (this.#rooms.get(conversation)?.size === 0) this.#rooms.delete(conversation);
    else this.tellOthers(conversation, member, "left");
  }
}
