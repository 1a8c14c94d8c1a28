/**
 * Frames on the serial line: COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) over the
 * frame's bytes and their CRC-32, between two zero bytes. A zero byte never occurs inside, so a receiver that
 * comes in the middle, or after damage, is back in step at the next zero. The closing zero delivers a frame at
 * once; the opening one ends what noise left on an idle line, or a frame that lost its closing zero, so that
 * damage costs the frame that it hits and not the next.
 */
import { assert } from "../base/assert.ts";
import { crc32 } from "../base/crc.ts";
import { serialFrameBytesMax } from "../limits.ts";

const crcBytes = 4;
/** Between the two zeros. */
const stuffedBytesMax = serialFrameBytesMax - 2;

/**
 * The longest frame that the line carries. With its CRC it is shorter than a full COBS block, so stuffing adds one
 * byte whatever it holds.
 */
export const serialPlainBytesMax = stuffedBytesMax - 1 - crcBytes;
assert(serialPlainBytesMax + crcBytes < 254, "a serial frame needs no full COBS block, whose rule is another");

/** The bytes of `frame` on the line: stuffed, with CRC and both zeros. */
export function encodeSerial(frame: Uint8Array): Uint8Array {
  assert(frame.length <= serialPlainBytesMax, `a serial frame has at most ${serialPlainBytesMax} bytes, not ${frame.length}`);
  const length = frame.length + crcBytes;
  const crc = crc32(frame);
  const line = new Uint8Array(length + 3);
  let codeAt = 1;
  let at = 2;
  for (let index = 0; index < length; index++) {
    const byte = index < frame.length ? frame[index] as number : (crc >>> (8 * (index - frame.length))) & 0xff;
    if (byte === 0) {
      line[codeAt] = at - codeAt;
      codeAt = at++;
    } else line[at++] = byte;
  }
  line[codeAt] = at - codeAt;
  return line;
}

/** A frame's bytes as they were given to `encodeSerial`, or why the bytes between two zeros are none. */
export type SerialItem = Uint8Array | { readonly malformed: "crc" | "framing" };

/** Cuts a stream of bytes, in whatever pieces it comes, into frames. Holds at most one frame's bytes. */
export class SerialDecoder {
  readonly #stuffed = new Uint8Array(stuffedBytesMax);
  #length = 0;
  #overrun = false;

  /** Nothing of a frame has been received: the next byte starts one. */
  get idle(): boolean {
    return this.#length === 0 && !this.#overrun;
  }

  /** Takes the next bytes of the line and gives what they complete, in order. Empty frames (idle zeros) are passed over. */
  push(bytes: Uint8Array): SerialItem[] {
    const items: SerialItem[] = [];
    for (const byte of bytes) {
      if (byte !== 0) {
        if (this.#length < this.#stuffed.length) this.#stuffed[this.#length++] = byte;
        else this.#overrun = true;
      } else if (!this.idle) {
        items.push(this.#overrun ? { malformed: "framing" } : unstuff(this.#stuffed.subarray(0, this.#length)));
        this.reset();
      }
    }
    return items;
  }

  /** Forgets a begun frame: after a BREAK, or when the line was opened again. */
  reset(): void {
    this.#length = 0;
    this.#overrun = false;
  }
}

function unstuff(stuffed: Uint8Array): SerialItem {
  const plain = new Uint8Array(stuffed.length);
  let length = 0;
  let at = 0;
  while (at < stuffed.length) {
    const code = stuffed[at] as number;
    const end = at + code;
    if (end > stuffed.length) return { malformed: "framing" };
    for (at++; at < end; at++) plain[length++] = stuffed[at] as number;
    if (at < stuffed.length) plain[length++] = 0;
  }
  if (length <= crcBytes) return { malformed: "framing" };
  const frameBytes = length - crcBytes;
  const expected = new DataView(plain.buffer).getUint32(frameBytes, true);
  return crc32(plain, frameBytes) === expected ? plain.slice(0, frameBytes) : { malformed: "crc" };
}
