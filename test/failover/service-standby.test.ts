/** What stands by hot runs on every card that would take its service over, and only the rest moves. HA-13. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FailoverRecord } from "../../src/failover/failover-record.ts";
import type { OperatorRequest } from "../../src/failover/service-types.ts";
import { standbyRetryMs } from "../../src/limits.ts";
import { build, everything, where } from "./service-systems.ts";
import type { HostCard, ServiceWorld } from "./service-world.ts";

const by = { by: "test", comment: "" };

/** Three cards, or so many; the application of the service "a", in an N-way set, is hot, and its address needs it. */
function hot(seed: number, cards = 3): ServiceWorld {
  const world = build(seed, { cards });
  const { id: _, ...row } = world.rows.resources.find(({ id }) => id === "a-app") as { readonly id: string };
  world.put("resources", "a-app", { ...row, standby: "hot" });
  world.configure();
  world.run(4_000);
  return world;
}

function ownerOf(world: ServiceWorld): HostCard {
  const cards = where(world, "a-ip");
  assert.is(cards.length, 1, `a-ip runs on ${cards}`);
  return world.card(cards[0] as number);
}

/** What was started and stopped of the service since the world had so many lines. */
function hooksSince(world: ServiceWorld, from: number): string[] {
  return world.lines.slice(from).flatMap((line) => / ((?:start|stop) a-\w+)$/.exec(line)?.[1] ?? []);
}

test("it runs on all cards of its set, and what needs it on one", () => {
  const world = hot(1);
  assert.equal(where(world, "a-app"), [1, 2, 3]);
  ownerOf(world);
  for (const resource of everything.filter((each) => each !== "a-app")) assert.is(where(world, resource).length, 1, resource);
});

test("a switch moves the address alone", () => {
  const world = hot(2);
  const owner = ownerOf(world);
  const to = world.cards.find((card) => card !== owner) as HostCard;
  const from = world.lines.length;
  world.operate(owner, { verb: "switch", subject: "a", to: to.card, ...by });
  world.run(3_000);
  assert.is(ownerOf(world), to);
  assert.equal(hooksSince(world, from), ["stop a-ip", "start a-ip"]);
  assert.equal(where(world, "a-app"), [1, 2, 3]);
});

test("HA-3 when its card crashes the address alone is started elsewhere, and the card that comes back stands by again", () => {
  const world = hot(3);
  const owner = ownerOf(world);
  const from = world.lines.length;
  world.crash(owner);
  world.run(3_000);
  assert.is.not(ownerOf(world), owner);
  assert.is(hooksSince(world, from).filter((hook) => hook === "start a-ip").length, 1);
  assert.is(where(world, "a-app").length, 2);
  if (!owner.isUp) world.start(owner);
  world.run(8_000);
  assert.equal(where(world, "a-app"), [1, 2, 3]);
});

test("a card that serves nothing has it stopped: drained, or out of the view", () => {
  const world = hot(4);
  const owner = ownerOf(world);
  world.operate(owner, { verb: "drain", card: owner.card, force: false, ...by });
  world.run(3_000);
  assert.is.not(ownerOf(world), owner);
  assert.not.ok(where(world, "a-app").includes(owner.card));
  const other = world.cards.find((card) => card !== owner && card !== ownerOf(world)) as HostCard;
  world.cut(other, "ether");
  world.run(3_000);
  assert.equal(where(world, "a-app"), [ownerOf(world).card]);
  world.heal(other);
  world.operate(ownerOf(world), { verb: "undrain", card: owner.card, ...by });
  world.run(5_000);
  assert.equal(where(world, "a-app"), [1, 2, 3]);
});

test("one that ends on a card that stands by is started again there after a while, and counts as no failure of the service", () => {
  const world = hot(5);
  const owner = ownerOf(world);
  const other = world.cards.find((card) => card !== owner) as HostCard;
  world.broken.set("a-app", new Set([other.card]));
  other.active.delete("a-app");
  world.run(standbyRetryMs + 5_000);
  assert.not.ok(where(world, "a-app").includes(other.card));
  assert.is(ownerOf(world), owner);
  assert.match(other.alarms.get("standby-failed a") ?? "", "a does not stand by on this card: a-app did not start: failed");
  assert.is(owner.alarms.get("standby-failed a"), undefined);
  world.broken.clear();
  world.run(standbyRetryMs + 3_000);
  assert.is(other.alarms.get("standby-failed a"), undefined, "the alarm is over");
  assert.equal(where(world, "a-app"), [1, 2, 3]);
  const { services, records } = owner.service.status(world.now);
  assert.is(services.find(({ service }) => service === "a")?.grant, "running");
  assert.equal(records.filter(({ subject }: FailoverRecord) => subject.kind !== "card" && JSON.stringify(subject).includes('"a"')), []);
});

test("a card that leaves has it stopped, after what needs it has moved", () => {
  const world = hot(7);
  const owner = ownerOf(world);
  const from = world.lines.length;
  world.input(owner, { kind: "leave" });
  world.run(3_000);
  assert.is.not(ownerOf(world), owner);
  assert.not.ok(where(world, "a-app").includes(owner.card));
  assert.is(hooksSince(world, from)[0], "stop a-ip");
  assert.equal(hooksSince(world, from).sort(), ["start a-ip", "stop a-app", "stop a-ip"]);
});

test("a service all of which stands by is told to run once it does", () => {
  const world = build(8, { cards: 3, hookMs: 400 });
  for (const id of ["a-app", "a-ip"]) world.rows = { ...world.rows, resources: world.rows.resources.filter((row) => row.id !== id) };
  world.rows = { ...world.rows, dependencies: world.rows.dependencies.filter(({ resource }) => resource !== "a-ip") };
  const { id: _, ...row } = world.rows.resources.find(({ id }) => id === "b-app") as { readonly id: string };
  world.put("resources", "a-app", { ...row, service: "a", standby: "hot" });
  world.configure();
  world.run(5_000);
  assert.equal(where(world, "a-app"), [1, 2, 3]);
  const owner = world.card(world.card(1).service.status(world.now).services.find(({ service }) => service === "a")?.owner as number);
  const others = world.cards.filter((card) => card !== owner);
  world.broken.set("a-app", new Set(others.map(({ card }) => card)));
  for (const { active } of others) active.delete("a-app");
  world.run(4_000);
  assert.equal(where(world, "a-app"), [owner.card]);
  world.broken.clear();
  world.crash(owner);
  let ran = 0;
  for (let step = 0; step < 600; step++) {
    world.run(5);
    for (const { card, isUp, service } of others) {
      const status = isUp ? service.status(world.now).services.find((each) => each.service === "a") : undefined;
      if (status?.grant !== "running" || status.owner !== card) continue;
      ran++;
      assert.ok(where(world, "a-app").includes(card), "it runs where it is said to run");
    }
  }
  assert.ok(ran > 100, "it ran elsewhere");
});

test("FS-7 where its service is, its failure is the service's: started again, then elsewhere, and at last it rests everywhere", () => {
  const world = hot(6, 2);
  const owner = ownerOf(world);
  const from = world.lines.length;
  owner.active.delete("a-app");
  world.run(3_000);
  assert.equal(hooksSince(world, from).slice(0, 2).sort(), ["stop a-app", "stop a-ip"]);
  assert.is(ownerOf(world), owner, "it was started again in place");
  assert.equal(where(world, "a-app"), [1, 2]);

  world.broken.set("a-app", new Set(world.cards.map(({ card }) => card)));
  owner.active.delete("a-app");
  const other = world.cards.find((card) => card !== owner) as HostCard;
  other.active.delete("a-app");
  world.run(400_000);
  assert.is(owner.service.status(world.now).services.find(({ service }) => service === "a")?.state, "quarantined");
  assert.equal(where(world, "a-app"), []);
  world.broken.clear();
  world.run(standbyRetryMs + 5_000);
  assert.equal(where(world, "a-app"), [], "what rests stands by nowhere");
  world.operate(world.card(2), { verb: "lift-quarantine", subject: "a", ...by } as OperatorRequest);
  world.run(5_000);
  ownerOf(world);
  assert.equal(where(world, "a-app"), [1, 2]);
});

test.run();
