/** TLS is worth what the check of the server's name is worth: no other certificate of the same authority counts as the server's. */
import type { PeerCertificate } from "node:tls";
import { expect, it } from "vitest";
import { serverIdentityOf } from "../../../src/system/nats/server-identity.ts";

const certificateFor = (subjectaltname: string) => ({ subject: { CN: "a server" }, subjectaltname }) as unknown as PeerCertificate;
const ADDRESS = "IP Address:10.0.0.1";

it.each([
  // The server as it is named, what the library asks for, for whom the certificate is, whether that is right.
  ["tls://nats.example.com:4222", "nats.example.com", "DNS:nats.example.com", true],
  ["tls://nats.example.com:4222", "nats.example.com", "DNS:other.example.com", false],
  ["tls://localhost", "localhost", "DNS:localhost", true],
  ["tls://localhost", "localhost", ADDRESS, false],
  // A server without a name: the library asks for none, and Node.js for localhost.
  ["tls://10.0.0.1:4222", "localhost", ADDRESS, true],
  ["tls://10.0.0.1:4222", "localhost", "IP Address:10.0.0.2", false],
  ["tls://10.0.0.1:4222", "localhost", "DNS:localhost", false],
  ["tls://[::1]:4222", "localhost", "IP Address:0:0:0:0:0:0:0:1", true],
])("%s, asked for %s, shows a certificate for %s", (server, host, names, isRight) => {
  const problem = serverIdentityOf([server])(host, certificateFor(names));
  expect(problem === undefined, problem?.message).toBe(isRight);
});
