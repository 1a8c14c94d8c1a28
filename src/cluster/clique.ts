/**
 * The largest set of cards in which each is linked with each other: who could form a view (HA-4). A function of the matrix
 * alone, so that cards that see the same decide the same, without a word.
 *
 * Branch and bound over the cards in ascending order, each first taken, then left out. So of equally good sets the
 * lowest, compared as sorted lists, is met first, and only a better one takes its place. The bound is a greedy coloring:
 * cards of one color are pairwise not linked, so a set has at most one of each. Cards that are linked with all
 * others are in every largest set; in a system without a fault that is everybody, and nothing is searched.
 */
import { assert } from "../base/assert.ts";
import { cardCountMax, type CardId } from "../base/ids.ts";
import { cliqueStepsMax } from "../limits.ts";

/** Up to 64 cards by their place in a list, the first in the lowest bit. */
type Bits = { readonly low: number; readonly high: number };

/**
 * Gives the largest set, lowest card first. Of equally large ones the one with the most `preferred` cards; of these the
 * lowest. After `cliqueStepsMax` branches the best so far: a clique still, and the same everywhere, though perhaps not the largest.
 *
 * @param cards Each once, lowest first.
 * @param isLinked Symmetric.
 */
export function largestClique(
  cards: readonly CardId[],
  isLinked: (a: CardId, b: CardId) => boolean,
  preferred: ReadonlySet<CardId>,
): CardId[] {
  assert(cards.length <= cardCountMax, `at most ${cardCountMax} cards, not ${cards.length}`);
  const broken = new Set<CardId>();
  for (const [index, a] of cards.entries()) {
    for (const b of cards.slice(index + 1)) if (!isLinked(a, b)) broken.add(a).add(b);
  }
  if (broken.size === 0) return [...cards];
  const search = new Search(cards.filter((card) => broken.has(card)), isLinked, preferred);
  const chosen = search.best();
  return cards.filter((card) => !broken.has(card) || chosen.has(card));
}

class Search {
  readonly #cards: readonly CardId[];
  readonly #links: readonly Bits[];
  readonly #preferred: Bits;
  #best: Bits = { low: 0, high: 0 };
  #bestScore = -1;
  #steps = 0;

  constructor(cards: readonly CardId[], isLinked: (a: CardId, b: CardId) => boolean, preferred: ReadonlySet<CardId>) {
    this.#cards = cards;
    this.#links = cards.map((a) => bitsOf(cards, (b) => a !== b && isLinked(a, b)));
    this.#preferred = bitsOf(cards, (card) => preferred.has(card));
  }

  best(): ReadonlySet<CardId> {
    this.#extend({ low: 0, high: 0 }, bitsOf(this.#cards, () => true));
    return new Set(this.#cards.filter((_, index) => has(this.#best, index)));
  }

  /** Tries everything that can be added to `chosen` out of `open`: cards that are linked with all of it. */
  #extend(chosen: Bits, open: Bits): void {
    const score = scoreOf(countOf(chosen), countOf(and(chosen, this.#preferred)));
    if (score > this.#bestScore) {
      this.#best = chosen;
      this.#bestScore = score;
    }
    let rest = open;
    for (let index = lowestOf(rest); index !== undefined; index = lowestOf(rest)) {
      if (this.#boundOf(chosen, rest) <= this.#bestScore || this.#steps++ >= cliqueStepsMax) return;
      const one = bitOf(index);
      rest = without(rest, one);
      this.#extend({ low: chosen.low | one.low, high: chosen.high | one.high }, and(rest, this.#links[index] as Bits));
    }
  }

  /** No set that consists of `chosen` and of cards of `open` scores more. */
  #boundOf(chosen: Bits, open: Bits): number {
    let colors = 0;
    for (let rest = open; rest.low !== 0 || rest.high !== 0; colors++) {
      let sameColor = rest;
      for (let index = lowestOf(sameColor); index !== undefined; index = lowestOf(sameColor)) {
        const one = bitOf(index);
        rest = without(rest, one);
        sameColor = without(without(sameColor, one), this.#links[index] as Bits);
      }
    }
    const preferred = countOf(and(chosen, this.#preferred)) + Math.min(colors, countOf(and(open, this.#preferred)));
    return scoreOf(countOf(chosen) + colors, preferred);
  }
}

/** Larger sets first, then those with more preferred cards. */
function scoreOf(size: number, preferredCount: number): number {
  return size * (cardCountMax + 1) + preferredCount;
}

function bitsOf(cards: readonly CardId[], isIn: (card: CardId) => boolean): Bits {
  let low = 0;
  let high = 0;
  for (const [index, card] of cards.entries()) {
    if (!isIn(card)) continue;
    if (index < 32) low |= 1 << index;
    else high |= 1 << (index - 32);
  }
  return { low, high };
}

function bitOf(index: number): Bits {
  return index < 32 ? { low: 1 << index, high: 0 } : { low: 0, high: 1 << (index - 32) };
}

function has({ low, high }: Bits, index: number): boolean {
  return (((index < 32 ? low : high) >> (index & 31)) & 1) === 1;
}

function and(a: Bits, b: Bits): Bits {
  return { low: a.low & b.low, high: a.high & b.high };
}

function without(a: Bits, b: Bits): Bits {
  return { low: a.low & ~b.low, high: a.high & ~b.high };
}

function lowestOf({ low, high }: Bits): number | undefined {
  if (low !== 0) return 31 - Math.clz32(low & -low);
  return high === 0 ? undefined : 63 - Math.clz32(high & -high);
}

function countOf({ low, high }: Bits): number {
  return ones(low) + ones(high);
}

function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
