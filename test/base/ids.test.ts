/** Cards, their places, and sets of them. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardSetHas, cardSetOf } from "../../src/base/card-set.ts";
import {
  cardAt,
  cardCountMax,
  type CardId,
  chassisCountMax,
  chassisOf,
  everybody,
  isCardId,
  multiplexor,
  slotCountMax,
  slotOf,
} from "../../src/base/ids.ts";

const all = [...Array(cardCountMax).keys()].map((index) => index + 1 as CardId);
const card = fc.constantFrom(...all);

test("FS-9: each slot of each chassis is one card", () => {
  assert.is(chassisCountMax * slotCountMax, cardCountMax);
  const seen = new Set<CardId>();
  for (let chassis = 1; chassis <= chassisCountMax; chassis++) {
    for (let slot = 1; slot <= slotCountMax; slot++) {
      const id = cardAt(chassis, slot);
      assert.is(id, (chassis - 1) * 8 + slot);
      assert.is(chassisOf(id), chassis);
      assert.is(slotOf(id), slot);
      seen.add(id);
    }
  }
  assert.equal([...seen], all);
});

test("there is no card outside a chassis", () => {
  const nowhere = [[0, 1], [9, 1], [1, 0], [1, 9], [0, 8], [-1, 8], [1.5, 4], [1, 1.5], [1.125, 1], [NaN, 1], [1, NaN]] as const;
  for (const [chassis, slot] of nowhere) assert.throws(() => cardAt(chassis, slot), /no card at chassis/, `${chassis} ${slot}`);
});

test("what is a card id and what is not", () => {
  for (const id of all) assert.ok(isCardId(id));
  for (const other of [everybody, multiplexor, -1, 1.5, NaN, Infinity, "1", 1n, null, undefined, [1], {}]) {
    assert.not(isCardId(other), String(other));
  }
});

test("a set holds exactly the cards that were put in, whoever speaks", () => {
  fc.assert(fc.property(card, fc.uniqueArray(card, { maxLength: cardCountMax }), (speaker, cards) => {
    const set = cardSetOf(speaker, cards);
    assert.equal(all.filter((other) => cardSetHas(speaker, set, other)), [...cards].sort((one, other) => one - other));
  }));
});

test("HA-2: a set of the speaker's own chassis is one byte, in every chassis, slot 1 in the lowest bit", () => {
  for (const speaker of all) {
    for (let slot = 1; slot <= slotCountMax; slot++) {
      assert.equal(cardSetOf(speaker, [cardAt(chassisOf(speaker), slot)]), Uint8Array.of(1 << (slot - 1)));
    }
    assert.equal(cardSetOf(speaker, []), new Uint8Array(0));
  }
});

test("the chassis after the speaker's follow in order, around, without zeros at the end", () => {
  for (const speaker of all) {
    for (const other of all) {
      const set = cardSetOf(speaker, [other]);
      const distance = (chassisOf(other) - chassisOf(speaker) + 8) % 8;
      assert.equal(set, new Uint8Array(distance + 1).with(distance, 1 << (slotOf(other) - 1)));
    }
  }
  assert.equal(cardSetOf(1 as CardId, all), new Uint8Array(8).fill(0xff));
});

test("a set that is longer or shorter than ours is read alike", () => {
  const speaker = cardAt(1, 1);
  assert.ok(cardSetHas(speaker, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), speaker));
  assert.not(cardSetHas(speaker, new Uint8Array(0), cardAt(8, 8)));
});

test.run();
