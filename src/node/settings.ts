/** What a node is told at its construction and at a reload. All of it is proven at the door, by the card's configuration. */
import type { CardId } from "../base/ids.ts";

/** How often a card speaks on a link and how long it bears a peer's silence. Durations in milliseconds. */
export type LinkPatience = {
  /** Between two heartbeats. */
  readonly periodMs: number;
  /** Silence after which a peer's link is `silent`: at least 2 periods. */
  readonly silentAfterMs: number;
  /** Silence after which it is `down`: more than `silentAfterMs`. */
  readonly downAfterMs: number;
};

/** Who this card is; fixed while it runs. */
export type Identity = {
  readonly system: number;
  readonly card: CardId;
  readonly incarnation: number;
  /** Eight bytes that name the hardware. */
  readonly uid: Uint8Array;
  readonly name: string;
  /** Drawn at each start, 32 bits. */
  readonly nonce: number;
  readonly software: string;
};

/** What a reload may change. */
export type NodeSettings = {
  readonly ether: LinkPatience;
  readonly serial: LinkPatience;
  /** Bits per second of the serial line; adverts keep within a share of it. */
  readonly baud: number;
  /** The cards that the configuration names, this one included: their absence is reported. */
  readonly expected: readonly CardId[];
};
