/**
 * The authentication tag of a frame: HMAC-SHA-256 (RFC 2104) over the link's letter and the envelope's bytes,
 * cut to the link's tag length (RFC 2104 section 5). The link's letter keeps a frame that was overheard on one
 * network from being replayed on the other, where it would pass for a sign of life.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { assert } from "../base/assert.ts";
import type { LinkKind } from "../base/ids.ts";
import { etherTagBytes, keyBytes, keysMax, serialTagBytes } from "../limits.ts";

export function tagBytesOf(link: LinkKind): number {
  return link === "ether" ? etherTagBytes : serialTagBytes;
}

const linkLetters: Record<LinkKind, Uint8Array> = { ether: Uint8Array.of(0x45), serial: Uint8Array.of(0x53) };

type Mac = ReturnType<typeof hmac.create>;

/** The keys of a system: the first signs, each is accepted. */
export class Keyring {
  readonly #started: Record<LinkKind, Mac[]>;

  /** `keys` are one or two secrets of 32 bytes, the signing one first. */
  constructor(keys: readonly Uint8Array[]) {
    assert(keys.length >= 1 && keys.length <= keysMax, `a keyring has 1 to ${keysMax} keys, not ${keys.length}`);
    const start = (link: LinkKind) =>
      keys.map((key) => {
        assert(key.length === keyBytes, `a key has ${keyBytes} bytes, not ${key.length}`);
        return hmac.create(sha256, key).update(linkLetters[link]);
      });
    this.#started = { ether: start("ether"), serial: start("serial") };
  }

  /** The tag of an envelope, as long as the link's tags are. */
  sign(link: LinkKind, envelope: Uint8Array): Uint8Array {
    return digest(this.#started[link][0] as Mac, envelope).slice(0, tagBytesOf(link));
  }

  /** Whether one of the keys made `tag` for `envelope`. Takes the same time wherever a tag differs. */
  accepts(link: LinkKind, envelope: Uint8Array, tag: Uint8Array): boolean {
    const length = tagBytesOf(link);
    if (tag.length !== length) return false;
    return this.#started[link].some((started) => {
      const expected = digest(started, envelope);
      let difference = 0;
      for (let index = 0; index < length; index++) difference |= (expected[index] as number) ^ (tag[index] as number);
      return difference === 0;
    });
  }
}

/** Every digest goes through one state and one buffer: half of its cost was making new ones. */
const scratch = hmac.create(sha256, new Uint8Array(keyBytes));
const digested = new Uint8Array(sha256.outputLen);

/** The digest of an envelope, in a buffer that the next call overwrites. */
function digest(started: Mac, envelope: Uint8Array): Uint8Array {
  started._cloneInto(scratch).update(envelope).digestInto(digested);
  return digested;
}
