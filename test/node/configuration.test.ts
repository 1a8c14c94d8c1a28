import { test } from "uvu";
import * as assert from "uvu/assert";
import { configurationGroup } from "../../src/config/replica-seat.ts";
import type { ConfigRequest } from "../../src/config/request.ts";
import { type Seat, slots, Table } from "./table.ts";

const wish = (value: string): ConfigRequest => {
  const operations = [{ kind: "put", table: "hosts", row: { id: value, initiator: `iqn.2026-01.example:${value}` } }] as const;
  return { kind: "change", wish: { author: "somebody", comment: "", key: "", operations } };
};

function seated(count: number): { readonly table: Table; readonly seats: Seat[] } {
  const table = new Table(slots(count));
  const seats = slots(count).map((card) => table.sit(card));
  table.run(3_000);
  return { table, seats };
}

test("FS-4: three cards with stores keep one configuration, and a change on any of them is on all", () => {
  const { table, seats } = seated(3);
  for (const seat of seats) table.giveStore(seat);
  table.run(500);
  for (const seat of seats) assert.is(table.status(seat).configuration?.state, "current", table.status(seat).configuration?.reason);
  for (const [index, seat] of seats.entries()) {
    table.configure(seat, index, wish(`row-${index}`));
    table.run(50);
    assert.is(seat.answers[0]?.kind, "changed");
  }
  const heads = seats.map((seat) => table.status(seat).configuration?.head);
  assert.is(heads[0]?.sequence, 4);
  assert.equal(heads[1], heads[0]);
  assert.equal(heads[2], heads[0]);
});

test("each heartbeat says the head of the configuration, and a card that says another one is an alarm on the others", () => {
  const { table, seats } = seated(3);
  for (const seat of seats) table.giveStore(seat);
  table.run(500);
  table.configure(seats[0] as Seat, 1, wish("row"));
  table.run(1_000);
  for (const { effects } of seats) {
    for (const link of ["ether", "serial"] as const) {
      const beat = effects.findLast((effect) => effect.kind === "send" && effect.link === link && effect.message.kind === "heartbeat");
      assert.is(beat?.kind === "send" && beat.message.kind === "heartbeat" && (beat.message.head ?? 0) >> 12, 2, link);
    }
  }
  const [one, two] = seats as [Seat, Seat];
  const codes = () => table.status(one).alarms.map(({ code }) => code);
  assert.not(codes().includes("configuration-divergent"));
  const last = two.effects.findLast((effect) => effect.kind === "send" && effect.link === "ether" && effect.message.kind === "heartbeat");
  if (last?.kind !== "send" || last.message.kind !== "heartbeat") throw new Error("no heartbeat");
  const { system, card: from, incarnation } = two.identity;
  const message = { ...last.message, head: (last.message.head ?? 0) ^ 1 };
  table.feed(one, { kind: "heard", link: "ether", frame: { system, from, to: 0, incarnation, sequence: last.sequence + 5, message } });
  assert.ok(codes().includes("configuration-divergent"));
  table.run(2_000);
  assert.not(codes().includes("configuration-divergent"));
});

test("a card without a store has no configuration, and its group has no member of it", () => {
  const { table, seats } = seated(2);
  table.run(500);
  for (const seat of seats) assert.is(table.status(seat).configuration, undefined);
  assert.equal(table.status(seats[0] as Seat).groups.groups, []);
});

test("the cards' own groups are closed to applications", () => {
  const { table, seats } = seated(2);
  const seat = seats[0] as Seat;
  table.ask(seat, 5, { kind: "send", request: 1, group: configurationGroup, data: new Uint8Array(1) });
  table.ask(seat, 5, { kind: "watch", request: 2, group: "cardinal." });
  table.ask(seat, 5, { kind: "join", request: 3, group: "cardinal.x", name: "", critical: false, monitorMs: 0 });
  table.ask(seat, 5, { kind: "watch", request: 4, group: "cardinal" });
  table.run(100);
  const kinds = seat.events.map(({ event }) => event.kind === "refused" ? `${event.request} ${event.code}` : event.kind);
  assert.equal(kinds.filter((kind) => kind !== "stopped" && kind !== "resumed"), ["1 bounds", "2 bounds", "3 bounds", "watching"]);
});

test.run();
