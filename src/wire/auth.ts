/**
 * The authentication tag of a frame: HMAC-SHA-256 (RFC 2104) over the link's letter and the envelope's bytes,
 * cut to the link's tag length (RFC 2104 section 5). The link's letter keeps a frame that was overheard on one
 * network from being replayed on the other, where it would pass for a sign of life.
 */
import { _SHA256 } from "@noble/hashes/sha2.js";
import { assert } from "../base/assert.ts";
import type { LinkKind } from "../base/ids.ts";
import { etherTagBytes, keyBytes, keysMax, serialTagBytes } from "../limits.ts";

export function tagBytesOf(link: LinkKind): number {
  return link === "ether" ? etherTagBytes : serialTagBytes;
}

const linkLetters: Record<LinkKind, number> = { ether: 0x45, serial: 0x53 };

const blockBytes = 64;
const digestBytes = 32;
/** What a last block holds beside its bytes of the message: a one bit, and the length in 64 bits. */
const paddingBytes = 9;

/** A state of SHA-256, as its eight words: what was hashed before need not be hashed again. */
type State = readonly [number, number, number, number, number, number, number, number];

/** The states after the block that HMAC makes of the key, of its inner and of its outer hash. */
type PreparedKey = { readonly inner: State; readonly outer: State };

/**
 * SHA-256's compression function with HMAC around it. Every tag goes through one of these: making and wiping a hash for
 * each, as the library's own HMAC does, is half of what a tag costs.
 */
class Mac extends _SHA256 {
  readonly #initial: State = this.get();

  prepare(key: Uint8Array): PreparedKey {
    return { inner: this.#afterKey(key, 0x36), outer: this.#afterKey(key, 0x5c) };
  }

  #afterKey(key: Uint8Array, pad: number): State {
    this.buffer.fill(pad);
    for (const [index, byte] of key.entries()) this.buffer[index] = pad ^ byte;
    this.set(...this.#initial);
    this.process(this.view, 0);
    return this.get();
  }

  /** The digest of a letter and an envelope, of which the next call writes over the bytes. */
  tagged({ inner, outer }: PreparedKey, letter: number, envelope: Uint8Array): Uint8Array {
    const { buffer, view } = this;
    this.set(...inner);
    buffer[0] = letter;
    let filled = 1;
    for (let at = 0; at < envelope.length;) {
      const taken = Math.min(blockBytes - filled, envelope.length - at);
      for (const end = at + taken; at < end;) buffer[filled++] = envelope[at++] as number;
      if (filled < blockBytes) break;
      this.process(view, 0);
      filled = 0;
    }
    this.#finish(filled, blockBytes + 1 + envelope.length);
    this.#write();
    this.set(...outer);
    this.#finish(digestBytes, blockBytes + digestBytes);
    this.#write();
    return buffer;
  }

  /** Hashes the last block, of which so many bytes are filled, of so many bytes in all. */
  #finish(filled: number, bytes: number): void {
    const { buffer, view } = this;
    buffer[filled] = 0x80;
    buffer.fill(0, filled + 1);
    if (filled + paddingBytes > blockBytes) {
      this.process(view, 0);
      buffer.fill(0);
    }
    view.setUint32(blockBytes - 4, 8 * bytes);
    this.process(view, 0);
  }

  #write(): void {
    const { view } = this;
    view.setUint32(0, this.A);
    view.setUint32(4, this.B);
    view.setUint32(8, this.C);
    view.setUint32(12, this.D);
    view.setUint32(16, this.E);
    view.setUint32(20, this.F);
    view.setUint32(24, this.G);
    view.setUint32(28, this.H);
  }
}

const mac = new Mac();

/** The keys of a system: the first signs, each is accepted. */
export class Keyring {
  readonly #keys: readonly PreparedKey[];

  /** `keys` are one or two secrets of 32 bytes, the signing one first. */
  constructor(keys: readonly Uint8Array[]) {
    assert(keys.length >= 1 && keys.length <= keysMax, `a keyring has 1 to ${keysMax} keys, not ${keys.length}`);
    this.#keys = keys.map((key) => {
      assert(key.length === keyBytes, `a key has ${keyBytes} bytes, not ${key.length}`);
      return mac.prepare(key);
    });
  }

  /** The tag of an envelope, as long as the link's tags are. */
  sign(link: LinkKind, envelope: Uint8Array): Uint8Array {
    return mac.tagged(this.#keys[0] as PreparedKey, linkLetters[link], envelope).slice(0, tagBytesOf(link));
  }

  /** Whether one of the keys made `tag` for `envelope`. Takes the same time wherever a tag differs. */
  accepts(link: LinkKind, envelope: Uint8Array, tag: Uint8Array): boolean {
    const length = tagBytesOf(link);
    if (tag.length !== length) return false;
    for (const key of this.#keys) {
      const expected = mac.tagged(key, linkLetters[link], envelope);
      let difference = 0;
      for (let index = 0; index < length; index++) difference |= (expected[index] as number) ^ (tag[index] as number);
      if (difference === 0) return true;
    }
    return false;
  }
}
