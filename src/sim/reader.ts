/**
 * What the bytes on a link say. Frames are immutable and most are heard by many: what one array of bytes says is
 * worked out once and remembered as long as the transmission or the array lives. Damaged bytes are another array, read by
 * themselves. The tag of an Ethernet frame that is heard as a card has signed it is true, and proving it would be a twentieth of all
 * the simulator's work; those of damaged, forged and serial frames are proven, each by the code of a real card.
 */
import type { LinkKind } from "../base/ids.ts";
import { keyBytes } from "../limits.ts";
import type { Input } from "../node/input.ts";
import { Keyring } from "../wire/auth.ts";
import { decodeFrame, type Frame, isMalformed, type Malformed } from "../wire/frame.ts";
import { SerialDecoder, type SerialItem } from "../wire/serial.ts";
import { isOneFrame } from "./multiplexor.ts";
import type { Transmission } from "./switch.ts";

export type Heard = Extract<Input, { kind: "heard" | "malformed" }>;

/** Takes every tag. */
class TrustingKeyring extends Keyring {
  constructor() {
    super([new Uint8Array(keyBytes)]);
  }

  override accepts(): boolean {
    return true;
  }
}

export class Reader {
  readonly #keyring: Keyring;
  readonly #trusting = new TrustingKeyring();
  readonly #system: number;
  readonly #lines = new WeakMap<Uint8Array, Heard>();
  readonly #lineDecoder = new SerialDecoder();

  constructor(keyring: Keyring, system: number) {
    this.#keyring = keyring;
    this.#system = system;
  }

  /** What an Ethernet payload tells a node. */
  ether(sent: Transmission): Input {
    return sent.heard ??= this.#read("ether", sent.bytes, sent.isSigned ? this.#trusting : this.#keyring);
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

  #read(link: LinkKind, item: SerialItem, keyring = this.#keyring): Heard {
    const frame = item instanceof Uint8Array ? decodeFrame(link, keyring, this.#system, item) : item;
    return isMalformed(frame) ? { kind: "malformed", link, reason: frame.malformed } : { kind: "heard", link, frame };
  }
}
