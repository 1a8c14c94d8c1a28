/**
 * CBOR (RFC 8949) as the wire uses it: integers from -2^31 to 2^53 - 1, byte strings, text, arrays, true, false and null,
 * in the deterministic encoding of section 4.2.1 (shortest arguments, definite lengths). The decoder accepts exactly that
 * and nothing more: no tags, maps, floats or indefinite lengths, so a value has one form on the wire, a body of
 * bytes builds no more than a body of values, and no general codec with its extensions stands behind the door.
 *
 * Each ordered message goes through here some ten times on its way: both directions make as few objects as they can.
 */
import { assert } from "../base/assert.ts";

/** What the wire can carry. Numbers are integers from `integerMin` to 2^53 - 1. */
export type Cbor = number | string | boolean | null | Uint8Array | readonly Cbor[];

/** Arrays inside arrays that the decoder follows; the envelope with an advert's echoes uses three. */
export const nestingMax = 8;

const integerMin = -0x80000000;
/** An item's head: the initial byte and an argument of at most eight. */
const headBytesMax = 9;
/** Strings up to this long are taken over character by character while they are ASCII, as names are. */
const shortText = 32;

/**
 * The CBOR bytes of a value, in a buffer of their own, between as many bytes before and behind it that are left to the
 * caller, for what it frames the value with.
 */
export function encodeCbor(value: Cbor, before = 0, behind = 0): Uint8Array {
  at = before;
  write(value);
  const end = at + behind;
  reserve(behind);
  return scratch.slice(0, end);
}

/** What is being written, and how far it has come: a call ends before the next one begins. */
let scratch = new Uint8Array(4_096);
let at = 0;

function reserve(bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const grown = new Uint8Array(2 * (at + bytes));
  grown.set(scratch.subarray(0, at));
  scratch = grown;
}

function write(value: Cbor): void {
  switch (typeof value) {
    case "number":
      assert(Number.isSafeInteger(value) && value >= integerMin, `the wire carries integers from -2^31 to 2^53 - 1, not ${value}`);
      return value < 0 ? writeHead(0x20, -1 - value) : writeHead(0, value);
    case "string":
      return writeText(value);
    case "boolean":
      return writeHead(0xe0, value ? 21 : 20);
    default:
  }
  if (value === null) return writeHead(0xe0, 22);
  if (value instanceof Uint8Array) return writeBytes(value);
  assert(Array.isArray(value), `the wire does not carry a ${typeof value}`);
  writeHead(0x80, value.length);
  for (const item of value as readonly Cbor[]) write(item);
}

function writeBytes(bytes: Uint8Array): void {
  writeHead(0x40, bytes.length);
  reserve(bytes.length);
  if (bytes.length > sharedAbove) scratch.set(bytes, at);
  else for (let index = 0; index < bytes.length; index++) scratch[at + index] = bytes[index] as number;
  at += bytes.length;
}

/** `major` is the major type in its place, in the highest three bits. */
function writeHead(major: number, argument: number): void {
  reserve(headBytesMax);
  if (argument < 24) {
    scratch[at++] = major | argument;
  } else if (argument < 0x100) {
    scratch[at++] = major | 24;
    scratch[at++] = argument;
  } else if (argument < 0x10000) {
    scratch[at++] = major | 25;
    scratch[at++] = argument >> 8;
    scratch[at++] = argument;
  } else if (argument < 0x100000000) {
    scratch[at++] = major | 26;
    writeWord(argument);
  } else {
    scratch[at++] = major | 27;
    writeWord(Math.floor(argument / 0x100000000));
    writeWord(argument);
  }
}

function writeWord(word: number): void {
  scratch[at++] = word >>> 24;
  scratch[at++] = word >>> 16;
  scratch[at++] = word >>> 8;
  scratch[at++] = word;
}

const toUtf8 = new TextEncoder();

function writeText(text: string): void {
  const { length } = text;
  if (length > shortText || !writeAscii(text)) {
    const bytes = toUtf8.encode(text);
    writeHead(0x60, bytes.length);
    reserve(bytes.length);
    scratch.set(bytes, at);
    at += bytes.length;
  }
}

/** Writes short text of ASCII, or nothing. */
function writeAscii(text: string): boolean {
  const start = at;
  writeHead(0x60, text.length);
  reserve(text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0x80) {
      at = start;
      return false;
    }
    scratch[at++] = unit;
  }
  return true;
}

/**
 * The value of CBOR bytes, or `undefined` when they are not exactly one item. Its byte strings are `copied` into buffers
 * of their own, or those that are longer than `sharedAbove` are `shared` parts of `bytes`: for a value that is not kept
 * for longer than they are, or makes up most of them.
 */
export function decodeCbor(bytes: Uint8Array, strings: "copied" | "shared" = "copied"): unknown {
  const reader = new Reader(bytes, strings === "shared" ? sharedAbove : Infinity);
  const value = reader.item(0);
  return reader.atEnd ? value : undefined;
}

/** Up to so many bytes a copy is as small as a part, and keeps nothing else from being freed; it is made faster byte by byte. */
const sharedAbove = 64;

const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  readonly #sharedAbove: number;
  #at = 0;

  constructor(bytes: Uint8Array, above: number) {
    this.#bytes = bytes;
    this.#sharedAbove = above;
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
        return this.#text(argument);
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
    switch (low) {
      case 24:
        return this.#number(1, 24);
      case 25:
        return this.#number(2, 0x100);
      case 26:
        return this.#number(4, 0x10000);
      case 27:
        return this.#number(8, 0x100000000);
      default:
        return undefined;
    }
  }

  /** A number of so many bytes, which is too large for fewer from `shortest` on. */
  #number(size: number, shortest: number): number | undefined {
    const end = this.#at + size;
    if (end > this.#bytes.length) return undefined;
    let value = 0;
    while (this.#at < end) value = value * 256 + (this.#bytes[this.#at++] as number);
    return value >= shortest && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  }

  /** Where a string of so many bytes ends, which is then the next place; `undefined` when it is cut off. */
  #skip(length: number): number | undefined {
    if (length > this.#bytes.length - this.#at) return undefined;
    return this.#at += length;
  }

  #bytesOf(length: number): Uint8Array | undefined {
    const start = this.#at;
    const end = this.#skip(length);
    if (end === undefined) return undefined;
    // Not `slice` of the bytes as they are: a Buffer's would share them.
    return length > this.#sharedAbove ? this.#bytes.subarray(start, end) : copyOf(this.#bytes, start, end);
  }

  #text(length: number): string | undefined {
    const start = this.#at;
    const end = this.#skip(length);
    if (end === undefined) return undefined;
    if (length <= shortText) {
      const text = asciiOf(this.#bytes, start, end);
      if (text !== undefined) return text;
    }
    try {
      return fromUtf8.decode(this.#bytes.subarray(start, end));
    } catch {
      return undefined;
    }
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

function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  if (copy.length > sharedAbove) copy.set(bytes.subarray(start, end));
  else for (let index = start; index < end; index++) copy[index - start] = bytes[index] as number;
  return copy;
}

function asciiOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = "";
  for (let index = start; index < end; index++) {
    const byte = bytes[index] as number;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}
