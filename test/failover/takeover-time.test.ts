// timeout: 240
/**
 * How long a takeover takes by the protocol alone: from the end of a card to the first start on another one, receipt included, where links and programs take
 * no more time than they must. What a real machine adds to it is for the benchmark to say.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ProfileName } from "../../src/node/profiles.ts";
import { World } from "../../src/sim/world.ts";

const cards = [1, 2, 3] as CardId[];

/** Milliseconds until what card `slot` had is being started elsewhere. */
function takeoverMs(seed: number, profile: ProfileName, slot: number, how: "crash" | "pull"): number {
  let endedAt = Infinity;
  let startedAt = Infinity;
  const world: World = new World({
    seed,
    cards,
    profile,
    baud: 115_200,
    failover: ["single"],
    onStep: (_card, at, _input, effects) => {
      if (at > endedAt && effects.some((effect) => effect.kind === "hook" && effect.order.hook === "start")) {
        startedAt = Math.min(startedAt, at);
      }
    },
  });
  const ownerOf = () => world.failover?.placesOf("sql-ip").find(({ state }) => state === "running")?.card.id;
  const runUntilOwned = () => {
    for (let at = world.at; at < world.at + 1 && ownerOf() === undefined; at = world.at) world.runUntil(at + 250);
  };
  runUntilOwned();
  // The first card is the coordinator of the others, until it has ended once.
  if (slot !== 1) {
    world.crash(world.card(cardAt(1, 1)));
    world.runUntil(world.at + 2_500);
    runUntilOwned();
  }
  world.runUntil(world.at + 500 + 7.3 * seed);
  const owner = world.card(ownerOf() as CardId);
  assert.is(owner.id, slot);
  endedAt = world.at;
  if (how === "crash") world.crash(owner);
  else world.pull(owner);
  world.runUntil(world.at + 3_000);
  assert.equal(world.violations, []);
  return startedAt - endedAt;
}

const rows: readonly (readonly [profile: ProfileName, how: "crash" | "pull", slot: number, mostMs: number])[] = [
  // Silence 30, receipt of a question that was asked at 15 within 23, fence and receipt up to 10, each from the last beat.
  ["fast", "crash", 1, 50],
  ["fast", "crash", 2, 50],
  ["fast", "pull", 1, 10],
  ["fast", "pull", 2, 10],
  ["default", "crash", 1, 330],
  ["default", "crash", 2, 330],
  ["default", "pull", 1, 10],
];
for (const [profile, how, slot, mostMs] of rows) {
  test(`${profile}: what card ${slot} had is started elsewhere within ${mostMs} ms of its ${how}`, () => {
    const took = [1, 2, 3, 4, 5, 6].map((seed) => takeoverMs(seed, profile, slot, how));
    assert.ok(took.every((ms) => ms <= mostMs), took.map((ms) => ms.toFixed(1)).join(" "));
  });
}

test.run();
