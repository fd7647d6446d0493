import { ActorSystem, defineBehavior, type Ref, reply } from "../../src/runtime/index.ts";
import { actorPorts } from "../../src/system/actor-ports.ts";

/** What a room takes: an interface of functions from body to reply. What is only told returns void. */
interface Room {
  join(body: { name: string; guest: Ref<Guest> }): void;
  say(body: { from: string; text: string }): void;
  names(): readonly string[];
}
interface Guest {
  heard(body: { from: string; text: string }): void;
  last(): string;
}

const room = defineBehavior<Room>()({
  type: "room",
  started: () => new Map<string, Ref<Guest>>(), // The state: an object that this actor alone touches.
  receive: {
    join: (_context, guests, { name, guest }) => void guests.set(name, guest),
    say: (_context, guests, message) => {
      for (const [name, guest] of guests) if (name !== message.from) guest.tell.heard(message);
    },
    names: (_context, guests) => reply([...guests.keys()]),
  },
});
const guest = defineBehavior<Guest>()({
  type: "guest",
  started: (_context, name: string) => ({ name, last: "" }),
  receive: {
    heard: (_context, state, { from, text }) => {
      state.last = `${state.name} heard ${from}: ${text}`;
    },
    last: (_context, { last }) => reply(last),
  },
});

const ports = actorPorts({ crashed: (crash) => console.error(crash), gaveUp: (what) => console.error(what) });
await using system = await ActorSystem.start({ ports });
const hall = await system.spawn(room, "hall", undefined);
const [ann, bob] = [await system.spawn(guest, "ann", "ann"), await system.spawn(guest, "bob", "bob")];
hall.tell.join({ name: "ann", guest: ann });
hall.tell.join({ name: "bob", guest: bob });
hall.tell.say({ from: "ann", text: "hello" });
console.log(await hall.ask.names()); // Behind `say`, so what bob is told is on its way before this is answered.
console.log(await bob.ask.last());
