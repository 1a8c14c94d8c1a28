import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Electorate } from "../../src/config/replica-electorate.ts";

const cards = (...numbers: number[]) => numbers as CardId[];

function subsets(count: number): CardId[][] {
  return Array.from(
    { length: 2 ** count },
    (_, bits) => cards(...Array.from({ length: count }, (_, index) => index + 1).filter((card) => bits >> (card - 1) & 1)),
  );
}

for (const count of [1, 3, 4, 5, 6, 7, 8]) {
  test(`any two sets of ${count} cards that are enough share a card (FS-4, HA-12)`, () => {
    const all = subsets(count);
    for (const tieBreak of cards(1, count)) {
      const enough = all.filter((set) => new Electorate(all.at(-1) as CardId[], tieBreak).isEnough(set));
      for (const one of enough) for (const other of enough) assert.ok(one.some((card) => other.includes(card)), `${one} and ${other}`);
    }
  });
}

test("of two cards either one is enough", () => {
  const two = new Electorate(cards(1, 2), cards(1)[0]);
  for (const set of [cards(1), cards(2), cards(1, 2)]) assert.ok(two.isEnough(set));
  assert.not.ok(two.isEnough([]));
});

test("cards that do not vote count for nothing, and nobody is enough where nobody votes", () => {
  const electorate = new Electorate(cards(1, 2, 3), cards(1)[0]);
  assert.not.ok(electorate.isEnough(cards(1, 4, 5)));
  assert.not.ok(new Electorate().isEnough(cards(1)));
});

test("who is there is named when they are too few", () => {
  const electorate = new Electorate(cards(1, 2, 3, 4), cards(1)[0]);
  assert.is(electorate.lackOf(cards(3, 4)), "only card 3, card 4 of 4 cards, without the tie-break card 1");
  assert.is(electorate.lackOf(cards(1)), "only card 1 of 4 cards");
  assert.is(electorate.lackOf(cards(1, 4)), undefined);
});

test.run();
