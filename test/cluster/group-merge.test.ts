import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { decodeGroupData, encodeGroupEntry, type GroupData, type GroupEntry } from "../../src/cluster/group-entry.ts";
import { cards, five, four, one, Order, type Run, three, two } from "./group-order.ts";

/** Cards in view 1, each with its client 1 in group "g", calm and with nothing told. */
function joined(members: readonly CardId[] = [one, two, three]): { order: Order; runs: Run[] } {
  const order = new Order();
  const runs = members.map((card) => order.start(card));
  order.change(members);
  for (const run of runs) order.join(run, 1, "g");
  order.calm();
  for (const run of runs) order.news(run, 1);
  return { order, runs };
}

/** Everybody takes what there is, and says nothing into the order. */
function deliver(order: Order): void {
  for (const run of order.in()) while (order.deliver(run));
}

function requestsOf(order: Order): Extract<GroupEntry, { kind: "request" }>[] {
  return order.bodies().filter((body) => body?.kind === "request");
}

/** Puts an entry of a card into the order as it stands. */
function insert(order: Order, origin: CardId, body: GroupEntry): void {
  order.items.push({ kind: "entry", entry: { type: "control", origin, id: 0, body: encodeGroupEntry(body) } });
}

/** Puts a message of a card's first member into the order as it stands. */
function insertMessage(order: Order, origin: CardId): void {
  const body = encodeGroupEntry({ kind: "message", incarnation: 1, group: "g", number: 1, data: new TextEncoder().encode("in between") });
  order.items.push({ kind: "entry", entry: { type: "data", origin, id: 100, body } });
}

test("HA-15: a card that was away and comes back brings its members back; its own clients see all that happened, and lose nothing", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, three]);
  order.calm();
  order.send(a, 1, "g", "meanwhile");
  order.calm();
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), [
    "view g 4: 1.1 3.1, 2.1 exited",
    "message g from 1.1: meanwhile",
    "sent 2",
    "view g 5: 1.1 2.1 3.1, 2.1 returned",
  ]);
  assert.equal(order.news(b, 1), [
    "stopped: no quorum",
    "view g 4: 1.1 3.1, 2.1 exited",
    "message g from 1.1: meanwhile",
    "resumed",
    "view g 5: 1.1 2.1 3.1, 2.1 returned",
  ]);
});

test("HA-15: a card that has lost its place tells its clients that they lost messages, then how the groups stand", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.ask(b, 2, { kind: "watch", request: 1, group: "g" });
  order.news(b, 2);
  order.change([one, three]);
  order.calm();
  order.send(a, 1, "g", "missed");
  order.calm();
  order.change([one, two, three], { losing: [two] });
  order.calm();
  const told = ["stopped: no quorum", "lost g", "resumed", "view g 4: 1.1 3.1", "view g 5: 1.1 2.1 3.1, 2.1 returned"];
  assert.equal(order.news(b, 1), told);
  assert.equal(order.news(b, 2), told);
  assert.is(order.members(a, "g"), "1.1 2.1 3.1");
});

test("HA-15: a member whose client goes while its card is away is gone everywhere afterwards", () => {
  for (const losing of [[], [two]]) {
    const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
    order.change([one, three]);
    order.calm();
    order.gone(b, 1);
    order.news(a, 1);
    order.change([one, two, three], { losing });
    order.calm();
    assert.equal(order.news(a, 1), [], "it had exited, and does not return");
    for (const run of order.in()) assert.is(order.members(run, "g"), "1.1 3.1");
  }
});

test("HA-15: so is one of a card for which another one speaks and does not know better", () => {
  const { order, runs } = joined(cards);
  order.change([one, two, three]);
  order.calm();
  order.gone(runs[4] as Run, 1);
  order.news(runs[0] as Run, 1);
  order.change(cards);
  order.calm();
  assert.equal(order.news(runs[0] as Run, 1), [
    "view g 7: 1.1 2.1 3.1 4.1 5.1, 4.1 returned, 5.1 returned",
    "view g 8: 1.1 2.1 3.1 4.1, 5.1 exited",
  ]);
});

test("HA-15: cards that were away together are one subgroup: its lowest card speaks for the others", () => {
  const { order, runs } = joined(cards);
  order.change([one, two, three]);
  order.calm();
  order.change(cards);
  order.calm();
  assert.equal(requestsOf(order).map(({ subgroups }) => subgroups), [[[one, two, three], [four, five]]]);
  assert.equal(
    order.bodies().flatMap((body, index) => {
      const item = order.items[index];
      return body?.kind === "groupData" && item?.kind === "entry" ? [item.entry.origin] : [];
    }),
    [one, four],
  );
  for (const run of runs) assert.is(order.members(run, "g"), "1.1 2.1 3.1 4.1 5.1");
});

test("HA-15: a member that the speaker of its subgroup did not know comes back by itself, once, under its number", () => {
  const { order, runs } = joined(cards);
  const e = runs[4] as Run;
  // Card 4 parts from the order first; then card 5 gets another member, and parts too. Both stay in the node views.
  order.change(cards, { ether: [one, two, three, five] });
  order.calm();
  order.join(e, 2, "g");
  order.calm();
  order.change(cards, { ether: [one, two, three] });
  order.calm();
  for (const run of runs) order.news(run, 1);
  order.change(cards);
  order.calm();
  assert.equal(requestsOf(order).at(-1)?.subgroups, [[one, two, three], [four, five]]);
  const [a] = runs as [Run];
  assert.equal(order.news(a, 1), [
    "view g 9: 1.1 2.1 3.1 4.1 5.1, 4.1 returned, 5.1 returned",
    "view g 10: 1.1 2.1 3.1 4.1 5.1 5.2, 5.2 returned",
  ]);
  assert.is(order.toldOf(e, 2, "joined").length, 1);
});

test("HA-15: clients that came while their card was away join when it is back, its messages go on in order", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, three]);
  order.calm();
  order.send(b, 1, "g", "first", 7);
  order.join(b, 2, "g");
  order.send(b, 1, "g", "second", 8);
  order.news(a, 1);
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), [
    "view g 5: 1.1 2.1 3.1, 2.1 returned",
    "message g from 2.1: first",
    "view g 6: 1.1 2.1 2.2 3.1, 2.2 joined",
    "message g from 2.1: second",
  ]);
  assert.equal(order.news(b, 2), [
    "stopped: no quorum",
    "resumed",
    "joined g as 2.2, view 6: 1.1 2.1 2.2 3.1",
    "message g from 2.1: second",
  ]);
});

test("HA-15: a card that has just started takes the state over; until then its clients wait", () => {
  const { order, runs: [a] } = joined() as { order: Order; runs: [Run, Run, Run] };
  const d = order.start(four);
  order.ask(d, 1, { kind: "watch", request: 1, group: "g" });
  order.join(d, 2, "g");
  order.change([one, two, three, four]);
  deliver(order);
  assert.is(d.groups.digest(), undefined);
  assert.equal(d.groups.status().state, "exchanging");
  assert.equal(order.news(d, 1), ["stopped: no view yet", "resumed"]);
  order.calm();
  assert.equal(order.news(d, 1), ["watching g, view 3: 1.1 2.1 3.1", "view g 4: 1.1 2.1 3.1 4.1, 4.1 joined"]);
  assert.equal(order.news(d, 2).slice(-1), ["joined g as 4.1, view 4: 1.1 2.1 3.1 4.1"]);
  assert.equal(order.news(a, 1), ["view g 4: 1.1 2.1 3.1 4.1, 4.1 joined"]);
});

test("HA-15: until the exchange is over each card holds its data back, and says what it waits for", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.start(four);
  order.change([one, two, three, four]);
  order.send(b, 1, "g", "held back");
  deliver(order);
  for (const run of order.in()) assert.not(run.isOpen);
  assert.is(a.groups.status().reason, "waiting for the exchange of group data");
  order.order(a);
  deliver(order);
  assert.is(a.groups.status().state, "exchanging");
  assert.is(a.groups.status().reason, "exchanging group data: waiting for card 1, card 2, card 3, card 4");
  assert.not(order.bodies().some((body) => body?.kind === "message"));
  order.calm();
  for (const run of order.in()) assert.ok(run.isOpen);
  assert.equal(order.news(a, 1), ["message g from 2.1: held back"]);
  assert.is(a.groups.status().state, "running");
});

test("HA-15: when nobody of a view knows the groups they begin anew, and who lives comes back to them", () => {
  const { order, runs: [, , c] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, two], { ether: [] });
  order.start(one, 2);
  order.start(two, 2);
  order.change([one, two]);
  order.calm();
  assert.is(order.members(order.runOf(one), "g"), "");
  order.change([one, two, three], { losing: [three] });
  order.calm();
  assert.equal(order.news(c, 1), ["stopped: no quorum", "lost g", "resumed", "view g 0:", "view g 1: 3.1, 3.1 returned"]);
  for (const run of order.in()) assert.is(order.members(run, "g"), "3.1");
});

test("HA-15: a card that knew the groups is told when the others begin anew without it, and brings its members back by joining", () => {
  const { order, runs: [a] } = joined() as { order: Order; runs: [Run, Run, Run] };
  // Only this card's word that it knows the state went missing.
  a.isWhole = false;
  order.start(two, 2);
  order.start(three, 2);
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), ["lost g", "view g 0:", "view g 1: 1.1, 1.1 returned"]);
  for (const run of order.in()) assert.is(order.members(run, "g"), "1.1");
});

test("the request is put by the lowest card that knows the state; when it dies before, by the next one", () => {
  const { order } = joined([two, three, four]);
  order.start(one);
  order.change([one, two, three, four]);
  deliver(order);
  assert.equal(order.in().filter(({ control }) => control.length > 0).map(({ card }) => card), [two]);
  order.change([one, three, four]);
  order.calm();
  assert.equal(requestsOf(order).map(({ view, subgroups }) => ({ view, subgroups })), [{ view: 3, subgroups: [[three, four], [one]] }]);
  assert.is(order.members(order.runOf(one), "g"), "3.1 4.1");
});

test("SG-5: a view without some of the cards lets the exchange go on; one with others abandons it for a new request", () => {
  for (const isNewcomer of [false, true]) {
    const { order, runs: [a] } = joined([one, two, three, four]) as { order: Order; runs: [Run] };
    order.start(five);
    order.change([one, two, three, five]);
    deliver(order);
    order.order(a);
    deliver(order);
    order.change(isNewcomer ? [one, three, four, five] : [one, three, five]);
    order.calm();
    assert.is(requestsOf(order).length, isNewcomer ? 2 : 1);
    assert.is(a.groups.status().counters.abandoned, isNewcomer ? 1 : 0);
    for (const run of order.in()) assert.is(order.members(run, "g"), isNewcomer ? "1.1 3.1 4.1" : "1.1 3.1");
  }
});

test("SG-5: a participant that came back as another incarnation is a newcomer", () => {
  const { order, runs: [a] } = joined([one, two, three, four]) as { order: Order; runs: [Run] };
  order.start(five);
  order.change(cards);
  deliver(order);
  order.order(a);
  deliver(order);
  order.start(five, 2);
  order.change(cards);
  order.calm();
  assert.is(requestsOf(order).length, 2);
  assert.is(order.members(order.runOf(five), "g"), "1.1 2.1 3.1 4.1");
});

test("SG-7: when all that share the state die before they sent it, who has followed the order gives it", () => {
  const { order, runs } = joined(cards);
  const [a, b] = runs as [Run, Run];
  order.change([one, two, three]);
  order.calm();
  // Card 4 has followed by replaying; it does not share the state when the others go.
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  for (const run of [a, b]) assert.ok(run.isIn);
  order.start(one, 2);
  order.start(two, 2);
  order.change([one, two, four]);
  order.calm();
  assert.equal(requestsOf(order).at(-1)?.subgroups, [[four], [one, two]]);
  for (const run of order.in()) assert.is(order.members(run, "g"), "4.1");
});

test("SG-7: nor does an exchange wait for the state from a card that does not know it any more", () => {
  const { order, runs: [a] } = joined() as { order: Order; runs: [Run, Run, Run] };
  const d = order.start(four);
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  order.change([one, two, four], { losing: [one, two] });
  order.calm();
  assert.is(d.groups.status().counters.abandoned, 1);
  for (const run of order.in()) assert.is(order.members(run, "g"), "1.1 2.1");
});

test("SG-7: when all that knew the state die after they sent it, the exchange ends with what they sent", () => {
  const { order, runs: [a, b, c] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.send(c, 1, "g", "counted");
  order.calm();
  const joiners = [order.start(four), order.start(five)];
  order.change(cards);
  deliver(order);
  order.order(a);
  deliver(order);
  order.order(a);
  deliver(order);
  order.change([four, five]);
  const item = order.items.at(-1);
  assert.equal(item?.kind === "epoch" && item.whole, []);
  order.calm();
  for (const run of joiners) {
    assert.equal(run.groups.status().groups.map(({ name, view, messages, members }) => [name, view, messages, members.length]), [[
      "g",
      4,
      1,
      0,
    ]]);
  }
  assert.ok(b.at < order.items.length);
});

test("a request of another view, without all cards, or a second one means nothing to anybody", () => {
  const { order, runs } = joined();
  const d = order.start(four);
  order.change([one, two, three, four]);
  deliver(order);
  const ignored = () => [...runs, d].map((run) => run.groups.status().counters.outdated);
  insert(order, one, { kind: "request", view: 1, subgroups: [[one, two, three], [four]] });
  insert(order, one, { kind: "request", view: 3, subgroups: [[one, two, three], [four]] });
  insert(order, one, { kind: "request", view: 2, subgroups: [[one, two, three]] });
  insert(order, one, { kind: "request", view: 2, subgroups: [[one, two, three], [three, four]] });
  insert(order, one, { kind: "request", view: 2, subgroups: [[one, two, two], [four]] });
  deliver(order);
  assert.equal(ignored(), [5, 5, 5, 5]);
  assert.is(d.groups.status().reason, "waiting for the exchange of group data");
  order.calm();
  assert.is(d.groups.status().state, "running");
  insert(order, one, { kind: "request", view: 2, subgroups: [[one, two, three], [four]] });
  order.calm();
  assert.equal(ignored(), [6, 6, 6, 6]);
  assert.is(d.groups.status().state, "running");
});

test("group data without a state ends the exchange for all alike, and the next view begins another one", () => {
  const { order, runs: [a] } = joined() as { order: Order; runs: [Run, Run, Run] };
  const d = order.start(four);
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  a.control = [];
  insert(order, one, { kind: "groupData", request: 2, subgroup: 0, data: new Uint8Array([0x80]) });
  order.calm();
  assert.is(d.groups.digest(), undefined);
  for (const run of order.in()) assert.not(run.isOpen);
  order.change([one, two, three, four]);
  order.calm();
  for (const run of order.in()) assert.is(order.members(run, "g"), "1.1 2.1 3.1");
});

test("what comes into the order between the request and its end is applied by the joiner after it has the state", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  const d = order.start(four);
  order.ask(d, 1, { kind: "watch", request: 1, group: "g" });
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  // The state is taken here; a message and a lost card follow.
  order.order(a);
  deliver(order);
  insertMessage(order, two);
  deliver(order);
  order.change([one, two, four]);
  order.calm();
  assert.equal(order.news(d, 1).slice(2), [
    "watching g, view 3: 1.1 2.1 3.1",
    "message g from 2.1: in between",
    "view g 4: 1.1 2.1, 3.1 exited",
  ]);
  assert.equal(d.groups.digest(), a.groups.digest());
  assert.equal(order.news(b, 1), ["message g from 2.1: in between", "view g 4: 1.1 2.1, 3.1 exited"]);
});

test("messages that pass by while a card knows no groups are told as lost", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, three]);
  order.calm();
  order.change([one, two, three], { losing: [two] });
  insertMessage(order, one);
  const passed = order.items.length;
  order.calm();
  assert.equal(order.toldOf(a, 1, "message").length, 1);
  assert.equal(order.toldOf(b, 1, "message").length, 0);
  const [first, second] = order.toldOf(b, 1, "lost");
  assert.ok(first !== undefined && first.sequence <= passed);
  assert.ok(second !== undefined && second.sequence > passed, "the second loss is behind the message");
});

test("what was delivered while this card was away is answered: sent elsewhere, joined once it is known", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.send(b, 1, "g", "proposed", 7);
  order.join(b, 2, "g");
  order.order(b);
  order.order(b);
  order.change([one, three]);
  order.calm();
  assert.equal(order.news(a, 1), [
    "message g from 2.1: proposed",
    "view g 4: 1.1 2.1 2.2 3.1, 2.2 joined",
    "view g 5: 1.1 3.1, 2.1 exited, 2.2 exited",
  ]);
  order.change([one, two, three], { losing: [two] });
  order.calm();
  assert.equal(order.news(b, 1), [
    "stopped: no quorum",
    "lost g",
    "sent 7 elsewhere",
    "resumed",
    "view g 5: 1.1 3.1",
    "view g 6: 1.1 2.1 3.1, 2.1 returned",
    "view g 7: 1.1 2.1 2.2 3.1, 2.2 joined",
  ]);
  assert.equal(order.news(b, 2), ["stopped: no quorum", "resumed", "joined g as 2.2, view 7: 1.1 2.1 2.2 3.1"]);
});

test("HA-15: a card outside of the Ethernet part of the view keeps out of the exchange and its members out of the groups", () => {
  const { order, runs: [a] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, two, three], { ether: [one, two] });
  order.calm();
  assert.equal(order.news(a, 1), ["view g 4: 1.1 2.1, 3.1 exited"]);
  assert.is(requestsOf(order).length, 0);
});

test("SG-4: all cards log the same end of an exchange: its request, subgroups, and what the data of each was", () => {
  const { order } = joined();
  order.start(four);
  order.change([one, two, three, four]);
  order.calm();
  const ends = order.in().map(({ logged }) => logged.filter(({ event }) => event === "exchange finished").map(({ fields }) => fields));
  assert.equal(ends[0]?.map(({ request, subgroups }) => ({ request, subgroups })), [{ request: 2, subgroups: ["1 2 3", "4"] }]);
  for (const end of ends) assert.equal(end, ends[0]);
});

test("SG-7: when all of the first subgroup die before they spoke, a new request asks who has followed the order", () => {
  const { order, runs } = joined(cards);
  const a = runs[0] as Run;
  order.change([one, two, three]);
  order.calm();
  order.change(cards);
  deliver(order);
  order.order(a);
  deliver(order);
  order.change([four, five]);
  order.calm();
  assert.equal(requestsOf(order).map(({ subgroups }) => subgroups), [[[one, two, three], [four, five]], [[four, five]]]);
  for (const run of order.in()) assert.is(order.members(run, "g"), "4.1 5.1");
});

test("HA-15: cards that lost their place together are spoken for by their lowest, from what it knew when they parted", () => {
  const { order, runs } = joined(cards);
  order.change([one, two, three]);
  order.calm();
  order.news(runs[0] as Run, 1);
  order.change(cards, { losing: [four, five] });
  order.calm();
  assert.equal(order.news(runs[0] as Run, 1), ["view g 7: 1.1 2.1 3.1 4.1 5.1, 4.1 returned, 5.1 returned"]);
});

test("SG-1: a leader speaks for the members of its own subgroup only", () => {
  const { order } = joined(cards);
  order.change([one, three, four]);
  order.calm();
  order.change([one, three, five]);
  order.calm();
  order.change(cards);
  order.calm();
  const said = order.bodies().flatMap((body) => body?.kind === "groupData" && body.request === 4 ? [body] : []);
  assert.equal(
    said.sort((a, b) => a.subgroup - b.subgroup).map(({ data }) => {
      const { state, members } = decodeGroupData(data) as GroupData;
      return [state !== undefined, members.map(({ member: { card, number } }) => `${card}.${number}`)];
    }),
    [[true, []], [false, ["2.1"]], [false, ["4.1"]]],
  );
});

test("SG-5: the members of a card that was lost during the exchange do not come back with what was said for it", () => {
  const { order, runs } = joined(cards);
  const [a, , , d] = runs as [Run, Run, Run, Run];
  order.change([one, two, three]);
  order.calm();
  order.news(a, 1);
  order.change(cards);
  deliver(order);
  order.order(a);
  deliver(order);
  order.order(d);
  deliver(order);
  order.change([one, two, three, four]);
  order.calm();
  assert.equal(order.news(a, 1), ["view g 7: 1.1 2.1 3.1 4.1, 4.1 returned"]);
});

test("HA-15: what a card knew when it was away once is forgotten when it shares the state again", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([two, three]);
  order.calm();
  order.change([one, two, three]);
  order.calm();
  order.gone(b, 1);
  order.calm();
  order.news(a, 1);
  order.start(four);
  order.change([one, two, three, four]);
  order.calm();
  assert.equal(order.news(a, 1), [], "no member of card 2 returns");
});

test("what came into the order before a later leader spoke is in the state that it gives, and is not applied again", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  const d = order.start(four);
  order.ask(d, 1, { kind: "watch", request: 1, group: "g" });
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  insertMessage(order, two);
  deliver(order);
  order.change([two, three, four]);
  order.calm();
  assert.equal(d.groups.digest(), b.groups.digest());
  assert.equal(order.news(d, 1).slice(2), ["watching g, view 4: 2.1 3.1"]);
});

test("HA-15: while an exchange goes on among those that shared the state anyway, data is held back to its end", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.start(four);
  order.change([one, two, three, four]);
  deliver(order);
  order.order(a);
  deliver(order);
  order.change([one, two, three]);
  deliver(order);
  for (const run of [a, b]) {
    assert.is(run.groups.status().state, "exchanging");
    assert.not(run.isOpen);
  }
  order.calm();
  for (const run of [a, b]) assert.ok(run.isOpen);
});

test("HA-7: a critical member that failed while its card was away does not come back before its card is reset", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.join(b, 2, "g", { critical: true });
  order.calm();
  order.change([one, three]);
  order.calm();
  order.gone(b, 2);
  assert.is(b.failing.length, 1);
  order.news(a, 1);
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), ["view g 6: 1.1 2.1 3.1, 2.1 returned"]);
});

test("a leave that was delivered while this card was away is answered when it is back", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.ask(b, 1, { kind: "leave", request: 7, group: "g" });
  order.order(b);
  order.change([one, three]);
  order.calm();
  order.change([one, two, three], { losing: [two] });
  order.calm();
  assert.is(order.news(b, 1).at(-1), "left g");
  assert.is(order.members(a, "g"), "1.1 3.1");
});

test("a join that was delivered while this card was away, and a leave asked for in the meantime, are both answered", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.join(b, 2, "g");
  order.order(b);
  order.change([one, three]);
  order.calm();
  order.ask(b, 2, { kind: "leave", request: 7, group: "g" });
  order.change([one, two, three], { losing: [two] });
  order.calm();
  assert.equal(order.news(b, 2), ["stopped: no quorum", "resumed", "refused state", "left g"]);
  assert.is(order.members(a, "g"), "1.1 2.1 3.1");
});

test("a card that loses its place twice tells each loss once", () => {
  for (const isAfterRequest of [false, true]) {
    const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
    order.change([one, three]);
    order.calm();
    order.change([one, two, three], { losing: [two] });
    deliver(order);
    if (isAfterRequest) order.order(a);
    insertMessage(order, one);
    deliver(order);
    order.change([one, three]);
    order.calm();
    order.change([one, two, three], { losing: [two] });
    order.calm();
    assert.is(order.toldOf(b, 1, "lost").length, 2);
  }
});

test("HA-11: what a card that takes the state over has seen since the request reaches its clients, and is not told as lost", () => {
  const { order, runs: [a, b] } = joined() as { order: Order; runs: [Run, Run, Run] };
  order.change([one, three]);
  order.calm();
  order.change([one, two, three], { losing: [two] });
  deliver(order);
  order.order(a);
  deliver(order);
  insertMessage(order, one);
  order.calm();
  assert.equal(order.news(b, 1).slice(2), [
    "resumed",
    "view g 4: 1.1 3.1",
    "message g from 1.1: in between",
    "view g 5: 1.1 2.1 3.1, 2.1 returned",
  ]);
});

test.run();
