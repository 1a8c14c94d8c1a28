/** What a mistyped word most likely meant. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { editDistance, nearest } from "../../src/base/nearest.ts";

const words = ["status", "start", "stop", "interface", "serial", "ether"];

test("the nearest word, as long as it is near", () => {
  const cases: [string, string | undefined][] = [
    ["status", "status"],
    ["STATUS", "status"],
    ["statsu", "status"],
    ["sttus", "status"],
    ["sotp", "stop"],
    ["serail", "serial"],
    ["inter", "interface"],
    ["xyz", undefined],
    ["", undefined],
    ["x".repeat(100), undefined],
  ];
  for (const [typed, meant] of cases) assert.is(nearest(typed, words), meant, typed);
});

test("the distance counts what is put in, left out, exchanged and swapped", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["abc", "abd", 1],
    ["abc", "acb", 1],
    ["abc", "ab", 1],
    ["abc", "xabc", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [from, to, distance] of cases) assert.is(editDistance(from, to), distance, `${from} ${to}`);
});

test("the distance is the same both ways, zero only for the same word, and at most the longer word's length", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(fc.property(word, word, (from, to) => {
    const distance = editDistance(from, to);
    assert.is(distance, editDistance(to, from));
    assert.is(distance === 0, from === to);
    assert.ok(distance >= Math.abs(from.length - to.length) && distance <= Math.max(from.length, to.length));
  }));
});

test.run();
