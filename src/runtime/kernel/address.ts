/**
 * Addresses and shards of entities. An address is `type/id`. The shard is FNV-1a (32 bit, over UTF-8 bytes; offset basis 2166136261,
 * prime 16777619) of the address, or of the tag alone when the id has a `{tag}`, so that related entities can share a shard.
 */
const TYPE = /^[a-z][a-z0-9-]{0,63}$/;
const BYTES_MAX = 200;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/\u2028\u2029]/;

export const addressOf = (type: string, id: string): string => `${type}/${id}`;

/** Splits an address; the inside trusts its form. */
export function partsOf(address: string): { readonly type: string; readonly id: string } {
  const slash = address.indexOf("/");
  return { type: address.slice(0, slash), id: address.slice(slash + 1) };
}

/** Why this is no id of an entity, or null when it is one: 1-200 bytes of well-formed UTF-8, no control characters, no `/`, not `.` or `..`. */
export function whyNotId(id: string): string | null {
  if (id.length === 0) return "an id has at least 1 character";
  if (!id.isWellFormed()) return "an id is well-formed Unicode";
  if (FORBIDDEN.test(id)) return "an id has no control character and no '/'";
  if (id === "." || id === "..") return "an id is not '.' or '..': whoever reads a URL takes those out of its path"; // It could be made and never reached.
  if (Buffer.byteLength(id, "utf8") > BYTES_MAX) return `an id has at most ${BYTES_MAX} bytes of UTF-8`;
  return null;
}
export const isType = (type: string): boolean => TYPE.test(type);

const encoder = new TextEncoder();
export function fnv1a32(text: string): number {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) return fnv1a32Bytes(encoder.encode(text));
    hash = Math.imul(hash ^ unit, 16777619);
  }
  return hash >>> 0;
}
function fnv1a32Bytes(bytes: Uint8Array): number {
  let hash = 2166136261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return hash >>> 0;
}

/** The shard that owns an address. `shardCount` is fixed when the store is made. */
export function shardOf(address: string, shardCount: number): number {
  const open = address.indexOf("{");
  if (open >= 0) {
    const close = address.indexOf("}", open + 1);
    if (close > open + 1) return fnv1a32(address.slice(open + 1, close)) % shardCount;
  }
  return fnv1a32(address) % shardCount;
}

const tagsByCount = new Map<number, readonly string[]>();
/** A short tag that hashes to the shard: an id that contains `{tag}` lives there. Found by trying 0, 1, 2 ... in base 36. */
export function tagOfShard(shard: number, shardCount: number): string {
  let tags = tagsByCount.get(shardCount);
  if (tags === undefined) {
    const found: string[] = [];
    let missing = shardCount;
    for (let n = 0; missing > 0; n++) {
      const at = fnv1a32(n.toString(36)) % shardCount;
      if (found[at] === undefined) {
        found[at] = n.toString(36);
        missing--;
      }
    }
    tags = found;
    tagsByCount.set(shardCount, tags);
  }
  const tag = tags[shard];
  if (tag === undefined) throw new RangeError(`shard ${shard} is not one of 0 to ${shardCount - 1}`);
  return tag;
}
