import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity } from "node:tls";

/**
 * Whether a certificate is the one of a server that is named here. The client library gives no name for a server that is named by its address, and Node.js
 * then asks for a certificate of `localhost`: one for the address would be refused, and one that anybody has for himself taken.
 */
export function serverIdentityOf(servers: readonly string[]): NonNullable<ConnectionOptions["checkServerIdentity"]> {
  const hosts = servers.map((server) =>
    server
      .replace(/^\w+:\/\//, "")
      .replace(/:\d+$/, "")
      .replace(/[[\]]/g, ""),
  );
  const addresses = hosts.filter((host) => isIP(host) !== 0);
  return (host, certificate) => {
    if (host !== NAMELESS || hosts.includes(NAMELESS)) return checkServerIdentity(host, certificate);
    const problems = addresses.map((address) => checkServerIdentity(address, certificate));
    return problems.includes(undefined) ? undefined : (problems[0] ?? checkServerIdentity(host, certificate));
  };
}

/** What Node.js takes for a server without a name. */
const NAMELESS = "localhost";
