/**
 * What the bytes on a link say. Frames are immutable and most are heard by many: what one array of bytes says is
 * worked out once and remembered as long as the array lives. Damaged bytes are another array, read by themselves.
 */
import type { Input } from "../node/input.ts";
import type { Keyring } from "../wire/auth.ts";
import { decodeFrame, type Frame, isMalformed, type Malformed } from "../wire/frame.ts";
import { SerialDecoder } from "../wire/serial.ts";
import { decodeLine, isOneFrame } from "./multiplexor.ts";

export class Reader {
  readonly #keyring: Keyring;
  readonly #system: number;
  readonly #ether = new WeakMap<Uint8Array, Input>();
  readonly #lines = new WeakMap<Uint8Array, Frame | Malformed>();
  readonly #serial = new WeakMap<Uint8Array, Input>();

  constructor(keyring: Keyring, system: number) {
    this.#keyring = keyring;
    this.#system = system;
  }

  /** What an Ethernet payload tells a node. */
  ether(bytes: Uint8Array): Input {
    let input = this.#ether.get(bytes);
    if (input === undefined) {
      input = inputOf("ether", decodeFrame("ether", this.#keyring, this.#system, bytes));
      this.#ether.set(bytes, input);
    }
    return input;
  }

  /** What one whole frame on the serial line is, zeros included. */
  line(bytes: Uint8Array): Frame | Malformed {
    let frame = this.#lines.get(bytes);
    if (frame === undefined) {
      frame = decodeLine(this.#keyring, this.#system, bytes);
      this.#lines.set(bytes, frame);
    }
    return frame;
  }

  /** What the next bytes of the serial line tell a node whose decoder has taken all bytes before. */
  serial(decoder: SerialDecoder, bytes: Uint8Array): readonly Input[] {
    if (decoder.idle && isOneFrame(bytes)) {
      let input = this.#serial.get(bytes);
      if (input === undefined) {
        input = inputOf("serial", this.line(bytes));
        this.#serial.set(bytes, input);
      }
      return [input];
    }
    return decoder.push(bytes).map((item) =>
      inputOf("serial", item instanceof Uint8Array ? decodeFrame("serial", this.#keyring, this.#system, item) : item)
    );
  }
}

function inputOf(link: "ether" | "serial", frame: Frame | Malformed): Input {
  return isMalformed(frame) ? { kind: "malformed", link, reason: frame.malformed } : { kind: "heard", link, frame };
}
