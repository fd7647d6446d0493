/** A certificate authority of a test's own: keys and certificates are made when they are needed, so that none stands in the repository. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Paths of PEM files. */
export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Issues certificates for 127.0.0.1, for servers and clients, valid from yesterday until tomorrow (ECDSA on P-256; of RFC 5280 what Node.js and nats-server ask for). */
export class TestCa implements Disposable {
  /** Path of the PEM file that others check its certificates with. */
  readonly caFile: string;
  readonly #dir = mkdtempSync(join(tmpdir(), "troupe-ca-"));
  readonly #name: Buffer;
  readonly #keys = newKeys();

  constructor(name: string) {
    this.#name = nameOf(name);
    this.caFile = this.#write("ca.pem", "CERTIFICATE", this.#signed(this.#name, this.#keys.publicKey, CA_EXTENSIONS));
  }

  issue(name: string): IssuedCertificate {
    const { publicKey, privateKey } = newKeys();
    const certificate = this.#signed(nameOf(name), publicKey, LEAF_EXTENSIONS);
    return {
      certFile: this.#write(`${name}.pem`, "CERTIFICATE", certificate),
      keyFile: this.#write(`${name}-key.pem`, "PRIVATE KEY", privateKey.export({ type: "pkcs8", format: "der" })),
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #signed(subject: Buffer, publicKey: KeyObject, extensions: readonly Buffer[]): Buffer {
    const version = der(0xa0, der(INTEGER, Buffer.from([2])));
    const serial = der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])); // Begins with 1, so that it is positive.
    const validity = sequence(timeOf(Date.now() - DAY_MS), timeOf(Date.now() + DAY_MS));
    const spki = publicKey.export({ type: "spki", format: "der" });
    const body = sequence(version, serial, ECDSA_SHA256, this.#name, validity, subject, spki, der(0xa3, sequence(...extensions)));
    return sequence(body, ECDSA_SHA256, bits(sign("sha256", body, this.#keys.privateKey)));
  }

  #write(file: string, label: string, content: Buffer): string {
    const path = join(this.#dir, file);
    const lines = content.toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
    writeFileSync(path, `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`, { mode: 0o600 });
    return path;
  }
}

const newKeys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });
const DAY_MS = 86_400_000;

// Tags of ASN.1, and the few types that a certificate needs in their distinguished encoding (X.690).
const [BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OBJECT, UTF8, SEQUENCE, SET, UTC_TIME] = [1, 2, 3, 4, 6, 12, 0x30, 0x31, 23];

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), content]);
}
const sequence = (...parts: readonly Buffer[]): Buffer => der(SEQUENCE, Buffer.concat(parts));
const bits = (content: Buffer): Buffer => der(BIT_STRING, Buffer.concat([Buffer.from([0]), content]));
const object = (hex: string): Buffer => der(OBJECT, Buffer.from(hex, "hex"));
const timeOf = (ms: number): Buffer =>
  der(
    UTC_TIME,
    Buffer.from(
      new Date(ms)
        .toISOString()
        .slice(2)
        .replace(/[-:T]|\.\d+/g, ""),
    ),
  );
const nameOf = (name: string): Buffer => sequence(der(SET, sequence(object("550403"), der(UTF8, Buffer.from(name)))));
const extension = (id: string, isCritical: boolean, value: Buffer): Buffer =>
  sequence(object(id), ...(isCritical ? [der(BOOLEAN, Buffer.from([255]))] : []), der(OCTET_STRING, value));

const ECDSA_SHA256 = sequence(object("2a8648ce3d040302"));
const BASIC_CONSTRAINTS = "551d13";
const EXTENDED_KEY_USAGE = "551d25";
const ALTERNATIVE_NAMES = "551d11";
const [SERVER_AUTH, CLIENT_AUTH] = [object("2b06010505070301"), object("2b06010505070302")];
const CA_EXTENSIONS = [extension(BASIC_CONSTRAINTS, true, sequence(der(BOOLEAN, Buffer.from([255]))))];
const LEAF_EXTENSIONS = [
  extension(EXTENDED_KEY_USAGE, false, sequence(SERVER_AUTH, CLIENT_AUTH)),
  extension(ALTERNATIVE_NAMES, false, sequence(der(0x87, Buffer.from([127, 0, 0, 1])))),
];
