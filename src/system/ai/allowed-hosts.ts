import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { Fault } from "../../runtime/index.ts";

/** Addresses that no name may lead to: the link-local ones, at which clouds hand out credentials of the machine. */
const refused = new BlockList();
refused.addSubnet("169.254.0.0", 16, "ipv4");
refused.addSubnet("fe80::", 10, "ipv6");
refused.addAddress("fd00:ec2::254", "ipv6");

/** What is wrong with a setting, in the words of a refused configuration. */
export interface HostProblem {
  readonly key: "ai.url" | "ai.hostsAllowed";
  readonly got: string;
  readonly expected: string;
}

/** Why `ai.url` cannot be used; null when it can. `hosts`: `ai.hostsAllowed`. */
export function hostProblem(url: string, hosts: string | null): HostProblem | null {
  const parsed = URL.parse(url);
  if (parsed === null) return { key: "ai.url", got: JSON.stringify(url), expected: "an http or https URL" };
  if (hostsOf(parsed, hosts).includes(parsed.hostname)) return null;
  return { key: "ai.hostsAllowed", got: JSON.stringify(hosts), expected: `${parsed.hostname}, the host of ai.url, among them` };
}

/**
 * The URL of the endpoint when its host is allowed. `hosts` is what `ai.hostsAllowed` says: names or addresses without port, separated by commas;
 * null allows the URL's own host alone. @throws Fault `CONFIG_INVALID`.
 */
export function allowedUrl(url: string, hosts: string | null): URL {
  const problem = hostProblem(url, hosts);
  if (problem === null) return new URL(url);
  throw new Fault("CONFIG_INVALID", `${problem.key} is ${problem.got}; expected ${problem.expected}`);
}

const hostsOf = ({ hostname }: URL, hosts: string | null): readonly string[] =>
  hosts === null ? [hostname] : hosts.split(",").map((host) => host.trim().toLowerCase());

export function isRefusedAddress(address: string): boolean {
  const [bare = ""] = address.split("%"); // The zone of a link-local address.
  return refused.check(bare, isIP(bare) === 6 ? "ipv6" : "ipv4");
}

/**
 * Resolves a name for a connection, without the addresses that are refused; so a name that was pointed there after the start reaches nothing.
 * It is not asked for an address that stands in the URL itself: whoever wrote that meant it.
 */
export const guardedLookup: LookupFunction = (host, options: LookupOptions, callback) => {
  lookup(host, { ...options, all: true }, (error, addresses: readonly LookupAddress[]) => {
    if (error !== null) return callback(error, []);
    const allowed = addresses.filter(({ address }) => !isRefusedAddress(address));
    const [first] = allowed;
    if (first === undefined) return callback(new Error(`${host} leads to a link-local address, which is refused`), []);
    if (options.all === true) callback(null, allowed);
    else callback(null, first.address, first.family);
  });
};
