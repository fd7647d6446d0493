// Finds or obtains nats-server without root: PATH, /usr/sbin, .tools, else Debian's package unpacked into .tools.
import { join } from "node:path";
import { findProgram, unpackedFolder, unpackPackages } from "./debian-package.mjs";

const name = "nats-server";

/** The path of a nats-server that can be run, or undefined. Looks only, changes nothing. */
export const findNatsServer = () => findProgram(name, ["/usr/sbin", join(unpackedFolder(name), "usr", "sbin")]);

/** Downloads and unpacks Debian's package. Needs apt-get, dpkg and the network. @throws {Error} saying which step failed. */
export const obtainNatsServer = () => unpackPackages(name, { packages: [name], program: join("usr", "sbin", name) });
