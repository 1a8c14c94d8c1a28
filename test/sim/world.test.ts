import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import type { CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { receiveQueueMax } from "../../src/limits.ts";
import { Clock, driftMax } from "../../src/sim/clock.ts";
import { EventQueue } from "../../src/sim/event-queue.ts";
import { keepWaiting, type Stall } from "../../src/sim/sim-card.ts";
import { placeCards } from "../../src/sim/swarm.ts";
import { transmissionOf } from "../../src/sim/switch.ts";
import { World } from "../../src/sim/world.ts";

test("events come in the order of their time, and of their insertion at one time", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (times) => {
    const queue = new EventQueue<{ at: number; index: number }>();
    times.forEach((at, index) => queue.push(at, { at, index }));
    const popped: { at: number; index: number }[] = [];
    while (queue.size > 0) {
      const nextAt = queue.nextAt();
      popped.push(queue.pop());
      assert.is(popped.at(-1)?.at, nextAt);
    }
    const sorted = times.map((at, index) => ({ at, index })).sort((a, b) => a.at - b.at || a.index - b.index);
    assert.equal(popped, sorted);
    assert.is(queue.nextAt(), Infinity);
  }));
});

test("a card's clock drifts within its bound and turns back into the world's time", () => {
  for (let seed = 0; seed < 50; seed++) {
    const clock = new Clock(new Prng(seed));
    const hour = 3_600_000;
    const passed = clock.localAt(hour) - clock.localAt(0);
    assert.ok(Math.abs(passed - hour) <= hour * driftMax + 1e-6);
    assert.ok(Math.abs(clock.worldAt(clock.localAt(hour)) - hour) < 1e-6);
  }
});

test("what waits for a stalled card is bounded, and drops the newest or the oldest", () => {
  for (const dropsOldest of [false, true]) {
    const stall: Stall = { until: 1, first: "tick", dropsOldest, waiting: [], inputs: [] };
    for (let index = 0; index < receiveQueueMax + 10; index++) {
      keepWaiting(stall, { link: "ether", sent: transmissionOf(Uint8Array.of(index & 0xff, index >> 8)) });
    }
    for (let index = 0; index < 100; index++) keepWaiting(stall, { link: "serial", bytes: new Uint8Array(100) });
    const ether = stall.waiting.filter((waiting) => waiting.link === "ether");
    const serial = stall.waiting.filter((waiting) => waiting.link === "serial");
    assert.is(ether.length, receiveQueueMax);
    assert.is(ether[0]?.sent.bytes[0], dropsOldest ? 10 : 0);
    assert.is(serial.length, 40);
  }
});

const start = (cards: number, chassis: number, seed = 3) =>
  new World({ seed, cards: placeCards(cards, chassis), profile: "default", baud: 115_200 });

test("FS-2: 2 to 64 cards in 1 to 8 chassis verify each other", () => {
  for (const [cards, chassis] of [[2, 1], [8, 1], [9, 2], [24, 3], [64, 8]] as const) {
    const world = start(cards, chassis);
    world.runUntil(cards > 30 ? 4_000 : 10_000);
    world.checkers.checkSettled();
    assert.equal(world.violations, []);
  }
});

test("both orders of waking come about, and the clock of a card never goes back", () => {
  for (const first of ["frames", "tick"] as const) {
    const inputs: string[] = [];
    const nows: number[] = [];
    const world = new World({
      seed: 3,
      cards: placeCards(3, 1),
      profile: "default",
      baud: 115_200,
      onStep: (card, at, input) => {
        if (card.id !== 2) return;
        nows.push(card.run?.now ?? 0);
        if (at >= 6_000) inputs.push(input.kind);
      },
    });
    world.runUntil(5_000);
    world.stall(world.card(2 as CardId), 1_000, first, false);
    world.runUntil(6_000);
    assert.is(inputs[0], first === "tick" ? "tick" : "heard");
    assert.ok(inputs.filter((kind) => kind === "heard").length > 10, "what came in meanwhile waited");
    assert.equal(nows, nows.toSorted((a, b) => a - b));
    assert.equal(world.violations, []);
  }
});

test("a card that is reset over the multiplexor starts with the next incarnation", () => {
  const world = start(3, 1);
  world.runUntil(3_000);
  world.orderReset(world.card(1 as CardId), 3);
  world.runUntil(8_000);
  assert.is(world.statusOf(world.card(3 as CardId))?.incarnation, 2);
  world.checkers.checkSettled();
  assert.equal(world.violations, []);
});

test.run();
