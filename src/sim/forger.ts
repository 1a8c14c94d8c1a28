/**
 * Somebody without the system's key who hears every frame and may send any bytes: forged, foreign, recorded, or none at
 * all. What it makes itself is remembered by its array, so that no card may ever take it for a frame.
 */
import { everybody, type LinkKind } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { type Keyring, tagBytesOf } from "../wire/auth.ts";
import { encodeFrame } from "../wire/frame.ts";
import type { Message } from "../wire/message.ts";
import { encodeSerial, SerialDecoder, serialPlainBytesMax } from "../wire/serial.ts";
import type { SimCard } from "./sim-card.ts";

/** `key` another system's key; `system` another system with our key; `replay` recorded frames again; `otherLink` recorded on the other link; `garbage` random bytes. */
export const forgeries = ["key", "system", "replay", "otherLink", "garbage"] as const;
export type Forgery = typeof forgeries[number];

/** Frames of each link that it keeps, the last ones. */
const recordedMax = 4_096;
const garbageBytesMax = 200;

/** The system it attacks, and the key of another one. */
export type ForgedSystem = { readonly system: number; readonly keyring: Keyring; readonly foreignKeyring: Keyring };

export class Forger {
  readonly #system: ForgedSystem;
  readonly #prng: Prng;
  readonly #recorded: Record<LinkKind, Uint8Array[]> = { ether: [], serial: [] };
  readonly #recordedCount: Record<LinkKind, number> = { ether: 0, serial: 0 };
  readonly #forged = new WeakSet<Uint8Array>();
  #hasForged = false;

  constructor(system: ForgedSystem, prng: Prng) {
    this.#system = system;
    this.#prng = prng;
  }

  /** Overhears what a card sends, as it goes over the link. */
  record(link: LinkKind, bytes: Uint8Array): void {
    if (link === "ether") this.#recorded.ether[this.#recordedCount.ether++ % recordedMax] = bytes;
    else this.#recorded.serial[this.#recordedCount.serial++ % recordedMax] = bytes;
  }

  /** Whether these bytes are its own and so no card's: what is played again was a frame once. */
  hasForged(bytes: Uint8Array): boolean {
    return this.#hasForged && this.#forged.has(bytes);
  }

  /** What goes over `link` in the name of `card`; `undefined` while there is nothing to make it of. */
  forge(forgery: Forgery, link: LinkKind, card: SimCard): Uint8Array | undefined {
    const bytes = this.#make(forgery, link, card);
    if (bytes === undefined || forgery === "replay") return bytes;
    this.#forged.add(bytes);
    this.#hasForged = true;
    return bytes;
  }

  #make(forgery: Forgery, link: LinkKind, card: SimCard): Uint8Array | undefined {
    const prng = this.#prng;
    const { system, keyring, foreignKeyring } = this.#system;
    const message: Message = { kind: "bye", reason: "stop" };
    const envelope = {
      from: card.id,
      to: everybody,
      incarnation: card.incarnation + prng.below(3),
      sequence: prng.below(100_000),
      message,
    } as const;
    const onLink = (key: Keyring, of: number) => {
      const bytes = encodeFrame(link, key, { system: of, ...envelope });
      return link === "serial" ? encodeSerial(bytes) : bytes;
    };
    switch (forgery) {
      case "key":
        return onLink(foreignKeyring, system);
      case "system":
        return onLink(keyring, (system + 1) % 0x10000);
      case "replay":
        return this.#recorded[link].length === 0 ? undefined : prng.pick(this.#recorded[link]);
      case "otherLink":
        return this.#fromOtherLink(link);
      case "garbage": {
        const bytes = new Uint8Array(1 + prng.below(garbageBytesMax));
        for (let index = 0; index < bytes.length; index++) bytes[index] = prng.bits();
        return bytes;
      }
    }
  }

  /** A frame recorded on the one link as it would be sent on the other: a longer tag is cut to what the serial line's readers look at. */
  #fromOtherLink(link: LinkKind): Uint8Array | undefined {
    const recorded = this.#recorded[link === "ether" ? "serial" : "ether"];
    if (recorded.length === 0) return undefined;
    const bytes = this.#prng.pick(recorded);
    if (link === "serial") {
      const envelopeBytes = bytes.length - tagBytesOf("ether") - 1;
      const frame = bytes.slice(0, envelopeBytes + 1 + tagBytesOf("serial"));
      frame[envelopeBytes] = 0x40 | tagBytesOf("serial");
      return frame.length <= serialPlainBytesMax ? encodeSerial(frame) : undefined;
    }
    const item = new SerialDecoder().push(bytes)[0];
    return item instanceof Uint8Array ? item : undefined;
  }
}
