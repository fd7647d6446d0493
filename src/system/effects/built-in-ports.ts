import { Fault } from "../../runtime/index.ts";

/** Names of the ports that every node has: entities of the program's own send effects to them. Apart from what they are made of, which is loaded when needed. */
export const BUILT_IN_PORTS: readonly string[] = ["reply", "summary", "conversation-keys"];

/** @throws Fault `CONFIG_INVALID` when a module takes one of the names. */
export function assertNotBuiltIn(names: Iterable<string>): void {
  for (const name of names) {
    if (BUILT_IN_PORTS.includes(name))
      throw new Fault("CONFIG_INVALID", `a module defines the port ${JSON.stringify(name)}, which every node has. Give it another name.`);
  }
}
