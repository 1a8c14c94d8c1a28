import { test } from "uvu";
import * as assert from "uvu/assert";
import * as fc from "fast-check";
import {
  cardAddress,
  cardMac,
  isNamespaceOf,
  type Layout,
  nameLengthMax,
  nameProblem,
  namespacesOf,
  parsePlace,
  placesOf,
  placeText,
  portName,
} from "../../scripts/chassis/names.ts";
import { Refused } from "../../scripts/chassis/refusal.ts";

const one: Layout = { name: "chassis", chassis: 1, cards: 3 };
const two: Layout = { name: "lab", chassis: 2, cards: 4 };

test("names: a chassis is named by up to 31 of a-z, 0-9 and -, starting with a letter, not ending with -", () => {
  for (const good of ["a", "chassis", "lab-2", "a".repeat(nameLengthMax)]) assert.is(nameProblem(good), undefined, good);
  for (const bad of ["", "2lab", "-lab", "lab-", "Lab", "a b", "../x", "a/b", "ä", "a".repeat(nameLengthMax + 1)]) {
    assert.match(nameProblem(bad) ?? "", "--name", bad);
  }
});

test("names: a slot is written 3 in a system of one chassis and 2/3 in any", () => {
  const rows: [string, Layout, string][] = [["1", one, "1/1"], ["3", one, "1/3"], ["1/2", one, "1/2"], ["2/4", two, "2/4"]];
  for (const [text, layout, expected] of rows) assert.is(placeText(parsePlace(text, layout)), expected);
});

test("names: a slot that is none is refused with those that are", () => {
  const rows: [string, Layout, RegExp][] = [
    ["4", one, /no slot 4 in chassis: say one of 1, 2, 3/],
    ["0", one, /no slot 0/],
    ["2/1", one, /no slot 2\/1/],
    ["three", one, /"three" is not a slot: say one of 1, 2, 3/],
    ["", one, /not a slot/],
    ["3", two, /slot 3 is in 2 chassis: say which, as in 1\/3/],
    ["3/1", two, /no slot 3\/1 in lab: say one of 1\/1, 1\/2/],
  ];
  for (const [text, layout, message] of rows) {
    assert.throws(
      () => parsePlace(text, layout),
      (error: Error) => error instanceof Refused && error.code === "usage" && message.test(error.message),
    );
  }
});

const chassisName = fc.stringMatching(/^[a-z]([a-z0-9-]{0,12}[a-z0-9])?$/);

test("names: no two chassis share a namespace, whatever they are called", () => {
  const layout = fc.record({ name: chassisName, chassis: fc.integer({ min: 1, max: 8 }), cards: fc.integer({ min: 1, max: 8 }) });
  // Names that differ by what looks like a slot are the ones that could collide.
  const suffix = fc.constantFrom("", "-1", "-1-1", "-net", "-host", "-1-1-1");
  fc.assert(fc.property(layout, layout, suffix, fc.boolean(), (left, other, tail, related) => {
    const right = related ? { ...other, name: left.name + tail } : other;
    for (const namespaceName of namespacesOf(left)) {
      assert.ok(isNamespaceOf(left.name, namespaceName));
      if (left.name !== right.name) assert.not(isNamespaceOf(right.name, namespaceName), `${namespaceName} of ${right.name}`);
    }
  }));
});

test("names: the cards of a full system differ in address, hardware address and port, and ports fit the kernel's 15 characters", () => {
  const full: Layout = { name: "full", chassis: 8, cards: 8 };
  const places = placesOf(full);
  assert.is(places.length, 64);
  for (const textOf of [cardAddress, portName, (place: (typeof places)[number]) => cardMac(full.name, place)]) {
    const all = places.map(textOf);
    assert.is(new Set(all).size, 64);
    assert.ok(all.every((text) => textOf !== portName || text.length <= 15));
  }
  // Locally administered and no group address.
  assert.ok(places.every((place) => (parseInt(cardMac("x", place), 16) & 3) === 2));
});

test.run();
