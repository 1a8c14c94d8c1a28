/**
 * Cards, and pairs of cards, that a coordinator leaves out for a while because they did not answer or refused, so that a round
 * that cannot succeed is not tried again and again at everybody's cost. All come back at the same time, so that the full
 * set is tried again and not one rest after the other; and each time they stay away for twice as long, until nobody has to be left out.
 */
import { cardCountMax, type CardId } from "../base/ids.ts";
import { viewSetbackMaxMs, viewSetbackMs } from "../limits.ts";

export class LeftOut {
  readonly #keys = new Set<number>();
  #until = Infinity;
  #forMs = 0;

  /** When they come back; `Infinity` when nobody is left out. */
  get until(): number {
    return this.#until;
  }

  has(card: CardId): boolean {
    return this.#keys.has(card);
  }

  hasPair(a: CardId, b: CardId): boolean {
    return this.#keys.has(pairOf(a, b));
  }

  /** Whether a card is left out by itself, or not taken in together with another one. */
  concerns(card: CardId): boolean {
    for (const key of this.#keys) if (key === card || key % side === card || Math.floor(key / side) === card) return true;
    return false;
  }

  add(now: number, card: CardId): void {
    this.#add(now, card);
  }

  addPair(now: number, a: CardId, b: CardId): void {
    this.#add(now, pairOf(a, b));
  }

  /** All may come back now. Says whether anybody was away. */
  clear(): boolean {
    this.#until = Infinity;
    const hadSome = this.#keys.size > 0;
    this.#keys.clear();
    return hadSome;
  }

  /** A view was agreed on: if by all, the next time is a first time again. */
  onView(): void {
    if (this.#keys.size === 0) this.#forMs = 0;
  }

  #add(now: number, key: number): void {
    if (this.#keys.size === 0) {
      this.#forMs = this.#forMs === 0 ? viewSetbackMs : Math.min(viewSetbackMaxMs, 2 * this.#forMs);
      this.#until = now + this.#forMs;
    }
    this.#keys.add(key);
  }
}

const side = cardCountMax + 1;

/** Above all numbers of cards. */
function pairOf(a: CardId, b: CardId): number {
  return Math.min(a, b) + side * Math.max(a, b);
}
