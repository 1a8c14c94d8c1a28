/** What is for one card goes to its Ethernet address, and to all when that may be the wrong one. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, everybody } from "../../src/base/ids.ts";
import { directAgainMs, passResendMs, submitResendMs } from "../../src/limits.ts";
import { DirectPaths } from "../../src/node/direct-paths.ts";
import type { Effect } from "../../src/node/effect.ts";
import { type Seat, slots, Table } from "./table.ts";

type Sent = Extract<Effect, { kind: "send" }>;

const [one, two] = [cardAt(1, 1), cardAt(1, 2)];
const macOf = (last: number) => Uint8Array.of(0x02, 0, 0, 0, 0, last);

function sentBy(seat: Seat): Sent[] {
  return seat.effects.filter((effect): effect is Sent => effect.kind === "send");
}

/** Three cards with addresses, in one view, with a member on card 2. */
function started(): { table: Table; seats: Seat[] } {
  const cards = slots(3);
  const table = new Table(cards);
  for (const card of cards) table.addresses.set(card, macOf(card));
  const seats = cards.map((card) => table.sit(card));
  table.run(3_000);
  table.ask(seats[1] as Seat, 1, { kind: "join", request: 1, group: "g", name: "", critical: false, monitorMs: 0 });
  table.run(1_000);
  for (const seat of seats) seat.effects.length = 0;
  return { table, seats };
}

function send(table: Table, seat: Seat, request: number, bytes = 10): void {
  table.ask(seat, 1, { kind: "send", request, group: "g", data: new Uint8Array(bytes) });
}

function isSent(seat: Seat, request: number): boolean {
  return seat.events.some(({ event }) => event.kind === "sent" && event.request === request);
}

test("the newest address of a card counts, a group's address does not, and a change is told", () => {
  const paths = new DirectPaths();
  assert.is(paths.addressOf(0, one), undefined);
  assert.is(paths.onHeard(one, macOf(1)), undefined);
  assert.is(paths.onHeard(one, macOf(1)), undefined);
  assert.equal(paths.addressOf(0, one), macOf(1));
  assert.is(paths.addressOf(0, two), undefined);
  assert.is(paths.onHeard(one, Uint8Array.of(0x03, 0, 0, 0, 0, 9)), undefined);
  assert.is(paths.onHeard(one, new Uint8Array()), undefined);
  assert.equal(paths.addressOf(0, one), macOf(1));
  assert.equal(paths.onHeard(one, macOf(7)), macOf(1));
  assert.equal(paths.addressOf(0, one), macOf(7));
});

test("a card that had to be sent something again is sent to by the group's address for a while", () => {
  const paths = new DirectPaths();
  paths.onSentAgain(0, one);
  paths.onHeard(one, macOf(1));
  assert.equal(paths.addressOf(5, one), macOf(1));
  paths.onSentAgain(10, one);
  assert.is(paths.addressOf(10 + directAgainMs - 1, one), undefined);
  paths.onHeard(one, macOf(1));
  assert.is(paths.addressOf(10 + directAgainMs - 1, one), undefined);
  assert.equal(paths.addressOf(10 + directAgainMs, one), macOf(1));
});

test("passes and what is submitted go to one card, in pieces too; heartbeats, adverts and commits go to all", () => {
  const { table, seats } = started();
  send(table, seats[1] as Seat, 2);
  send(table, seats[1] as Seat, 3, 5_000);
  table.run(200);
  assert.ok(isSent(seats[1] as Seat, 2) && isSent(seats[1] as Seat, 3));
  const direct = new Set<string>();
  for (const { link, to, message, address } of seats.flatMap(sentBy)) {
    const isDirect = ["submit", "pass", "fragment"].includes(message.kind);
    assert.equal(address, isDirect ? macOf(to) : undefined, `${message.kind} to ${to} on ${link}`);
    if (isDirect) direct.add(message.kind);
    else assert.is(to, everybody);
  }
  assert.equal([...direct].sort(), ["fragment", "pass", "submit"]);
});

test("a message comes through although a card is no longer at the address that it was heard from", () => {
  for (const moved of slots(3)) {
    const { table, seats } = started();
    const second = seats[1] as Seat;
    table.hearsAt = (card) => card === moved ? macOf(99) : table.addresses.get(card);
    send(table, second, 2);
    table.run(2 * (submitResendMs + 2 * passResendMs));
    assert.ok(isSent(second, 2), `card ${moved}`);
  }
});

test("a frame that was played before moves no address", () => {
  const { table, seats } = started();
  const [first, second] = seats as [Seat, Seat];
  table.run(200);
  const { to, sequence, message } = sentBy(second).find(({ link }) => link === "ether") as Sent;
  const { system, card, incarnation } = second.identity;
  const frame = { system, from: card, to, incarnation, sequence, message };
  table.feed(first, { kind: "heard", link: "ether", frame, source: macOf(66) });
  first.effects.length = 0;
  send(table, first, 2);
  const passes = sentBy(first).filter(({ message }) => message.kind === "pass");
  assert.ok(passes.length > 0);
  for (const { to, address } of passes) assert.equal(address, macOf(to));
});

test("a card that is not heard is sent to by the group's address", () => {
  const { table, seats } = started();
  const [first, second] = seats as [Seat, Seat];
  table.isLost = (from, to, link) => link === "ether" && from === second.identity.card && to === first.identity.card;
  table.run(table.settings.ether.silentAfterMs + 50);
  first.effects.length = 0;
  send(table, first, 2);
  const passes = sentBy(first).filter(({ message }) => message.kind === "pass");
  assert.ok(passes.length > 0);
  for (const { address } of passes) assert.is(address, undefined);
});

test.run();
