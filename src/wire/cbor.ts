/**
 * CBOR (RFC 8949) as the wire uses it: integers from -2^31 to 2^53 - 1, byte strings, text, arrays, true, false and null,
 * in the deterministic encoding of section 4.2.1 (shortest arguments, definite lengths). cbor-x writes it. The decoder
 * accepts exactly that and nothing more: no tags, maps, floats or indefinite lengths, so a value has one form on the wire, a body of
 * bytes builds no more than a body of values, and no general decoder with its extensions stands behind the door.
 */
import { Encoder } from "cbor-x/encode";
import { assert } from "../base/assert.ts";

/** What the wire can carry. Numbers are integers from `integerMin` to 2^53 - 1. */
export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[];

/** Arrays inside arrays that the decoder follows; the envelope with an advert's echoes uses three. */
export const nestingMax = 8;

const encoder = new Encoder({
  useRecords: false,
  mapsAsObjects: false,
  tagUint8Array: false,
  variableMapSize: true,
  structuredClone: false,
});

/** The numbers that the encoder writes as integers; beyond them it takes a BigInt for one, and a number for a float. */
const plainIntegerMax = 0xffffffff;
const integerMin = -0x80000000;

/** The CBOR bytes of a value, in a buffer of their own. */
export function encodeCbor(value: Cbor): Uint8Array {
  return new Uint8Array(encoder.encode(widened(value)));
}

function widened(value: Cbor): unknown {
  if (typeof value === "number") {
    assert(Number.isSafeInteger(value) && value >= integerMin, `the wire carries integers from -2^31 to 2^53 - 1, not ${value}`);
    return value > plainIntegerMax ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return (value as readonly Cbor[]).map(widened);
  const isCarried = typeof value === "string" || typeof value === "boolean" || value === null || value instanceof Uint8Array;
  assert(isCarried, `the wire does not carry a ${typeof value}`);
  return value;
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
        return -1 - argument >= integerMin ? -1 - argument : undefined;
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
