/**
 * The messages that cards exchange, as the program holds them. Their bytes are in `wire.cddl`; `body.ts`
 * turns one into the other. A body is an array that only ever grows at its end: a reader takes the fields
 * that it knows and leaves the rest, which is how cards of different software versions understand each other (HA-1).
 */
import type { CardSet } from "../base/card-set.ts";
import type { CardId } from "../base/ids.ts";

/** Sent every period on each link. The ticks say "I hear you", per peer and per link, and travel on both links. */
export type Heartbeat = {
  readonly kind: "heartbeat";
  /** The sender's own Ethernet port has carrier. */
  readonly etherPort: boolean;
  /** The sender's own serial line is open and without fault. */
  readonly serialPort: boolean;
  /** The peers that the sender hears on Ethernet; on serial only those of its own chassis are listed. */
  readonly etherTicks: CardSet;
  /** The peers that the sender hears on its serial bus, so cards of its own chassis. */
  readonly serialTicks: CardSet;
};

/** What a card says of itself, the same on both links (FS-2). */
export type Advert = {
  readonly kind: "advert";
  /** The hardware's identity, eight bytes, made once per card; two cards that claim one slot differ here. */
  readonly uid: Uint8Array;
  /** The card's name for people, at most 32 bytes of UTF-8. */
  readonly name: string;
  /** Drawn afresh at every start of the card, 32 bits; who echoes it has heard this very incarnation. */
  readonly nonce: number;
  /** The nonces that the sender heard *on this link*, one for each card. */
  readonly echoes: readonly Echo[];
  /** The sender's heartbeat periods in milliseconds: a receiver's patience follows them. */
  readonly etherPeriodMs: number;
  readonly serialPeriodMs: number;
  /** The wire versions that the sender speaks. */
  readonly wireMin: number;
  readonly wireMax: number;
  /** The software's version, at most 32 bytes, for people. */
  readonly software: string;
};
export type Echo = { readonly card: CardId; readonly nonce: number };

/** A card that leaves in good order says so; its silence afterwards is not a failure. */
export type Bye = { readonly kind: "bye"; readonly reason: "stop" | "restart" | "maintenance" | "upgrade" };

/** "Your incarnation is older than one that I have heard from your slot": tells a restored or replaced card to move above it. */
export type Stale = { readonly kind: "stale"; readonly card: CardId; readonly incarnation: number };

/** A piece of a message that is larger than a frame. `data` are the bytes of the CBOR array [kind, body], cut in order. */
export type Fragment = {
  readonly kind: "fragment";
  /** The number of the whole message, per sender and link, counting up. */
  readonly id: number;
  readonly index: number;
  readonly count: number;
  readonly data: Uint8Array;
};

/** To the multiplexor: pull the reset line of a slot. `id` is the sender's number for this order and comes back in the receipt. */
export type MuxReset = { readonly kind: "muxReset"; readonly id: number; readonly slot: number };

/** From the multiplexor: the receipt. `reset` and `off` prove that the slot's card has stopped; the others prove nothing. */
export type MuxReceipt = {
  readonly kind: "muxReceipt";
  readonly id: number;
  readonly slot: number;
  readonly outcome: "reset" | "off" | "absent" | "failed";
};

/** From the multiplexor, periodically and at once on a change: which slots have power, lowest slot in the lowest bit. */
export type MuxPower = { readonly kind: "muxPower"; readonly powered: number };

export type Message = Heartbeat | Advert | Bye | Stale | Fragment | MuxReset | MuxReceipt | MuxPower;
export type MessageKind = Message["kind"];
