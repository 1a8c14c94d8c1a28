import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";
import { ExchangeOrder } from "./exchange-order.ts";

test("who says what on the request, by subgroup", () => {
  const table: [subgroups: number[][], speakers: number[]][] = [
    [[[1]], [1]],
    [[[3, 1, 2]], [1]],
    [[[2, 3], [1, 4]], [2, 1]],
    [[[5], [4], [3], [2, 1]], [5, 4, 3, 1]],
  ];
  for (const [subgroups, speakers] of table) {
    const order = new ExchangeOrder(subgroups);
    order.deliverAll();
    assert.equal(order.live().filter(({ says }) => says.length > 0).map(({ name }) => name).sort(), [...speakers].sort());
    order.calm();
    assert.equal(order.finish()?.data, speakers.map((name, subgroup) => `${name} for ${subgroup}`));
  }
});

test("what does not belong to the request is ignored: another request, round, subgroup, sender", () => {
  const order = new ExchangeOrder([[1, 2], [3]]);
  order.deliverAll();
  const { exchange } = order.taker(2);
  const data = new Uint8Array(1);
  assert.equal(exchange.step({ kind: "groupData", from: 1, request: 2, subgroup: 0, data }), []);
  assert.equal(exchange.step({ kind: "groupData", from: 3, request: 1, subgroup: 0, data }), []);
  assert.equal(exchange.step({ kind: "groupData", from: 1, request: 1, subgroup: 7, data }), []);
  assert.not(exchange.hasData(0));
  exchange.step({ kind: "acknowledgment", from: 1, request: 1, round: 2 });
  exchange.step({ kind: "acknowledgment", from: 1, request: 2, round: 1 });
  assert.equal(exchange.waitsFor(), [1, 2, 3]);
  exchange.step({ kind: "acknowledgment", from: 1, request: 1, round: 1 });
  assert.equal(exchange.waitsFor(), [2, 3]);
});

test("SG-3: of a subgroup's data the first to arrive counts, also when a leader and its successor have both spoken", () => {
  const order = new ExchangeOrder([[1, 2], [3]]);
  order.deliverAll();
  const data = (text: string) => new TextEncoder().encode(text);
  for (const [from, text] of [[2, "first"], [1, "second"]] as const) {
    order.items.push({ kind: "message", from, message: { kind: "groupData", request: 1, subgroup: 0, data: data(text) } });
  }
  order.calm();
  assert.equal(order.finish()?.data, ["first", "3 for 1"]);
});

test("a view that takes nobody away begins a new round too: what it swallowed is said again", () => {
  const order = new ExchangeOrder([[1, 2], [3]]);
  order.deliverAll();
  order.order(3);
  order.deliverAll();
  assert.is(order.says(1), "data");
  assert.is(order.says(3), "ack 1");
  order.lose();
  order.deliverAll();
  assert.is(order.says(1), "data");
  assert.is(order.says(2), "");
  assert.is(order.says(3), "ack 2");
  order.calm();
  assert.equal(order.finish()?.data, ["1 for 0", "3 for 1"]);
});

test("a subgroup that died before it sent has no data; one that died after it has", () => {
  const order = new ExchangeOrder([[1], [2], [3]]);
  order.deliverAll();
  order.order(2);
  order.lose(2, 3);
  order.calm();
  assert.equal(order.finish()?.data, ["1 for 0", "2 for 1", undefined]);
});

test("an abandoned request is dead, and the next one begins from nothing", () => {
  const order = new ExchangeOrder([[1, 2]]);
  order.deliverAll();
  order.order(1);
  order.deliverAll();
  const { exchange } = order.taker(2);
  assert.ok(exchange.hasData(0));
  exchange.step({ kind: "abandoned" });
  assert.is(exchange.id, undefined);
  assert.equal(exchange.step({ kind: "acknowledgment", from: 1, request: 1, round: 1 }), []);
  assert.equal(exchange.step({ kind: "failed", members: [1] }), []);
  exchange.step({ kind: "request", id: 2, subgroups: [[1, 2]], data: () => new Uint8Array() });
  assert.not(exchange.hasData(0));
});

/** A random exchange: subgroups, paces, entries of one member in any order, members lost at any time. Gives how it was. */
function randomExchange(prng: Prng, keepsOne: boolean): { order: ExchangeOrder; subgroups: number[][]; lost: number } {
  const names = Array.from({ length: 1 + prng.below(9) }, (_, index) => ({ name: index + 1, place: prng.unit() }))
    .sort((a, b) => a.place - b.place).map(({ name }) => name);
  const subgroups: number[][] = [];
  for (const name of names) {
    const open = prng.below(subgroups.length + 1);
    (subgroups[open] ??= []).push(name);
  }
  const order = new ExchangeOrder(subgroups, prng.chance(0.5) ? [100] : []);
  let lost = 0;
  for (let step = 0; step < 60; step++) {
    const { name, says } = prng.pick([...order.takers.values()]);
    if (prng.chance(0.6)) order.deliver(name);
    else if (prng.chance(0.85)) {
      if (!order.taker(name).isLost) order.order(name, says.length === 0 ? 0 : prng.below(says.length));
    } else {
      const victims = order.live().map((taker) => taker.name).filter((other) => other < 100 && prng.chance(0.3)).filter((other) => {
        const fellows = subgroups.find((subgroup) => subgroup.includes(other)) ?? [];
        return !keepsOne || fellows.some((fellow) => fellow !== other && !order.taker(fellow).isLost);
      });
      const remaining = order.live().filter((taker) => taker.name < 100 && !victims.includes(taker.name));
      if (remaining.length === 0) continue;
      // Of each subgroup one at a time, so that the last one stays.
      const taken = keepsOne ? subgroups.flatMap((subgroup) => victims.filter((other) => subgroup.includes(other)).slice(0, 1)) : victims;
      lost += taken.length;
      order.lose(...taken);
    }
  }
  order.calm();
  return { order, subgroups, lost };
}

test("property, SG-7: with any failures at any time but of a whole subgroup, all finish with the same data of each subgroup", () => {
  let lostCount = 0;
  for (let seed = 1; seed <= 1_500; seed++) {
    const { order, subgroups, lost } = randomExchange(new Prng(seed), true);
    lostCount += lost;
    const finish = order.finish();
    assert.ok(finish !== undefined, `seed ${seed}: finished`);
    assert.equal(finish.data.map((text) => text?.split(" for ")[1]), subgroups.map((_, index) => `${index}`), `seed ${seed}`);
  }
  assert.ok(lostCount > 500);
});

test("property, SG-4: whatever fails, nobody finishes before the order has an acknowledgment of one round from each live member", () => {
  let without = 0;
  for (let seed = 1; seed <= 1_500; seed++) {
    const { order, subgroups } = randomExchange(new Prng(seed), false);
    const finish = order.finish();
    assert.ok(finish !== undefined, `seed ${seed}: finished`);
    const before = order.items.slice(0, finish.at);
    const round = before.filter(({ kind }) => kind === "failed").length + 1;
    const lost = new Set(before.flatMap((item) => item.kind === "failed" ? item.members : []));
    for (const name of subgroups.flat().filter((other) => !lost.has(other))) {
      const isAcknowledged = before.some((item) =>
        item.kind === "message" && item.from === name && item.message.kind === "acknowledgment" && item.message.round === round
      );
      assert.ok(isAcknowledged, `seed ${seed}: ${name} acknowledged round ${round}`);
    }
    for (const [index, subgroup] of subgroups.entries()) {
      if (subgroup.some((name) => !lost.has(name))) assert.ok(finish.data[index] !== undefined, `seed ${seed}: data of a living subgroup`);
      else if (finish.data[index] === undefined) without++;
    }
  }
  assert.ok(without > 0);
});

test.run();
