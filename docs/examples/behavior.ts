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
  started: (_context, name: string) => ({ name }),
  receive: { heard: (_context, { name }, { from, text }) => console.log(`${name} heard ${from}: ${text}`) },
});

const ports = actorPorts({ crashed: (crash) => console.error(crash), gaveUp: (what) => console.error(what) });
await using system = await ActorSystem.start({ ports });
const hall = await system.spawn(room, "hall", undefined);
for (const name of ["ann", "bob"]) hall.tell.join({ name, guest: await system.spawn(guest, name, name) });
hall.tell.say({ from: "ann", text: "hello" });
console.log(await hall.ask.names());
