/** A few seeds of mirrored devices under faults, and a calm one; the same seed has the same history. `npm run -s sim -- --storage --seeds A..B` lives more. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { liveStorageSeed } from "../../src/sim/storage-swarm.ts";
import { type Life, lived, lives } from "./storage-lives.ts";

for (const seed of [2, 197, 523, 618]) {
  test(`HA-12, PB-12: seed ${seed} lives, and is served, in sync and alike in the end`, () => {
    const result = liveStorageSeed({ seed, seconds: 6 });
    assert.is(result.violation, undefined, JSON.stringify(result.violation));
    assert.ok(result.acknowledged > 50, `${result.acknowledged} writes were acknowledged`);
  });
}

test("the same seed has the same history, and another one another", () => {
  const [first, again, other] = [5, 5, 6].map((seed) => liveStorageSeed({ seed, seconds: 2 }).hash);
  assert.is(first, again);
  assert.is.not(first, other);
});

for (const [name, life] of Object.entries(lives as Readonly<Record<string, Life>>)) {
  test(`HA-12, PB-12: ${name}`, () => {
    assert.is(lived(life, 3), undefined);
  });
}

test.run();
