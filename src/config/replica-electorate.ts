/**
 * Which cards are enough to write the configuration, to acknowledge a change, and to say what it is when nobody knows: more than half of those
 * that vote, or half of them with the tie-break card. Any two such sets share a card, so what one of them acknowledged another one knows of. That a
 * view has a quorum is not enough: with receipts one half may go on, end, and the other half go on without it.
 *
 * Of two cards either one must be able to go on alone; what only that one has been told to keep is lost with it.
 */
import type { CardId } from "../base/ids.ts";

export class Electorate {
  readonly cards: readonly CardId[];
  readonly #tieBreak: CardId | undefined;

  constructor(cards: readonly CardId[] = [], tieBreak?: CardId) {
    this.cards = cards;
    this.#tieBreak = tieBreak;
  }

  includes(card: CardId): boolean {
    return this.cards.includes(card);
  }

  isEnough(cards: readonly CardId[]): boolean {
    const voters = cards.filter((card) => this.includes(card)).length;
    if (2 * voters !== this.cards.length) return 2 * voters > this.cards.length;
    return voters === 1 || (this.#tieBreak !== undefined && cards.includes(this.#tieBreak));
  }

  /** Who is there when these are not enough, `undefined` when they are: "only card 3, card 4 of 4 cards, without the tie-break card 1". */
  lackOf(cards: readonly CardId[]): string | undefined {
    if (this.isEnough(cards)) return undefined;
    const isHalf = 2 * cards.filter((card) => this.includes(card)).length === this.cards.length;
    const without = isHalf && this.#tieBreak !== undefined ? `, without the tie-break card ${this.#tieBreak}` : "";
    return `only ${named(cards)} of ${this.cards.length} cards${without}`;
  }
}

export function named(cards: readonly CardId[]): string {
  return cards.map((card) => `card ${card}`).join(", ");
}
