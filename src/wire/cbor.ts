/**
 * CBOR (RFC 8949) as the wire uses it: integers of at most 53 bits, byte strings, text, arrays, true, false and null,
 * in the deterministic encoding of section 4.2.1 (shortest arguments, definite lengths). The decoder accepts exactly
 * that and nothing more: no tags, maps, floats or indefinite lengths, so a value has one form on the wire, a body of
 * bytes builds no more than a body of values, and no general decoder with its extensions stands behind the door.
 */
import { assert } from "../base/assert.ts";

/** What the wire can carry. Numbers are integers of at most 53 bits. */
export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[];

/** Arrays inside arrays that the decoder follows; the envelope with an advert's echoes uses three. */
export const nestingMax = 8;

/** The CBOR bytes of a value, in a buffer of their own. */
export function encodeCbor(value: Cbor): Uint8Array {
  const writer = new Writer();
  writer.item(value);
  return writer.written();
}

const toUtf8 = new TextEncoder();

class Writer {
  #bytes = new Uint8Array(128);
  #at = 0;

  written(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  item(value: Cbor): void {
    if (typeof value === "number") {
      assert(Number.isSafeInteger(value), `the wire carries integers of 53 bits, not ${value}`);
      if (value >= 0) this.#head(0, value);
      else this.#head(1, -1 - value);
    } else if (typeof value === "string") {
      this.#string(3, toUtf8.encode(value));
    } else if (value instanceof Uint8Array) {
      this.#string(2, value);
    } else if (Array.isArray(value)) {
      this.#head(4, value.length);
      for (const item of value as readonly Cbor[]) this.item(item);
    } else {
      assert(typeof value === "boolean" || value === null, `the wire does not carry a ${typeof value}`);
      this.#head(7, value === null ? 22 : value ? 21 : 20);
    }
  }

  /** An item's first bytes: its major type and its argument in the shortest form. */
  #head(major: number, argument: number): void {
    this.#reserve(9);
    if (argument < 24) {
      this.#bytes[this.#at++] = (major << 5) | argument;
      return;
    }
    const power = argument < 0x100 ? 0 : argument < 0x10000 ? 1 : argument < 0x100000000 ? 2 : 3;
    this.#bytes[this.#at++] = (major << 5) | (24 + power);
    const size = 1 << power;
    for (let index = size - 1, rest = argument; index >= 0; index--, rest = Math.floor(rest / 256)) {
      this.#bytes[this.#at + index] = rest & 0xff;
    }
    this.#at += size;
  }

  #string(major: number, bytes: Uint8Array): void {
    this.#head(major, bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#at + length, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** The value of CBOR bytes, byte strings in buffers of their own, or `undefined` when they are not exactly one item. */
export function decodeCbor(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  return reader.atEnd ? value : undefined;
}

const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next item, or `undefined`, which is no item that we know, when the bytes are not one. */
  item(depth: number): unknown {
    const initial = this.#bytes[this.#at++];
    if (initial === undefined) return undefined;
    const argument = this.#argument(initial & 31);
    if (argument === undefined) return undefined;
    switch (initial >> 5) {
      case 0:
        return argument;
      case 1:
        return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : undefined;
      case 2:
        return this.#bytesOf(argument);
      case 3:
        return textOf(this.#take(argument));
      case 4:
        return this.#array(argument, depth + 1);
      case 7:
        return initial === 0xf4 ? false : initial === 0xf5 ? true : initial === 0xf6 ? null : undefined;
      default:
        return undefined;
    }
  }

  /** The number in an item's head; `undefined` when it is cut off, not in its shortest form, or above 53 bits. */
  #argument(low: number): number | undefined {
    if (low < 24) return low;
    if (low > 27) return undefined;
    const size = 1 << (low - 24);
    const taken = this.#take(size);
    if (taken === undefined) return undefined;
    let value = 0;
    for (const byte of taken) value = value * 256 + byte;
    const shortest = size === 1 ? 24 : 2 ** (size * 4);
    return value >= shortest && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  }

  #take(length: number): Uint8Array | undefined {
    if (length > this.#bytes.length - this.#at) return undefined;
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A copy, so that a value that is kept for long does not keep the whole frame's buffer. */
  #bytesOf(length: number): Uint8Array | undefined {
    const taken = this.#take(length);
    return taken === undefined ? undefined : new Uint8Array(taken);
  }

  #array(length: number, depth: number): unknown[] | undefined {
    // Each item takes a byte at least: a length that the bytes cannot fill is refused before anything is made for it.
    if (depth > nestingMax || length > this.#bytes.length - this.#at) return undefined;
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) {
      const value = this.item(depth);
      if (value === undefined) return undefined;
      items.push(value);
    }
    return items;
  }
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return fromUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}
