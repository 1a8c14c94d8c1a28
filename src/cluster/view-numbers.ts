/**
 * The numbers of views: which one a card proposes next, and which it may promise (PROTOCOLS.md, Membership 8).
 *
 * A number is 64 k + (card - 1), so each card has numbers that only it can propose, and no two views are ever
 * proposed with the same one, whatever the cards think of quorums and configurations. What a card promised it keeps over its restarts: before it
 * promises a number, that number is reserved on its disk, and its next run begins above everything reserved. Numbers are reserved
 * well before they are needed, so that no promise waits for the disk.
 */
import { cardCountMax, type CardId } from "../base/ids.ts";
import { viewNumberMax, viewNumbersReserved } from "../limits.ts";

export class ViewNumbers {
  readonly #card: CardId;
  /** The highest promised, in any run; it guards promises and commits. */
  #promised: number;
  /** The highest seen anywhere; it only chooses the next number. */
  #highest: number;
  #reserved: number;
  /** Up to here the disk has been asked. */
  #asked: number;
  #isReady = false;

  /** `reserved`: earlier runs may have promised up to here. */
  constructor(card: CardId, reserved: number) {
    this.#card = card;
    this.#promised = reserved;
    this.#highest = reserved;
    this.#reserved = reserved;
    this.#asked = reserved;
  }

  get promised(): number {
    return this.#promised;
  }

  /** The disk has answered in this run: this card can promise. */
  get isReady(): boolean {
    return this.#isReady;
  }

  isReserved(number: number): boolean {
    return number <= this.#reserved;
  }

  onReserved(upTo: number): void {
    this.#reserved = Math.max(this.#reserved, upTo);
    this.#isReady = true;
  }

  onSeen(number: number): void {
    this.#highest = Math.max(this.#highest, number);
  }

  promise(number: number): void {
    this.#promised = number;
    this.onSeen(number);
  }

  /** The number that this card proposes next: above all that it has promised and seen. */
  next(): number {
    return nextNumber(this.#card, Math.max(this.#promised, this.#highest));
  }

  /** What to ask the disk for now, when the next number is needed soon. */
  toReserve(): number | undefined {
    const used = Math.max(this.#promised, this.#highest);
    if (this.#asked - used >= viewNumbersReserved / 2 || this.#asked === viewNumberMax) return undefined;
    this.#asked = Math.min(used + viewNumbersReserved, viewNumberMax);
    return this.#asked;
  }
}

/** The smallest number above `number` that is the card's to propose. */
export function nextNumber(card: CardId, number: number): number {
  const next = number - (number % cardCountMax) + card - 1;
  return next > number ? next : next + cardCountMax;
}

/** Whose number it is. */
export function proposerOf(number: number): number {
  return (number % cardCountMax) + 1;
}
