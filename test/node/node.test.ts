import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId, everybody, type LinkKind, multiplexor } from "../../src/base/ids.ts";
import { multiplexorUnheardMs } from "../../src/limits.ts";
import type { Effect } from "../../src/node/effect.ts";
import type { Input } from "../../src/node/input.ts";
import { Node } from "../../src/node/node.ts";
import type { Identity, NodeSettings } from "../../src/node/settings.ts";
import type { PeerStatus } from "../../src/node/status.ts";
import type { Message } from "../../src/wire/message.ts";

const one = cardAt(1, 1);
const two = cardAt(1, 2);
const three = cardAt(1, 3);
const settings: NodeSettings = {
  ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
  serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
  baud: 115_200,
  expected: [one, two],
  disabled: [],
  witness: false,
  redundantLinks: true,
};

function identity(card: CardId, over: Partial<Identity> = {}): Identity {
  const uid = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, card);
  return { system: 1, card, incarnation: 100, uid, name: `card-${card}`, nonce: 1_000 + card, software: "test", reservedView: 0, ...over };
}

type Seat = { readonly identity: Identity; readonly node: Node; readonly effects: Effect[] };

/** Nodes joined by two perfect links without delay, on one clock. */
class Table {
  now = 0;
  readonly seats: Seat[] = [];

  sit(who: Identity, ports: LinkKind[] = ["ether", "serial"]): Seat {
    const seat: Seat = { identity: who, node: new Node(who, settings, this.now), effects: [] };
    this.seats.push(seat);
    for (const link of ports) this.feed(seat, { kind: "portUp", link });
    return seat;
  }

  feed(seat: Seat, input: Input): void {
    const effects = seat.node.step(this.now, input);
    seat.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === "send") this.send(seat, effect);
      else if (effect.kind === "reserve") this.feed(seat, { kind: "reserved", upTo: effect.upTo });
      else if (effect.kind === "post") {
        for (const check of effect.checks) this.feed(seat, { kind: "postChecked", check, outcome: checked });
      }
    }
  }

  send(from: Seat, effect: Extract<Effect, { kind: "send" }>): void {
    const { link, to, sequence, message } = effect;
    const { system, card, incarnation } = from.identity;
    const frame = { system, from: card, to, incarnation, sequence, message };
    for (const seat of this.seats) if (seat !== from) this.feed(seat, { kind: "heard", link, frame });
  }

  /** A frame that no seat has sent. */
  forge(to: Seat, link: LinkKind, from: CardId | typeof multiplexor, incarnation: number, sequence: number, message: Message): void {
    this.feed(to, { kind: "heard", link, frame: { system: 1, from, to: everybody, incarnation, sequence, message } });
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = Math.min(...this.seats.map((seat) => seat.node.deadline()));
      if (due > end) break;
      this.now = Math.max(this.now, due);
      for (const seat of this.seats) if (seat.node.deadline() <= this.now) this.feed(seat, { kind: "tick" });
    }
    this.now = end;
  }

  leave(seat: Seat): void {
    this.seats.splice(this.seats.indexOf(seat), 1);
  }
}

const checked = { result: "passed", code: "", text: "", ms: 0 } as const;

function peerOf(table: Table, seat: Seat, card: CardId): PeerStatus {
  const peer = seat.node.status(table.now).peers.find((status) => status.card === card);
  assert.ok(peer, `card ${card} is not in the status`);
  return peer as PeerStatus;
}

const alarms = (table: Table, seat: Seat) => seat.node.status(table.now).alarms.map((alarm) => alarm.code);

test("FS-2, HA-2: two cards verify each other on both links and are healthy within a second", () => {
  const table = new Table();
  const [a, b] = [table.sit(identity(one)), table.sit(identity(two))];
  table.run(1_000);
  for (const [seat, other] of [[a, two], [b, one]] as const) {
    const peer = peerOf(table, seat, other);
    assert.is(peer.verified, true, peer.unverifiedBecause);
    assert.is(peer.health, "healthy");
    assert.is(peer.name, `card-${other}`);
  }
});

test("a frame played again, and one of an old incarnation, change nothing but a counter", () => {
  const table = new Table();
  const [a, b] = [table.sit(identity(one)), table.sit(identity(two))];
  table.run(1_000);
  table.leave(b);
  const before = a.node.status(table.now);
  const bye = { kind: "bye", reason: "stop" } as const;
  table.forge(a, "ether", two, 100, 0, bye);
  table.forge(a, "ether", two, 99, 1_000, bye);
  const after = a.node.status(table.now);
  assert.is(after.links.ether.dropped.replayed, 1);
  assert.is(after.links.ether.dropped.oldIncarnation, 1);
  assert.equal(after.peers[0]?.health, before.peers[0]?.health);
});

test("a card that leaves says so on both links, and its peers do not count it as down", () => {
  const table = new Table();
  const [a, b] = [table.sit(identity(one)), table.sit(identity(two))];
  table.run(1_000);
  table.feed(b, { kind: "leave", reason: "stop" });
  const byes = b.effects.filter((effect) => effect.kind === "send" && effect.message.kind === "bye");
  assert.equal(byes.map((effect) => effect.kind === "send" && effect.link), ["ether", "serial"]);
  assert.is(peerOf(table, a, two).health, "left");
  b.effects.length = 0;
  table.run(5_000);
  assert.not.ok(b.effects.some((effect) => effect.kind === "send"), "a card that left stays quiet");
  assert.not.ok(alarms(table, a).includes("card-down"));
});

test("a restored card with an old incarnation is told and moves above it once its successor is gone", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  const newer = table.sit(identity(two, { incarnation: 200, nonce: 1 }));
  table.run(1_000);
  table.leave(newer);
  table.run(2_000);
  assert.is(peerOf(table, a, two).health, "down");
  const restored = table.sit(identity(two, { incarnation: 150, nonce: 2 }));
  table.run(1_500);
  assert.ok(restored.effects.some((effect) => effect.kind === "reincarnate" && effect.above === 200));
});

test("two cards in one slot: both are heard, reported everywhere, and neither is helped to overtake the other", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  const first = table.sit(identity(two, { incarnation: 100, nonce: 1 }));
  table.run(1_000);
  const clone = table.sit(identity(two, { incarnation: 101, nonce: 2 }));
  table.run(4_000);
  for (const seat of [a, first, clone]) {
    assert.ok(alarms(table, seat).includes("duplicate-identity"), `alarm at incarnation ${seat.identity.incarnation}`);
  }
  for (const seat of [first, clone]) assert.not.ok(seat.effects.some((effect) => effect.kind === "reincarnate"));
});

test("a card that starts with an incarnation it has used before is told to move on once it is taken for gone", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  const before = table.sit(identity(two, { nonce: 1 }));
  table.run(5_000);
  table.leave(before);
  table.run(2_000);
  const again = table.sit(identity(two, { nonce: 2 }));
  table.run(2_500);
  assert.ok(again.effects.some((effect) => effect.kind === "reincarnate" && effect.above === 100));
  assert.ok(a.effects.some((effect) => effect.kind === "send" && effect.message.kind === "stale"));
});

test("two cards of one incarnation are reported by third cards too", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.sit(identity(two, { nonce: 1 }));
  table.run(3_000);
  table.sit(identity(two, { nonce: 2 }));
  table.run(3_000);
  assert.ok(alarms(table, a).includes("duplicate-identity"));
});

test("the alarm of an old incarnation is over when nobody says so any more", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.sit(identity(two));
  table.run(1_000);
  table.forge(a, "ether", three, 1, 0, { kind: "stale", card: one, incarnation: 500 });
  assert.ok(alarms(table, a).includes("old-incarnation"));
  table.run(11_000);
  assert.not.ok(alarms(table, a).includes("old-incarnation"));
});

test("a port that carries less than a full frame gets its adverts in pieces, and they are joined", () => {
  const table = new Table();
  const a = table.sit(identity(one), []);
  const b = table.sit(identity(two), []);
  for (const seat of [a, b]) {
    table.feed(seat, { kind: "portUp", link: "ether", frameBytesMax: 90 });
    table.feed(seat, { kind: "portUp", link: "serial" });
  }
  table.run(1_500);
  assert.ok(a.effects.some((effect) => effect.kind === "send" && effect.message.kind === "fragment"));
  assert.is(peerOf(table, a, two).verified, true);
});

test("a port that is not there from the start is an alarm until it is", () => {
  const table = new Table();
  const a = table.sit(identity(one), ["ether"]);
  table.feed(a, { kind: "portDown", link: "serial", reason: "no such tty" });
  assert.ok(alarms(table, a).includes("port-down"));
  table.feed(a, { kind: "portUp", link: "serial" });
  assert.not.ok(alarms(table, a).includes("port-down"));
});

test("the echo of our own frames is counted and is no second card", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.run(500);
  const sent = a.effects.filter((effect) => effect.kind === "send" && effect.link === "serial");
  for (const effect of sent) {
    if (effect.kind === "send") table.forge(a, "serial", one, 100, effect.sequence, effect.message);
  }
  assert.is(a.node.status(table.now).links.serial.dropped.ownIdentity, sent.length);
  table.run(3_000);
  assert.not.ok(alarms(table, a).includes("duplicate-identity"));
});

test("a frame for another card proves that its sender lives, and its message is not ours", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  const frame = { system: 1, from: two, to: three, incarnation: 1, sequence: 0, message: { kind: "bye", reason: "stop" } } as const;
  table.feed(a, { kind: "heard", link: "ether", frame });
  assert.is(peerOf(table, a, two).health, "degraded");
});

test("HA-2: the multiplexor's silence is an alarm, its voice ends it, its power sense counts", () => {
  const table = new Table();
  const [a] = [table.sit(identity(one)), table.sit(identity(two))];
  table.run(multiplexorUnheardMs + 100);
  assert.ok(alarms(table, a).includes("multiplexor-unheard"));
  assert.is(a.node.status(table.now).links.serial.multiplexor, "unheard");
  table.forge(a, "serial", multiplexor, 1, 0, { kind: "muxPower", powered: 0b11 });
  assert.not.ok(alarms(table, a).includes("multiplexor-unheard"));
  table.forge(a, "serial", multiplexor, 1, 1, { kind: "muxPower", powered: 0b01 });
  assert.is(peerOf(table, a, two).health, "down");
});

test("only the multiplexor's own bus is believed about power", () => {
  const table = new Table();
  const [a] = [table.sit(identity(one)), table.sit(identity(two))];
  table.run(1_000);
  table.forge(a, "ether", multiplexor, 1, 0, { kind: "muxPower", powered: 0b01 });
  table.forge(a, "serial", three, 1, 0, { kind: "muxPower", powered: 0b01 });
  assert.is(peerOf(table, a, two).health, "healthy");
  assert.is(a.node.status(table.now).links.ether.dropped.kind, 1);
  assert.is(a.node.status(table.now).links.serial.dropped.kind, 1);
});

test("a card that the configuration names and that never speaks is an alarm, until it does", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.run(11_000);
  assert.ok(alarms(table, a).includes("card-absent"));
  assert.is(peerOf(table, a, two).health, "absent");
  table.sit(identity(two));
  table.run(1_000);
  assert.not.ok(alarms(table, a).includes("card-absent"));
});

test("a stall of three seconds raises no alarm, not even the multiplexor's", () => {
  const table = new Table();
  const [a] = [table.sit(identity(one)), table.sit(identity(two))];
  table.forge(a, "serial", multiplexor, 1, 0, { kind: "muxPower", powered: 0b11 });
  table.run(2_000);
  table.now += 3_000;
  table.feed(a, { kind: "tick" });
  const status = a.node.status(table.now);
  assert.equal(status.alarms, []);
  assert.is(status.lateTicks.count, 1);
  assert.ok(status.lateTicks.totalMs > 2_800);
});

test("malformed bytes are counted by reason", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.feed(a, { kind: "malformed", link: "ether", reason: "tag" });
  table.feed(a, { kind: "malformed", link: "serial", reason: "crc" });
  assert.is(a.node.status(table.now).links.ether.dropped.tag, 1);
  assert.is(a.node.status(table.now).links.serial.dropped.crc, 1);
});

test("settings are taken over while running", () => {
  const table = new Table();
  const a = table.sit(identity(one));
  table.run(1_000);
  table.feed(a, { kind: "reloaded", settings: { ...settings, ether: { periodMs: 10, silentAfterMs: 30, downAfterMs: 50 } } });
  a.effects.length = 0;
  table.run(1_000);
  const beats = a.effects.filter((effect) => effect.kind === "send" && effect.link === "ether" && effect.message.kind === "heartbeat");
  assert.ok(beats.length >= 99 && beats.length <= 101, `${beats.length} beats`);
});

test.run();
