import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { cardAt, cardCountMax, type CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { largestClique } from "../../src/cluster/clique.ts";
import { chassisOfCards } from "./membership-network.ts";

const all = Array.from({ length: cardCountMax }, (_, index) => (index + 1) as CardId);
const nobody: ReadonlySet<CardId> = new Set();

function linksOf(pairs: Iterable<readonly [number, number]>): (a: CardId, b: CardId) => boolean {
  const linked = new Set([...pairs].flatMap(([a, b]) => [a * 100 + b, b * 100 + a]));
  return (a, b) => linked.has(a * 100 + b);
}

function isLower(one: readonly CardId[], other: readonly CardId[]): boolean {
  const index = one.findIndex((card, at) => card !== other[at]);
  return index >= 0 && (one[index] as CardId) < (other[index] as CardId);
}

/** Every subset, and the rule in words: the largest, then the one with most preferred cards, then the lowest. */
function bruteForce(cards: readonly CardId[], isLinked: (a: CardId, b: CardId) => boolean, preferred: ReadonlySet<CardId>): CardId[] {
  let best: CardId[] = [];
  const wanted = (set: readonly CardId[]) => set.filter((card) => preferred.has(card)).length;
  for (let bits = 0; bits < 2 ** cards.length; bits++) {
    const set = cards.filter((_, index) => ((bits >> index) & 1) === 1);
    if (!set.every((a) => set.every((b) => a === b || isLinked(a, b)))) continue;
    const isBetter = set.length !== best.length
      ? set.length > best.length
      : wanted(set) !== wanted(best)
      ? wanted(set) > wanted(best)
      : isLower(set, best);
    if (isBetter) best = set;
  }
  return best;
}

test("HA-4: the largest set of cards that all confirm each other; of equal ones the one with the most preferred cards, then the lowest", () => {
  const five = chassisOfCards(5);
  const [c1, c2, c3, c4, c5] = five as [CardId, CardId, CardId, CardId, CardId];
  const pairs: [number, number][] = [[1, 2], [1, 3], [2, 3], [3, 4], [4, 5], [3, 5]];
  assert.equal(largestClique(five, linksOf(pairs), nobody), [c1, c2, c3]);
  assert.equal(largestClique(five, linksOf(pairs), new Set([c4])), [c3, c4, c5]);
  assert.equal(largestClique(five, linksOf([...pairs, [1, 4], [1, 5]]), new Set([c2])), [c1, c3, c4, c5]);
  assert.equal(largestClique(five, () => false, nobody), [c1]);
  assert.equal(largestClique(five, () => true, nobody), five);
  assert.equal(largestClique([], () => true, nobody), []);
});

test("property: as brute force over all subsets of up to 8 cards", () => {
  const graph = fc.record({
    count: fc.integer({ min: 0, max: 8 }),
    chassis: fc.integer({ min: 1, max: 8 }),
    bits: fc.array(fc.boolean(), { minLength: 64, maxLength: 64 }),
    preferred: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(graph, ({ count, chassis, bits, preferred }) => {
      const cards = chassisOfCards(count).map((_, index) => cardAt(chassis, index + 1));
      const isLinked = (a: CardId, b: CardId) => bits[((Math.min(a, b) - 1) % 8) * 8 + (Math.max(a, b) - 1) % 8] === true;
      const wanted = new Set(cards.filter((_, index) => ((preferred >> index) & 1) === 1));
      assert.equal(largestClique(cards, isLinked, wanted), bruteForce(cards, isLinked, wanted));
    }),
    { numRuns: 1_000 },
  );
});

test("64 cards with some broken pairs, in halves, or in pairs that do not see each other, take a few milliseconds", () => {
  const prng = new Prng(1);
  const broken: [number, number][] = Array.from({ length: 24 }, () => [1 + prng.below(64), 1 + prng.below(64)]);
  const graphs: Record<string, (a: CardId, b: CardId) => boolean> = {
    broken: (a, b) => !broken.some(([one, other]) => (a === one && b === other) || (a === other && b === one)),
    halves: (a, b) => (a <= 32) === (b <= 32),
    pairs: (a, b) => ((a - 1) ^ 1) !== b - 1,
  };
  for (const [name, isLinked] of Object.entries(graphs)) {
    let bestMs = Infinity;
    for (let run = 0; run < 5; run++) {
      const beganAt = performance.now();
      const clique = largestClique(all, isLinked, nobody);
      bestMs = Math.min(bestMs, performance.now() - beganAt);
      assert.ok(clique.every((a) => clique.every((b) => a === b || isLinked(a, b))), name);
      assert.ok(clique.length >= (name === "broken" ? 48 : 32), `${name}: ${clique.length}`);
    }
    assert.ok(bestMs < 20, `${name}: ${bestMs} ms`);
  }
});

test("the search is bounded on whatever graph: what it gives then is a set that confirms each other, the same each time", () => {
  for (const seed of [1, 2, 3]) {
    const prng = new Prng(seed);
    const pairs: [number, number][] = [];
    for (const a of all) for (const b of all) if (a < b && prng.chance(0.8)) pairs.push([a, b]);
    const isLinked = linksOf(pairs);
    const clique = largestClique(all, isLinked, nobody);
    assert.ok(clique.length >= 10 && clique.every((a) => clique.every((b) => a === b || isLinked(a, b))));
    assert.equal(largestClique(all, isLinked, nobody), clique);
  }
});

test.run();
