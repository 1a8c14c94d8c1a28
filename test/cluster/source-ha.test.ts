/** The source document on cluster services, sentence by sentence in our words: membership, groups, the Delta protocol. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId, chassisOf } from "../../src/base/ids.ts";
import type { ApplicationEvent } from "../../src/cluster/application.ts";
import type { Effect } from "../../src/node/effect.ts";
import { type Seat, slots, Table } from "../node/table.ts";

function tableOf(count: number): { table: Table; seats: Seat[] } {
  const table = new Table(slots(count));
  const seats = slots(count).map((card) => table.sit(card));
  table.run(3_000);
  return { table, seats };
}

const seatOf = (seats: readonly Seat[], slot: number): Seat => seats[slot - 1] as Seat;
const membersOf = (table: Table, seat: Seat): readonly CardId[] | undefined =>
  table.status(seat).membership.view?.members.map(({ card }) => card);
const eventsOf = <Kind extends ApplicationEvent["kind"]>(seat: Seat, kind: Kind): Extract<ApplicationEvent, { kind: Kind }>[] =>
  seat.events.map(({ event }) => event).filter((event): event is Extract<ApplicationEvent, { kind: Kind }> => event.kind === kind);
const logged = (seat: Seat, event: string): Extract<Effect, { kind: "log" }>[] =>
  seat.effects.filter((effect): effect is Extract<Effect, { kind: "log" }> => effect.kind === "log" && effect.event === event);
const textOf = (data: Uint8Array): string => new TextDecoder().decode(data);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function join(table: Table, seat: Seat, client: number, critical = false): void {
  table.ask(seat, client, { kind: "join", request: 1, group: "g", name: `c${client}`, critical, monitorMs: 0 });
}

function send(table: Table, seat: Seat, client: number, text: string): void {
  table.ask(seat, client, { kind: "send", request: 100, group: "g", data: bytes(text) });
}

test("HA-1: two to eight cards make one system, and all of them are active", () => {
  for (const count of [2, 3, 8]) {
    const { table, seats } = tableOf(count);
    for (const seat of seats) {
      assert.equal(membersOf(table, seat), slots(count));
      assert.is(table.status(seat).membership.state, "confirmed");
      assert.is(table.status(seat).groups.state, "running");
    }
  }
});

test("HA-1: a system of one card forms its view alone, and its applications run at once", () => {
  const { table, seats } = tableOf(1);
  const one = seatOf(seats, 1);
  join(table, one, 1);
  send(table, one, 1, "to myself");
  table.run(50);
  assert.is(table.status(one).groups.state, "running");
  assert.equal(eventsOf(one, "message").map(({ data }) => textOf(data)), ["to myself"]);
  assert.equal(table.status(one).alarms.map(({ code }) => code), []);
});

test("FS-9: cards of two chassis make one system over Ethernet alone; those of one chassis verify each other on both links", () => {
  const cards = [cardAt(1, 1), cardAt(1, 2), cardAt(2, 1), cardAt(2, 2)];
  const table = new Table(cards);
  const seats = cards.map((card) => table.sit(card));
  const isApart = (from: CardId, to: CardId) => chassisOf(from) !== chassisOf(to);
  table.isLost = (from, to, link) => link === "serial" && isApart(from, to);
  table.run(3_000);
  for (const seat of seats) {
    assert.equal(membersOf(table, seat), cards);
    for (const peer of table.status(seat).peers) assert.ok(peer.verified, peer.unverifiedBecause);
    assert.is(table.status(seat).membership.state, "confirmed");
    assert.is(table.status(seat).groups.state, "running");
  }
});

test("HA-4: the failure of a card's program is the failure of the card; the others agree on a view without it in two phases", () => {
  const { table, seats } = tableOf(3);
  const before = table.status(seatOf(seats, 1)).membership.view?.number ?? 0;
  for (const seat of seats) seat.effects.length = 0;
  table.crash(seatOf(seats, 3));
  table.run(1_500);
  for (const seat of seats.slice(0, 2)) {
    const { view } = table.status(seat).membership;
    assert.equal(view?.members.map(({ card }) => card), slots(2));
    assert.ok((view?.number ?? 0) > before);
  }
  const kinds = seats.slice(0, 2).flatMap((seat) => seat.effects).flatMap((effect) => effect.kind === "send" ? [effect.message.kind] : []);
  for (const kind of ["proposeView", "promiseView", "commitView", "committedView"]) assert.ok(kinds.includes(kind as never), kind);
});

test("HA-5: three kinds of membership notification: a change under way, a view with every end proven, a view with one unknown", () => {
  const { table, seats } = tableOf(3);
  const one = seatOf(seats, 1);
  assert.ok(logged(one, "confirmed").length > 0);
  one.effects.length = 0;
  table.crash(seatOf(seats, 3));
  table.run(1_500);
  assert.ok(logged(one, "tentative").length > 0);
  assert.is(table.status(one).membership.state, "unconfirmed");
  assert.equal(table.status(one).membership.view?.absent.map(({ card, state }) => [card, state]), [[3, "unknown"]]);
});

test("HA-5: a card that says goodbye is down, not unknown", () => {
  const { table, seats } = tableOf(3);
  table.feed(seatOf(seats, 3), { kind: "leave", reason: "stop" });
  table.crash(seatOf(seats, 3));
  table.run(1_500);
  assert.is(table.status(seatOf(seats, 1)).membership.state, "confirmed");
  assert.equal(table.status(seatOf(seats, 1)).membership.view?.absent.map(({ card, state }) => [card, state]), [[3, "down"]]);
});

test("HA-6: a process that ends without unregistering is reported everywhere as exited, its state unknown", () => {
  const { table, seats } = tableOf(3);
  seats.forEach((seat, index) => join(table, seat, index + 1));
  table.run(100);
  table.feed(seatOf(seats, 2), { kind: "applicationGone", client: 2, reason: "the connection ended" });
  table.run(100);
  for (const seat of [seatOf(seats, 1), seatOf(seats, 3)]) {
    const change = eventsOf(seat, "view").at(-1);
    assert.equal(change?.changes.map(({ member, change }) => [member.card, change]), [[2, "exited"]]);
    assert.equal(change?.view.members.map(({ card }) => card), [1, 3]);
  }
});

test("HA-7: a critical process that ends without unregistering takes its card down: the others are told on both links, then it is reset", () => {
  const { table, seats } = tableOf(3);
  seats.forEach((seat, index) => join(table, seat, index + 1, index === 1));
  table.run(100);
  const two = seatOf(seats, 2);
  two.effects.length = 0;
  table.feed(two, { kind: "applicationGone", client: 2, reason: "the connection ended" });
  const order = two.effects.flatMap((effect) =>
    effect.kind === "send" && (effect.message.kind === "failing" || effect.message.kind === "muxReset")
      ? [`${effect.link} ${effect.message.kind}`]
      : effect.kind === "resetCard"
      ? ["resetCard"]
      : []
  );
  assert.equal(order, ["ether failing", "serial failing", "serial muxReset", "resetCard"]);
  table.crash(two);
  table.run(200);
  for (const seat of [seatOf(seats, 1), seatOf(seats, 3)]) {
    assert.equal(membersOf(table, seat), [1, 3]);
    assert.is(table.status(seat).membership.state, "confirmed", "its word that it resets itself is a receipt");
    assert.not(seat.effects.some((effect) => effect.kind === "resetCard"));
    assert.equal(eventsOf(seat, "view").at(-1)?.changes.map(({ member, change }) => [member.card, change]), [[2, "exited"]]);
  }
});

test("HA-7: a critical process that does not answer its monitor in time does the same; one that is not critical only leaves its group", () => {
  for (const critical of [true, false]) {
    const { table, seats } = tableOf(3);
    const two = seatOf(seats, 2);
    table.ask(two, 1, { kind: "join", request: 1, group: "g", name: "c", critical, monitorMs: 200 });
    table.ask(seatOf(seats, 1), 9, { kind: "watch", request: 1, group: "g" });
    table.run(5);
    table.run(1_000);
    assert.is(two.effects.some((effect) => effect.kind === "resetCard"), critical);
    if (critical) continue;
    assert.ok(two.effects.some((effect) => effect.kind === "closeApplication"));
    assert.equal(eventsOf(seatOf(seats, 1), "view").at(-1)?.changes.map(({ change }) => change), ["exited"]);
  }
});

test("HA-8: all messages of a group come to all members in one order, whoever sends", () => {
  const { table, seats } = tableOf(3);
  seats.forEach((seat, index) => join(table, seat, index + 1));
  table.run(100);
  for (let round = 0; round < 20; round++) {
    seats.forEach((seat, index) => send(table, seat, index + 1, `${index + 1}.${round}`));
    table.run(3);
  }
  table.run(200);
  const logs = seats.map((seat) => eventsOf(seat, "message").map(({ sequence, data }) => `${sequence} ${textOf(data)}`));
  assert.is(logs[0]?.length, 60);
  assert.equal(logs[1], logs[0]);
  assert.equal(logs[2], logs[0]);
});

test("HA-9: a new membership is delivered only after every survivor has seen what was proposed before", () => {
  const { table, seats } = tableOf(3);
  seats.forEach((seat, index) => join(table, seat, index + 1));
  table.run(100);
  // Card 3's message is proposed and stays on its way: the ring is cut behind card 2.
  table.isLost = (from, to, link) => link === "ether" && from === 2 && to === 3;
  send(table, seatOf(seats, 3), 3, "last words");
  table.run(30);
  assert.equal(eventsOf(seatOf(seats, 1), "message"), []);
  table.crash(seatOf(seats, 3));
  table.heal();
  table.run(1_500);
  for (const seat of seats.slice(0, 2)) {
    const since = seat.events.map(({ event }) => event).filter((event) => event.kind === "message" || event.kind === "view").slice(-2);
    assert.equal(since.map(({ kind }) => kind), ["message", "view"]);
  }
});

test("HA-11: a message that reached a card reaches each of its clients in the group, and nobody else", () => {
  const { table, seats } = tableOf(3);
  const two = seatOf(seats, 2);
  join(table, two, 1);
  join(table, two, 2);
  table.ask(two, 3, { kind: "join", request: 1, group: "other", name: "c3", critical: false, monitorMs: 0 });
  table.run(100);
  send(table, seatOf(seats, 1), 9, "to g");
  table.run(100);
  const receivers = two.events.flatMap(({ client, event }) => event.kind === "message" ? [client] : []);
  assert.equal(receivers, [1, 2]);
});

test("HA-15: cards and applications come and go while the rest runs; a card that comes back is a new incarnation", () => {
  const { table, seats } = tableOf(3);
  join(table, seatOf(seats, 1), 1);
  table.crash(seatOf(seats, 3));
  table.run(1_500);
  const back = table.sit(3 as CardId, { incarnation: 101, nonce: 77, reservedView: 4_096 });
  table.run(3_000);
  assert.equal(membersOf(table, back), slots(3));
  assert.is(table.status(seatOf(seats, 1)).membership.view?.members[2]?.incarnation, 101);
  join(table, back, 5);
  table.run(100);
  assert.equal(eventsOf(seatOf(seats, 1), "view").at(-1)?.view.members.map(({ card }) => card), [1, 3]);
});

test("HA-15: of a partition only the side with a quorum goes on; the other stops, says why, and comes back by itself", () => {
  const { table, seats } = tableOf(5);
  seats.forEach((seat, index) => join(table, seat, index + 1));
  table.run(100);
  table.split([1, 2] as CardId[]);
  table.run(2_000);
  send(table, seatOf(seats, 1), 1, "of the minority");
  send(table, seatOf(seats, 4), 4, "of the majority");
  table.run(500);
  for (const seat of seats.slice(0, 2)) {
    const { membership, groups } = table.status(seat);
    assert.is(membership.state, "tentative");
    assert.match(membership.quorum.text, /2 of 5 cards: no quorum/);
    assert.is(groups.state, "stopped");
    assert.match(eventsOf(seat, "stopped").at(-1)?.reason ?? "", /2 of 5 cards: no quorum/);
    assert.equal(eventsOf(seat, "message"), []);
  }
  for (const seat of seats.slice(2)) assert.equal(eventsOf(seat, "message").map(({ data }) => textOf(data)), ["of the majority"]);
  table.heal();
  table.run(3_000);
  for (const seat of seats) {
    assert.equal(membersOf(table, seat), slots(5));
    assert.equal(eventsOf(seat, "message").map(({ data }) => textOf(data)), ["of the majority", "of the minority"]);
    assert.is(table.status(seat).groups.groups[0]?.members.length, 5);
  }
});

test("HA-15: views are agreed over serial alone when Ethernet is dead, and ordered messages stop until it is back", () => {
  const { table, seats } = tableOf(3);
  seats.forEach((seat, index) => join(table, seat, index + 1));
  table.run(100);
  table.isLost = (_from, _to, link) => link === "ether";
  table.run(3_000);
  send(table, seatOf(seats, 1), 1, "waits");
  table.crash(seatOf(seats, 3));
  table.run(3_000);
  for (const seat of seats.slice(0, 2)) {
    assert.equal(membersOf(table, seat), [1, 2]);
    assert.is(table.status(seat).groups.state, "stopped");
    assert.equal(eventsOf(seat, "message"), []);
  }
  table.heal();
  table.run(3_000);
  for (const seat of seats.slice(0, 2)) assert.equal(eventsOf(seat, "message").map(({ data }) => textOf(data)), ["waits"]);
});

test.run();
