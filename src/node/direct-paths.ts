/**
 * Which card may be sent to at its own Ethernet address, so that the others are not woken by what is for it alone: the
 * passes of the order, and the pieces for a card that catches up.
 *
 * An address is the source of the newest frame that was authentic and not played before, and each heartbeat, which always goes to
 * all, brings it anew. It is a hint, for no tag covers it: whoever plays a frame faster than it comes can draw away what
 * is sent until the next heartbeat, and learns nothing that the group address would not show. So nothing leans on it:
 * what has to be said again goes to all, and for `directAgainMs` whatever else is for that card.
 */
import type { CardId } from "../base/ids.ts";
import { directAgainMs } from "../limits.ts";

type Path = { address: Uint8Array; avoidedUntil: number };

export class DirectPaths {
  readonly #paths = new Map<CardId, Path>();

  /** An accepted frame of a card came from this address. Gives the address that it had before, when that was another one. */
  onHeard(card: CardId, address: Uint8Array): Uint8Array | undefined {
    // A group's address is nobody's.
    if (((address[0] ?? 1) & 1) !== 0) return undefined;
    const path = this.#paths.get(card);
    if (path === undefined) {
      this.#paths.set(card, { address, avoidedUntil: -Infinity });
      return undefined;
    }
    if (isSame(path.address, address)) return undefined;
    const was = path.address;
    path.address = address;
    return was;
  }

  /** What was sent to a card has to be sent again. */
  onSentAgain(now: number, card: CardId): void {
    const path = this.#paths.get(card);
    if (path !== undefined) path.avoidedUntil = now + directAgainMs;
  }

  /** The address at which a card is sent to, or `undefined` for that of all. */
  addressOf(now: number, card: CardId): Uint8Array | undefined {
    const path = this.#paths.get(card);
    return path === undefined || now < path.avoidedUntil ? undefined : path.address;
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return one.length === other.length;
}
