/** The seeded generator against its definition, and the ranges that it promises. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";

/** xoshiro128** and its seeding written a second time, with integers of any size instead of 32-bit tricks. */
function* reference(seed: number): Generator<number> {
  const word = 2n ** 32n;
  const rotated = (value: bigint, by: bigint) => ((value << by) | (value >> (32n - by))) % word;
  let counter = BigInt(seed) % word;
  const seeded = () => {
    counter = (counter + 0x9e3779b9n) % word;
    let mixed = counter;
    mixed = ((mixed ^ (mixed >> 16n)) * 0x85ebca6bn) % word;
    mixed = ((mixed ^ (mixed >> 13n)) * 0xc2b2ae35n) % word;
    return mixed ^ (mixed >> 16n);
  };
  const state: [bigint, bigint, bigint, bigint] = [seeded(), seeded(), seeded(), seeded()];
  for (;;) {
    yield Number((rotated((state[1] * 5n) % word, 7n) * 9n) % word);
    const shifted = (state[1] << 9n) % word;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 11n);
  }
}

const seeds = fc.integer({ min: 0, max: 0xffffffff });

test("the bits are those of xoshiro128** for the seed", () => {
  fc.assert(fc.property(seeds, (seed) => {
    const prng = new Prng(seed);
    const expected = reference(seed);
    for (let count = 0; count < 50; count++) assert.is(prng.bits(), expected.next().value);
  }));
});

test("the same seed gives the same numbers, another seed others", () => {
  const numbers = (seed: number) => {
    const prng = new Prng(seed);
    return Array.from({ length: 20 }, () => prng.bits());
  };
  assert.equal(numbers(1), numbers(1));
  assert.is.not(JSON.stringify(numbers(1)), JSON.stringify(numbers(2)));
});

test("each draw stays in its range", () => {
  fc.assert(fc.property(seeds, fc.integer({ min: 1, max: 0x7fffffff }), fc.integer(), fc.nat(), (seed, bound, low, width) => {
    const prng = new Prng(seed);
    for (let count = 0; count < 20; count++) {
      const unit = prng.unit();
      assert.ok(unit >= 0 && unit < 1);
      const below = prng.below(bound);
      assert.ok(Number.isInteger(below) && below >= 0 && below < bound);
      const between = prng.between(low, low + width);
      assert.ok(between >= low && between <= low + width);
      assert.not(prng.chance(0));
      assert.ok(prng.chance(1));
    }
  }));
});

test("draws are spread evenly", () => {
  const prng = new Prng(7);
  const counts = new Map<string, number>();
  const items = ["a", "b", "c", "d"];
  for (let count = 0; count < 40_000; count++) {
    const item = prng.pick(items);
    counts.set(item, (counts.get(item) ?? 0) + 1);
  }
  // Four standard deviations of a binomial with p = 1/4.
  for (const item of items) assert.ok(Math.abs((counts.get(item) ?? 0) - 10_000) < 350, `${item}: ${counts.get(item)}`);
  let heads = 0;
  for (let count = 0; count < 40_000; count++) if (prng.chance(0.1)) heads++;
  assert.ok(Math.abs(heads - 4_000) < 240, `${heads}`);
});

test.run();
