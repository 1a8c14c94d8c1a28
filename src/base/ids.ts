import { assert } from "./assert.ts";

declare const brand: unique symbol;

/**
 * A card of the system: 1 to 64, that is (chassis - 1) * 8 + slot with chassis and slot from 1 to 8.
 * In a system of one chassis it equals the slot.
 */
export type CardId = number & { readonly [brand]: "CardId" };

/** A place that a frame can go to: a card, everybody (0), or the multiplexor of the sender's own serial bus (65). */
export type Address = CardId | typeof everybody | typeof multiplexor;

/** Who can send a frame: a card, or the multiplexor. */
export type SenderId = CardId | typeof multiplexor;

export const everybody = 0;
export const multiplexor = 65;
export const slotCountMax = 8;
export const chassisCountMax = 8;
export const cardCountMax = 64;

/** The two kinds of network between cards: Ethernet is the public one, serial the private one. */
export type LinkKind = "ether" | "serial";
export const linkKinds: readonly LinkKind[] = ["ether", "serial"];

export function isCardId(value: unknown): value is CardId {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= cardCountMax;
}

/** The id of the card in `slot` (1 to 8) of `chassis` (1 to 8). */
export function cardAt(chassis: number, slot: number): CardId {
  const id = (chassis - 1) * slotCountMax + slot;
  assert(isCardId(id) && slotOf(id) === slot, `no card at chassis ${chassis} slot ${slot}`);
  return id;
}

/** The chassis, 1 to 8, that `card` sits in. */
export function chassisOf(card: CardId): number {
  return ((card - 1) >> 3) + 1;
}

/** "1/2": the chassis and the slot, as people call a card. */
export function cardName(card: CardId): string {
  return `${chassisOf(card)}/${slotOf(card)}`;
}

/** The slot, 1 to 8, that `card` has in its chassis. */
export function slotOf(card: CardId): number {
  return ((card - 1) & 7) + 1;
}
