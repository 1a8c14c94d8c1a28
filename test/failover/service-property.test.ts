/**
 * Failover services under drawn faults: cards crash, are cut off, lose Ethernet, miss parts of the order; hooks fail; operators move things. Never do two
 * cards have one resource (HA-15), never do two cards know different things, and once all is calm everything runs.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, everything, where } from "./service-systems.ts";
import type { ServiceWorld } from "./service-world.ts";

const by = { by: "operator", comment: "" };

function disturb(world: ServiceWorld): void {
  const { random } = world;
  const card = world.card(1 + random.below(world.cards.length));
  switch (random.below(10)) {
    case 0:
      if (card.isUp) world.crash(card);
      return;
    case 1:
    case 2:
      if (!card.isUp) world.start(card);
      return;
    case 3:
      return world.cut(card, "all");
    case 4:
      return world.cut(card, "ether");
    case 5:
    case 6:
      return world.heal(card);
    case 7: {
      const resource = everything[random.below(everything.length)] as string;
      card.active.forEach((state, id) => {
        if (id === resource && state === "running") card.active.delete(id);
      });
      return;
    }
    case 8: {
      if (!card.isUp) return;
      const target = world.card(1 + random.below(world.cards.length)).card;
      const subject = ["sql", "a", "b"][random.below(3)] as string;
      const order = random.below(3);
      if (order === 0) world.operate(card, { verb: "switch", subject, to: target, ...by });
      else if (order === 1) world.operate(card, { verb: "drain", card: target, force: true, ...by });
      else world.operate(card, { verb: "undrain", card: target, ...by });
      return;
    }
    default:
      world.put("services", "c", { set: "all", enabled: random.below(2), weight: 10, priority: 0 });
      return world.configure();
  }
}

/** One drawn system under one drawn history; told as what went wrong, if anything did. */
export function story(seed: number, told: (world: ServiceWorld) => void = () => {}): ServiceWorld {
  const world = build(seed, {
    cards: 2 + seed % 4,
    startFailures: seed % 3 === 0 ? 15 : 0,
    stopFailures: seed % 5 === 0 ? 5 : 0,
    hookMs: 1 + world0(seed, 150),
    deliveryMs: 1 + world0(seed + 1, 40),
  });
  told(world);
  for (let round = 0; round < 40; round++) {
    world.run(world.random.below(400));
    disturb(world);
  }
  for (const card of world.cards) {
    if (card.isUp) world.operate(card, { verb: "undrain", card: card.card, ...by });
  }
  world.put("services", "c", { set: "all", enabled: 1, weight: 10, priority: 0 });
  world.calm(3_000);
  const asked = world.card(1);
  for (const { card } of world.cards) {
    world.operate(asked, { verb: "undrain", card, ...by });
    world.operate(asked, { verb: "lift-quarantine", subject: card, ...by });
  }
  for (const subject of ["sql", "a", "b", "c"]) world.operate(asked, { verb: "lift-quarantine", subject, ...by });
  world.configure();
  world.run(70_000);
  return world;
}

function world0(seed: number, bound: number): number {
  return (seed * 2_654_435_761 >>> 0) % bound;
}

const seeds = Number(process.env.SEEDS ?? 40);
const first = Number(process.env.FIRST ?? 1);

for (let seed = first; seed < first + seeds; seed++) {
  test(`seed ${seed}: nothing runs twice, all know the same, and in the end everything runs`, () => {
    let lines: readonly string[] = [];
    if (process.env.LOG !== undefined) process.on("exit", () => console.log(lines.join("\n")));
    const world = story(seed, (made) => lines = made.lines);
    for (const { card, service } of world.cards) {
      assert.is(service.status(world.now).state, "known", `card ${card}: ${service.status(world.now).reason}`);
    }
    assert.is(new Set(world.cards.map(({ service }) => service.agreed()?.text)).size, 1);
    for (const resource of everything) assert.is(where(world, resource).length, 1, `${resource} runs on cards ${where(world, resource)}`);
  });
}

test.run();
