/** The source document on subgroup leaders and the exchange of group data, sentence by sentence. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ExchangeOrder } from "./exchange-order.ts";
import { cards, five, four, one, Order, three, two } from "./group-order.ts";

const dataOf = (order: ExchangeOrder, subgroup: number) =>
  order.items.filter((item) => item.kind === "message" && item.message.kind === "groupData" && item.message.subgroup === subgroup).length;

test("SG-1: on a request each member works out locally whether it leads its subgroup; nothing is sent to elect anybody", () => {
  const order = new ExchangeOrder([[2, 1], [3, 4]]);
  for (const name of [4, 3, 2, 1]) order.deliver(name);
  assert.equal(order.items.length, 1);
  assert.equal(order.asked, [{ name: 3, subgroup: 1 }, { name: 1, subgroup: 0 }]);
});

test("SG-1: only the leader transmits the group data of its subgroup", () => {
  const order = new ExchangeOrder([[1, 2, 3], [4, 5]]);
  order.calm();
  assert.equal(order.asked, [{ name: 1, subgroup: 0 }, { name: 4, subgroup: 1 }]);
  assert.is(dataOf(order, 0), 1);
  assert.is(dataOf(order, 1), 1);
});

test("SG-2: the leader is the live member with the lowest name, wherever it stands in the list", () => {
  const order = new ExchangeOrder([[30, 20, 10, 40]]);
  order.deliverAll();
  assert.equal(order.asked.map(({ name }) => name), [10]);
  order.lose(10);
  order.deliverAll();
  assert.equal(order.asked.map(({ name }) => name), [10, 20]);
});

test("SG-3: the indicator is cleared by the request and set by the arrival of the subgroup's data, not by sending it", () => {
  const order = new ExchangeOrder([[1, 2], [3]]);
  order.deliverAll();
  assert.is(order.says(1), "data");
  assert.not(order.taker(1).exchange.hasData(0));
  order.order(1);
  order.deliver(2);
  assert.ok(order.taker(2).exchange.hasData(0));
  assert.not(order.taker(1).exchange.hasData(0));
  order.deliverAll();
  assert.ok(order.taker(1).exchange.hasData(0));
  assert.not(order.taker(1).exchange.hasData(1));
  order.request([[1, 2], [3]], 2);
  order.deliverAll();
  assert.not(order.taker(1).exchange.hasData(0));
});

test("SG-3: what an earlier leader has transmitted is not transmitted again by the next one", () => {
  const order = new ExchangeOrder([[1, 2], [3]]);
  order.deliverAll();
  order.order(1);
  order.lose(1);
  order.calm();
  assert.equal(order.asked, [{ name: 1, subgroup: 0 }, { name: 3, subgroup: 1 }, { name: 3, subgroup: 1 }]);
  assert.is(dataOf(order, 0), 1);
  assert.equal(order.finish()?.data, ["1 for 0", "3 for 1"]);
});

test("SG-4: the leader acknowledges after its transmission, the others without one", () => {
  const order = new ExchangeOrder([[1, 2]]);
  order.deliverAll();
  assert.is(order.says(1), "data");
  assert.is(order.says(2), "");
  order.order(1);
  order.deliverAll();
  assert.is(order.says(1), "ack 1");
  assert.is(order.says(2), "ack 1");
});

test("SG-4: the group data is processed only when every member has acknowledged", () => {
  const order = new ExchangeOrder([[1], [2], [3]]);
  order.deliverAll();
  for (const name of [1, 2, 3]) order.order(name);
  order.deliverAll();
  for (const name of [1, 2]) {
    order.order(name);
    order.deliverAll();
    assert.is(order.finish(), undefined);
  }
  assert.equal(order.taker(1).exchange.waitsFor(), [3]);
  order.order(3);
  order.deliverAll();
  assert.equal(order.finish()?.data, ["1 for 0", "2 for 1", "3 for 2"]);
});

test("SG-5: a membership change takes the place of the lost member's acknowledgment, and the round is repeated", () => {
  const order = new ExchangeOrder([[1], [2, 3]]);
  order.deliverAll();
  for (const name of [1, 2]) order.order(name);
  order.deliverAll();
  for (const name of [1, 2]) order.order(name);
  order.deliverAll();
  assert.is(order.finish(), undefined);
  order.lose(3);
  order.deliverAll();
  assert.is(order.finish(), undefined, "a round with a failure ends nothing");
  assert.is(order.says(1), "ack 2");
  assert.is(order.says(2), "ack 2");
  order.calm();
  assert.equal(order.finish()?.data, ["1 for 0", "2 for 1"]);
});

test("SG-5: after the leader's failure the next one works out that it leads, and transmits what is still missing", () => {
  const order = new ExchangeOrder([[1, 2, 3], [4]]);
  order.deliverAll();
  order.lose(1);
  order.deliverAll();
  assert.is(order.says(2), "data");
  assert.is(order.says(3), "");
  order.calm();
  assert.equal(order.finish()?.data, ["2 for 0", "4 for 1"]);
});

test("SG-6: a joiner is a subgroup of its own; the group's data reaches it, and its own reaches the group", () => {
  const order = new Order();
  for (const card of [one, two, three]) order.start(card);
  order.change([one, two, three]);
  order.join(order.runOf(two), 1, "g");
  order.calm();
  const joiner = order.start(four);
  order.change([one, two, three, four]);
  order.calm();
  const request = order.bodies().find((body) => body?.kind === "request");
  assert.equal(request?.kind === "request" && request.subgroups, [[one, two, three], [four]]);
  assert.is(order.members(joiner, "g"), "2.1");
  assert.equal(joiner.groups.digest(), order.runOf(one).groups.digest());
});

test("SG-6: partitions that merge are subgroups by where they come from, as many as there are", () => {
  const order = new Order();
  for (const card of cards) order.start(card);
  order.change(cards);
  for (const card of cards) order.join(order.runOf(card), 1, "g");
  order.calm();
  order.change([one, three, four]);
  order.calm();
  // A later view takes in one more, so that the last two come from different views.
  order.change([one, three, five]);
  order.calm();
  order.change([one, two, three, four, five]);
  order.calm();
  const requests = order.bodies().filter((body) => body?.kind === "request");
  assert.equal(requests.map((body) => body?.kind === "request" ? body.subgroups : []), [[[one, three], [five]], [
    [one, three, five],
    [two],
    [four],
  ]]);
  for (const card of cards) assert.is(order.members(order.runOf(card), "g"), "1.1 2.1 3.1 4.1 5.1");
});

test("SG-7: any number of leaders may fail one after the other while one member of each subgroup lives", () => {
  const order = new ExchangeOrder([[1, 2, 3, 4, 5, 6], [7]]);
  order.deliverAll();
  for (const leader of [1, 2, 3, 4, 5]) {
    order.lose(leader);
    order.deliverAll();
    assert.is(order.finish(), undefined);
    assert.is(order.says(leader + 1), "data");
  }
  order.calm();
  assert.equal(order.finish()?.data, ["6 for 0", "7 for 1"]);
});

test("SG-7: the cards that share the state may fail one after the other while a card joins", () => {
  const order = new Order();
  for (const card of [one, two, three]) order.start(card);
  order.change([one, two, three]);
  order.join(order.runOf(three), 1, "g");
  order.calm();
  const joiners = [order.start(four), order.start(five)];
  order.change(cards);
  const takeRequest = () => {
    for (const run of order.in()) while (order.deliver(run));
    for (const run of order.in()) order.order(run);
    for (const run of order.in()) while (order.deliver(run));
  };
  takeRequest();
  for (const survivors of [[two, three, four, five], [three, four, five]]) {
    order.change(survivors);
    for (const run of order.in()) while (order.deliver(run));
  }
  order.calm();
  const requests = order.bodies().filter((body) => body?.kind === "request");
  assert.is(requests.length, 1, "the request of the first goes on");
  for (const joiner of joiners) assert.is(order.members(joiner, "g"), "3.1");
});

test.run();
