import { cardAt, type CardId, chassisOf, slotOf } from "./ids.ts";

/**
 * A set of cards as one byte a chassis, lowest slot in the lowest bit. Byte 0 is the chassis of the card that
 * speaks, byte 1 the next one, and so on around; trailing zero bytes are left out. So a set that names only
 * cards of the speaker's own chassis is one byte, whichever chassis that is: it fits a serial heartbeat.
 */
export type CardSet = Uint8Array;

function byteIndex(speaker: CardId, card: CardId): number {
  return (chassisOf(card) - chassisOf(speaker) + 8) & 7;
}

export function cardSetOf(speaker: CardId, cards: Iterable<CardId>): CardSet {
  const bytes = new Uint8Array(8);
  let length = 0;
  for (const card of cards) {
    const index = byteIndex(speaker, card);
    bytes[index] = (bytes[index] as number) | (1 << (slotOf(card) - 1));
    if (index >= length) length = index + 1;
  }
  return bytes.slice(0, length);
}

export function cardSetHas(speaker: CardId, set: CardSet, card: CardId): boolean {
  return (((set[byteIndex(speaker, card)] ?? 0) >> (slotOf(card) - 1)) & 1) === 1;
}

/** The cards of a set, lowest first. */
export function cardsIn(speaker: CardId, set: CardSet): CardId[] {
  const cards: CardId[] = [];
  const start = chassisOf(speaker) - 1;
  for (let chassis = 0; chassis < 8; chassis++) {
    const byte = set[(chassis - start + 8) & 7] ?? 0;
    for (let slot = 0; byte >> slot !== 0; slot++) if (((byte >> slot) & 1) === 1) cards.push(cardAt(chassis + 1, slot + 1));
  }
  return cards;
}
