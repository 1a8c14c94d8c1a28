/** What a node is told at its construction and at a reload. All of it is proven at the door, by the card's configuration. */
import type { CardId } from "../base/ids.ts";
import type { LinkPatience } from "../cluster/heartbeat.ts";

export type { LinkPatience };

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
