/** The failover service: several of them over an order in memory. FS-3, FS-5, FS-7, HA-3, HA-15. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { characterize } from "../../src/failover/characterization.ts";
import type { OperatorRequest } from "../../src/failover/service-types.ts";
import { build, everything, where } from "./service-systems.ts";
import type { ServiceWorld } from "./service-world.ts";

function allRun(world: ServiceWorld): void {
  for (const resource of everything) {
    assert.is(where(world, resource).length, 1, `${resource} runs on one card, not ${where(world, resource)}`);
  }
}

test("a cold start: each service runs on one card, in the order of needs", () => {
  const world = build(1, { cards: 3 });
  world.run(3_000);
  allRun(world);
  assert.equal(where(world, "server"), where(world, "engine"));
  const started = world.lines.filter((line) => / start (engine|server|sql-ip)$/.test(line)).map((line) => line.split(" ").at(-1));
  assert.equal(started, ["engine", "server", "sql-ip"]);
});

test("HA-3 a card that crashes is fenced, and its services run elsewhere", () => {
  const world = build(2, { cards: 3 });
  world.run(3_000);
  const [owner] = where(world, "engine");
  world.crash(world.card(owner as number));
  world.run(2_000);
  allRun(world);
  assert.is.not(where(world, "engine")[0], owner);
  const record = world.cards.find(({ isUp }) => isUp)?.service.status(world.now).records.at(-1);
  assert.is(record?.subject.kind, "card");
  assert.is(record?.receipt?.receipt, "reset");
});

test("HA-3 who does not answer its self-test is fenced before a view says that it is gone, if it runs anything and the others may go on", () => {
  const evidence = { serial: "down", ether: "down", ticks: "all", selfTest: "no answer", relay: "no answer" } as const;
  const condemn = (world: ServiceWorld, card: number, mayFence: boolean) => {
    const characterization = characterize({ ...evidence, loopback: "passed", third: "silent", serialLoss: "this one" });
    for (const other of world.cards) {
      if (other.card === card) continue;
      world.input(other, {
        kind: "verdict",
        card: world.card(card).card,
        evidence: { ...evidence, loopback: "passed", third: "silent", serialLoss: "this one" },
        characterization,
        mayFence,
      });
    }
    return world.lines.filter((line) => / fences /.test(line)).length;
  };
  const world = build(5, { cards: 3 });
  world.run(3_000);
  const [owner] = where(world, "engine") as [number];
  assert.is(condemn(world, owner, false), 0);
  assert.is(condemn(world, owner, true), 1, "by one of the others, at once");
  world.run(2_000);
  allRun(world);
  assert.is.not(where(world, "engine")[0], owner);
});

test("HA-15 what a card that is cut off runs is started elsewhere only once it is proven down", () => {
  const world = build(3, { cards: 3 });
  world.run(3_000);
  const owner = world.card(where(world, "engine")[0] as number);
  world.cut(owner, "all");
  world.run(5_000);
  allRun(world);
  assert.not.ok(owner.isUp, "it was fenced");
});

test("a card without Ethernet stops, says so, and is not fenced", () => {
  const world = build(4, { cards: 3 });
  world.run(3_000);
  const owner = world.card(where(world, "engine")[0] as number);
  world.cut(owner, "ether");
  world.run(5_000);
  allRun(world);
  assert.ok(owner.isUp);
  assert.is(owner.active.size, 0);
  world.heal(owner);
  world.run(3_000);
  assert.is(owner.service.status(world.now).state, "known");
});

const by = { by: "operator", comment: "" };

test("drain, undrain, switch and failback move what they say, and answer", () => {
  const world = build(5, { cards: 3 });
  world.run(3_000);
  const ask = (order: OperatorRequest, dryRun = false) => {
    const asked = world.card(2);
    const client = world.operate(asked, order, dryRun);
    world.run(2_000);
    return asked.answers.get(client);
  };
  const owner = where(world, "engine")[0] as number;
  assert.is(ask({ verb: "drain", card: world.card(owner).card, force: false, ...by }, true)?.kind, "plan");
  assert.equal(where(world, "engine"), [owner], "a dry run moves nothing");
  assert.is(ask({ verb: "drain", card: world.card(owner).card, force: false, ...by })?.kind, "ordered");
  allRun(world);
  assert.is.not(where(world, "engine")[0], owner);
  assert.is(world.card(owner).active.size, 0);
  const again = ask({ verb: "drain", card: world.card(owner).card, force: false, ...by });
  assert.is(again?.kind === "refused" ? again.code : "", "already-so");
  ask({ verb: "undrain", card: world.card(owner).card, ...by });
  assert.is(ask({ verb: "switch", subject: "sql", to: world.card(owner).card, ...by })?.kind, "ordered");
  assert.equal(where(world, "server"), [owner]);
  allRun(world);
});

test("FS-7 what fails again and again is started again, fails over, and rests", () => {
  const world = build(6, { cards: 2 });
  world.run(3_000);
  world.broken.set("a-app", new Set(world.cards.map(({ card }) => card)));
  const owner = world.card(where(world, "a-app")[0] as number);
  owner.active.delete("a-app");
  world.run(400_000);
  const { services } = world.card(1).service.status(world.now);
  assert.is(services.find(({ service }) => service === "a")?.state, "quarantined");
  for (const resource of ["engine", "b-app", "c-app"]) assert.is(where(world, resource).length, 1, resource);
  world.broken.clear();
  world.operate(world.card(2), { verb: "lift-quarantine", subject: "a", ...by });
  world.run(3_000);
  allRun(world);
});

test("a service whose stop fails has its card reset, and runs elsewhere", () => {
  const world = build(7, { cards: 3 });
  world.run(3_000);
  const owner = world.card(where(world, "engine")[0] as number);
  Object.assign(world.options, { stopFailures: 100 });
  world.operate(world.card(1), { verb: "drain", card: owner.card, force: false, ...by });
  world.run(1_000);
  Object.assign(world.options, { stopFailures: 0 });
  world.run(3_000);
  assert.not.ok(owner.isUp);
  allRun(world);
});

test("a card that joins later knows the same as the others", () => {
  const world = build(8, { cards: 3 });
  world.run(3_000);
  world.crash(world.card(3));
  world.run(2_000);
  world.start(world.card(3));
  world.run(2_000);
  const texts = new Set(world.cards.map(({ service }) => service.agreed()?.text));
  assert.is(texts.size, 1);
  assert.is(world.card(3).service.status(world.now).state, "known");
});

test.run();
