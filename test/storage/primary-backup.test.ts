/** Primary-backup groups: who is in which subgroup, who hosts, what follows from claims and losses (PB-1 to PB-12). */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import { StorageWorld } from "../../src/sim/storage-world.ts";
import { applyEntry, applyView, type DeviceAgreed, type DeviceEntry, newDevice, whyNot } from "../../src/storage/device-state.ts";
import type { Generation } from "../../src/storage/generation.ts";
import type { DeviceDefinition, LegSeen } from "../../src/storage/storage-types.ts";

const card = (id: number) => id as CardId;
const generation = (name: string) => `1.${name.padStart(16, "0")}` as Generation;
const policy = {
  protocol: "synchronous",
  behindBytesMax: 1,
  peerTimeoutMs: 100,
  fillBytes: 1,
  bytesPerSMax: 2,
  bytesPerSMin: 1,
} as const;

function viewOf(up: readonly number[], down: readonly number[] = [], unknown: readonly number[] = []): NodeView {
  const members = up.map((id) => ({ card: card(id), incarnation: 1, previous: 0 }));
  const absent = [
    ...down.map((id) => ({ card: card(id), state: "down" as const })),
    ...unknown.map((id) => ({ card: card(id), state: "unknown" as const })),
  ];
  return { number: 1, coordinator: card(up[0] as number), members, ether: members.map((member) => member.card), absent };
}

/** Legs a, b, ... with the cards that are listed in each. */
function device(...legs: readonly (readonly number[])[]): DeviceAgreed {
  const definition: DeviceDefinition = {
    kind: "storage",
    policy,
    legs: legs.map((cards, index) => ({
      leg: "abc"[index] as string,
      role: index === 0 ? "primary" : "backup",
      paths: new Map(cards.map((id) => [card(id), "/dev/x"])),
    })),
  };
  return newDevice("d", { epoch: 1, sequence: 1 }, definition, undefined, false);
}

const blank: LegSeen = { bytes: 4_096, blockBytes: 4_096, state: undefined, foreign: false, clean: true };

function say(
  agreed: DeviceAgreed,
  view: NodeView,
  from: number,
  entry: Omit<Extract<DeviceEntry, object>, "of" | "device"> & { readonly kind: string },
): void {
  applyEntry(agreed, view, { card: card(from), incarnation: 1 }, { of: 1, device: "d", ...entry } as DeviceEntry);
}

function reach(agreed: DeviceAgreed, view: NodeView, leg: string, ...cards: readonly number[]): void {
  for (const id of cards) say(agreed, view, id, { kind: "access", leg, seen: blank, why: "" } as never);
}

function claim(agreed: DeviceAgreed, view: NodeView, from: number, leg: string, term: number): void {
  say(agreed, view, from, { kind: "claim", leg, term, generation: generation(String(term)) } as never);
}

test("PB-8, PB-11: a card is in the subgroup of each leg that it reaches, and of no other", () => {
  const view = viewOf([1, 2]);
  const agreed = device([1], [1, 2]);
  reach(agreed, view, "a", 1, 2);
  reach(agreed, view, "b", 1, 2);
  say(agreed, view, 2, { kind: "access", leg: "b", seen: undefined, why: "no such device" } as never);
  assert.equal([...agreed.legs.get("a")?.members.keys() ?? []], [1]);
  assert.equal([...agreed.legs.get("b")?.members.keys() ?? []], [1]);
  assert.equal([...agreed.legs.get("b")?.barred ?? []], [[2, "no such device"]]);
});

test("PB-3: the claim's card hosts the primary leg, and a card that serves nothing of the device a backup leg", () => {
  const view = viewOf([1, 2, 3]);
  const agreed = device([1], [1, 2, 3]);
  reach(agreed, view, "a", 1);
  reach(agreed, view, "b", 3, 1, 2);
  assert.is(agreed.legs.get("b")?.host, undefined, "nobody hosts what nobody serves");
  claim(agreed, view, 1, "a", 1);
  assert.is(agreed.primary?.card, 1);
  assert.is(agreed.legs.get("b")?.holder?.card, 2);
  assert.equal(agreed.memory?.inSync, ["a"]);
});

test("PB-12: another card of the subgroup hosts the leg once the host is proven down, not while it is unknown", () => {
  const agreed = device([1, 2], [3]);
  const all = viewOf([1, 2, 3]);
  reach(agreed, all, "a", 1, 2);
  reach(agreed, all, "b", 3);
  claim(agreed, all, 1, "a", 1);
  const unknown = viewOf([2, 3], [], [1]);
  applyView(agreed, unknown);
  claim(agreed, unknown, 2, "a", 2);
  assert.is(agreed.primary?.card, 1, "the claim waits");
  assert.is(agreed.legs.get("a")?.holder?.card, 1);
  const down = viewOf([2, 3], [1]);
  applyView(agreed, down);
  assert.equal(agreed.primary, { card: 2, incarnation: 1, leg: "a", term: 2 });
  assert.is(agreed.legs.get("a")?.holder?.card, 2);
});

test("PB-12: a leg that is out is not claimed, one that is in sync is, and what nobody reaches goes out with the claim", () => {
  const agreed = device([1], [2], [3]);
  const all = viewOf([1, 2, 3]);
  for (const [index, leg] of ["a", "b", "c"].entries()) reach(agreed, all, leg, index + 1);
  claim(agreed, all, 1, "a", 1);
  say(agreed, all, 2, { kind: "ready", leg: "b", term: 1, state: { leg: "b" } } as never);
  say(agreed, all, 1, { kind: "in", leg: "b", term: 1 } as never);
  assert.equal(agreed.memory?.inSync, ["a", "b"]);
  const without = viewOf([2, 3], [1]);
  applyView(agreed, without);
  assert.match(whyNot(agreed, without, { card: card(3), leg: "c", term: 2 }) ?? "", "c is not in sync: a, b is");
  claim(agreed, without, 3, "c", 2);
  assert.is(agreed.primary, undefined);
  claim(agreed, without, 2, "b", 3);
  assert.equal(agreed.memory?.inSync, ["b"]);
  assert.is(agreed.memory?.since.get("a")?.generation, generation("1"));
  assert.is(agreed.memory?.current, generation("3"));
});

test("PB-12: of a claim and the old primary's word that the leg is out, the order decides, and decides once", () => {
  const at = (claimsFirst: boolean) => {
    const agreed = device([1], [2]);
    const view = viewOf([1, 2]);
    reach(agreed, view, "a", 1);
    reach(agreed, view, "b", 2);
    claim(agreed, view, 1, "a", 1);
    say(agreed, view, 2, { kind: "ready", leg: "b", term: 1, state: { leg: "b" } } as never);
    say(agreed, view, 1, { kind: "in", leg: "b", term: 1 } as never);
    say(agreed, view, 1, { kind: "released", leg: "a" } as never);
    if (claimsFirst) claim(agreed, view, 2, "b", 2);
    say(agreed, view, 1, { kind: "out", legs: ["b"], term: 1, generation: generation("9") } as never);
    return agreed;
  };
  assert.equal(at(true).memory?.inSync, ["a", "b"]);
  assert.is(at(true).primary?.leg, "b");
});

test("PB-1: nothing is served before each leg was seen, or an operator says that what is there is right", () => {
  const agreed = device([1], [2]);
  const view = viewOf([1, 2]);
  reach(agreed, view, "a", 1);
  assert.match(whyNot(agreed, view, { card: card(1), leg: "a", term: 1 }) ?? "", "not all legs were seen");
  reach(agreed, view, "b", 2);
  assert.is(whyNot(agreed, view, { card: card(1), leg: "a", term: 1 }), undefined);
});

function until(world: StorageWorld, what: string, holds: () => boolean): void {
  for (let waited = 0; waited < 12_000 && !holds(); waited += 50) world.runUntil(world.at + 50);
  assert.is(world.violation, undefined, JSON.stringify(world.violation));
  assert.ok(holds(), what);
}

test("PB-4, PB-9: an imaging device has one host; its subgroup has its configuration data, and who joins it too", () => {
  const world = new StorageWorld({ seed: 3, cards: 3, devices: [[[0, 1, 2]]], imaging: [0] });
  until(world, "it is served", () => world.said("d0")?.primary !== undefined);
  const host = world.said("d0")?.primary?.card as CardId;
  world.data(host, "d0", "leg-a", new Uint8Array([1, 2, 255]));
  const others = world.cards.filter((each) => each !== host);
  until(world, "all have the data", () => others.every((each) => world.heard.some((told) => told.card === each)));
  assert.equal(world.heard[0]?.bytes, new Uint8Array([1, 2, 255]));
  const [joiner] = others as [CardId];
  world.heard.length = 0;
  world.crash(joiner);
  world.runUntil(world.at + 300);
  world.startCard(joiner);
  until(world, "who joins has the data", () => world.heard.some((told) => told.card === joiner));
});

test("PB-12: a copy that was forced into service and one that went on before it diverge; the system asks, and an operator gives one up", () => {
  const world = new StorageWorld({ seed: 4, cards: 3, devices: [[[0], [1]]] });
  const inSync = () => world.said("d0")?.memory?.inSync ?? [];
  until(world, "both are in sync", () => inSync().length === 2);
  const first = world.said("d0")?.primary as { readonly card: CardId; readonly leg: string };
  const second = world.cards.find((each) => each !== first.card && each <= 2) as CardId;
  const other = first.leg === "leg-a" ? "leg-b" : "leg-a";
  world.cut(first.card, second);
  until(world, "the backup is out", () => inSync().length === 1);
  world.runUntil(world.at + 300);
  world.crash(first.card);
  world.healPaths();
  world.runUntil(world.at + 1_000);
  assert.is(world.said("d0")?.primary, undefined, "nobody serves a copy that is out");
  world.checkers.forget("d0");
  world.operate(second, { device: "d0", by: "operator", verb: "force", leg: other });
  until(world, "the other copy is served", () => world.said("d0")?.primary?.leg === other);
  world.runUntil(world.at + 300);
  world.startCard(first.card);
  until(world, "the system asks", () => [...world.alarms.keys()].some((key) => key.includes("leg-diverged")));
  assert.equal(inSync(), [other]);
  world.operate(second, { device: "d0", by: "operator", verb: "resolve", leg: first.leg });
  until(world, "both are in sync again", () => inSync().length === 2);
  world.quiet();
  world.runUntil(world.at + 1_500);
  assert.is(world.differing(), undefined);
});

test.run();
