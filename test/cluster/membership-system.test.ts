import { test } from "uvu";
import * as assert from "uvu/assert";
import { chassisOfCards, MembershipNetwork } from "./membership-network.ts";
import { runPartial, runSeed } from "./membership-swarm.ts";

const seeds = 250;
const partialSeeds = 60;

test("HA-4, HA-5, HA-15: whatever befalls the cards: equal numbers are equal views, promises are kept, one side goes on, and after the heal there is one view of all", () => {
  const settled: number[] = [];
  let views = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const { network, settledMs } = runSeed(seed);
    settled.push(settledMs);
    views += network.counts.confirmed + network.counts.unconfirmed;
  }
  settled.sort((a, b) => a - b);
  assert.ok(views > 8 * seeds, `${views} views`);
  assert.ok((settled[Math.floor(0.9 * seeds)] as number) <= 500, `a tenth takes ${settled[Math.floor(0.9 * seeds)]} ms and more`);
});

test("HA-15: cards that do not all hear each other come to rest, and a majority that does has a view", () => {
  const wrong: string[] = [];
  for (let seed = 1; seed <= partialSeeds; seed++) {
    const what = runPartial(seed);
    if (what !== undefined) wrong.push(`seed ${seed}: ${what}`);
  }
  assert.equal(wrong, []);
});

test("HA-4: cards that start together make one view, within what it takes them to hear each other", () => {
  const network = new MembershipNetwork({ seed: 1, cards: chassisOfCards(8) });
  for (const slot of network.slots) network.at(network.prng.between(0, 20), () => network.start(slot));
  network.run(100);
  assert.is(network.unsettled(), undefined);
  assert.equal(network.slots.map(({ run }) => run?.views), [1, 1, 1, 1, 1, 1, 1, 1]);
});

test("HA-4: a crashed coordinator is replaced within a few milliseconds of when it is found down, and comes back with one view more", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const network = new MembershipNetwork({ seed, cards: chassisOfCards(3 + (seed % 3)) });
    for (const slot of network.slots) network.start(slot);
    network.run(300 + seed);
    const [coordinator, ...others] = network.slots;
    const before = others.map(({ run }) => run?.views ?? 0);
    network.stop(coordinator as typeof others[number], "silent");
    // The serial line bears the longest silence: 250 ms from the last beat, which took up to 15.
    network.run(275);
    assert.is(network.unsettled(), undefined, `seed ${seed}`);
    assert.equal(others.map(({ run }, index) => (run?.views ?? 0) - (before[index] ?? 0)), others.map(() => 1), `seed ${seed}`);
    network.start(coordinator as typeof others[number]);
    network.run(150);
    assert.is(network.unsettled(), undefined, `seed ${seed}`);
    assert.equal(others.map(({ run }, index) => (run?.views ?? 0) - (before[index] ?? 0)), others.map(() => 2), `seed ${seed}`);
  }
});

test("HA-15: a partition of five in two: the three go on, the two say why they stand, and the heal makes one view", () => {
  const cards = chassisOfCards(5);
  const network = new MembershipNetwork({ seed: 1, cards });
  for (const slot of network.slots) network.start(slot);
  network.run(300);
  network.partition([cards.slice(0, 2), cards.slice(2)]);
  network.run(500);
  const statuses = network.slots.map(({ run }) => run?.membership.status(network.now));
  assert.equal(statuses.map((status) => status?.state), ["tentative", "tentative", "unconfirmed", "unconfirmed", "unconfirmed"]);
  assert.equal(statuses.slice(0, 2).map((status) => status?.reason), ["2 of 5 cards: no quorum", "2 of 5 cards: no quorum"]);
  assert.is(statuses[2]?.quorum.text, "3 of 5 cards: more than half");
  network.heal();
  network.run(300);
  assert.is(network.unsettled(), undefined);
});

test("one seed, one history", () => {
  const history = () => runSeed(17).network.told;
  assert.equal(history(), history());
});

test.run();
