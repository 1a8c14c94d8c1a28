/**
 * What the bytes on a link say. Frames are immutable and most are heard by many: what one array of bytes says is
 * worked out once and remembered as long as the transmission or the array lives. Damaged bytes are another array, read by themselves.
 */
import type { Input } from "../node/input.ts";
import type { Keyring } from "../wire/auth.ts";
import { decodeFrame, type Frame, isMalformed, type Malformed } from "../wire/frame.ts";
import { SerialDecoder, type SerialItem } from "../wire/serial.ts";
import { isOneFrame } from "./multiplexor.ts";
import type { Transmission } from "./switch.ts";

export type Heard = Extract<Input, { kind: "heard" | "malformed" }>;

export class Reader {
  readonly #keyring: Keyring;
  readonly #system: number;
  readonly #lines = new WeakMap<Uint8Array, Heard>();
  readonly #lineDecoder = new SerialDecoder();

  constructor(keyring: Keyring, system: number) {
    this.#keyring = keyring;
    this.#system = system;
  }

  /** What an Ethernet payload tells a node. */
  ether(sent: Transmission): Input {
    return sent.heard ??= this.#read("ether", sent.bytes);
  }

  /** What one whole frame on the serial line is, zeros included. */
  line(bytes: Uint8Array): Frame | Malformed {
    const heard = this.#line(bytes);
    return heard.kind === "heard" ? heard.frame : { malformed: heard.reason };
  }

  /** What the next bytes of the serial line tell a node whose decoder has taken all bytes before. */
  serial(decoder: SerialDecoder, bytes: Uint8Array): readonly Input[] {
    if (decoder.idle && isOneFrame(bytes)) return [this.#line(bytes)];
    return decoder.push(bytes).map((item) => this.#read("serial", item));
  }

  #line(bytes: Uint8Array): Heard {
    let heard = this.#lines.get(bytes);
    if (heard === undefined) {
      const [item] = this.#lineDecoder.push(bytes);
      this.#lineDecoder.reset();
      heard = this.#read("serial", item ?? { malformed: "framing" });
      this.#lines.set(bytes, heard);
    }
    return heard;
  }

  #read(link: "ether" | "serial", item: SerialItem): Heard {
    const frame = item instanceof Uint8Array ? decodeFrame(link, this.#keyring, this.#system, item) : item;
    return isMalformed(frame) ? { kind: "malformed", link, reason: frame.malformed } : { kind: "heard", link, frame };
  }
}
