import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardSetHas, cardSetOf } from "../../src/base/card-set.ts";
import { cardAt, type CardId, type LinkKind } from "../../src/base/ids.ts";
import { Heartbeat, type HeartbeatInput, type HeartbeatOutput, type HeartbeatSettings } from "../../src/cluster/heartbeat.ts";
import { serialHeartbeatFloorMs } from "../../src/cluster/serial-budget.ts";
import type { Heartbeat as Beat } from "../../src/wire/message.ts";

const me = cardAt(1, 1);
const peer = cardAt(1, 2);
const far = cardAt(2, 1);
const settings: HeartbeatSettings = {
  ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
  serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
  baud: 115_200,
  expected: [me, peer],
};

/** A heartbeat service on a hand-driven clock, which always gets its ticks in time unless it is stalled. */
class Bench {
  now = 0;
  readonly service: Heartbeat;
  readonly told: string[] = [];
  readonly beats: { at: number; link: LinkKind; message: Beat }[] = [];

  constructor(over: Partial<HeartbeatSettings> = {}) {
    this.service = new Heartbeat(me, { ...settings, ...over });
    this.say({ kind: "port", link: "ether", up: true });
    this.say({ kind: "port", link: "serial", up: true });
  }

  say(input: HeartbeatInput): HeartbeatOutput[] {
    const outputs = this.service.step(this.now, input);
    for (const output of outputs) {
      if (output.kind === "beat") this.beats.push({ at: this.now, link: output.link, message: output.message });
      else if (output.kind === "linkHealth") {
        this.told.push(`${this.now} card ${output.card} ${output.link} ${output.was} -> ${output.health}`);
      } else if (output.kind === "cardHealth") this.told.push(`${this.now} card ${output.card} ${output.was} -> ${output.health}`);
      else if (output.kind === "late") this.told.push(`${this.now} late ${output.ms}`);
      else this.told.push(`${this.now} ${output.kind} ${output.card}`);
    }
    return outputs;
  }

  /** Lets `ms` pass; `each` is called every 100 ms with the new instant. */
  run(ms: number, each: (now: number) => void = () => {}): void {
    const end = this.now + ms;
    while (this.now < end) {
      const stepAt = Math.min(end, (Math.floor(this.now / 100) + 1) * 100);
      while (this.service.deadline() < stepAt) {
        this.now = Math.max(this.now, this.service.deadline());
        this.say({ kind: "tick" });
      }
      this.now = stepAt;
      each(stepAt);
      if (this.service.deadline() <= this.now) this.say({ kind: "tick" });
    }
  }

  beat(link: LinkKind, ticks: { ether: boolean; serial: boolean }, from: CardId = peer): void {
    const set = (on: boolean) => cardSetOf(from, on ? [me] : []);
    const beat: Beat = {
      kind: "heartbeat",
      etherPort: true,
      serialPort: true,
      etherTicks: set(ticks.ether),
      serialTicks: set(ticks.serial),
      view: 0,
    };
    this.say({ kind: "heard", link, from, beat });
  }

  /** Both links heard and ticked for `ms`. */
  healthy(ms: number): void {
    this.run(ms, () => {
      this.beat("ether", { ether: true, serial: true });
      this.beat("serial", { ether: true, serial: true });
    });
  }

  links(card: CardId = peer): string {
    const at = (link: LinkKind) => this.service.linkOf(this.now, card, link)?.health ?? "none";
    return `${at("ether")} ${at("serial")} ${this.service.healthOf(card)}`;
  }

  forget(): void {
    this.told.length = 0;
  }
}

test("HA-2: beats on both links on their periods, none on a port that is down", () => {
  const bench = new Bench();
  bench.run(1_000);
  assert.equal(bench.beats.filter((beat) => beat.link === "ether").map((beat) => beat.at), [
    0,
    100,
    200,
    300,
    400,
    500,
    600,
    700,
    800,
    900,
    1000,
  ]);
  assert.equal(bench.beats.filter((beat) => beat.link === "serial").map((beat) => beat.at), [0, 200, 400, 600, 800, 1000]);
  bench.say({ kind: "port", link: "ether", up: false });
  bench.beats.length = 0;
  bench.run(1_000);
  assert.is(bench.beats.filter((beat) => beat.link === "ether").length, 0);
  assert.is(bench.beats[0]?.message.etherPort, false);
});

test("a link is up only after two beats and with the peer's tick: both ends confirm it", () => {
  const bench = new Bench();
  bench.beat("ether", { ether: false, serial: false });
  assert.is(bench.links(), "recovering unheard degraded");
  bench.beat("ether", { ether: true, serial: false });
  assert.is(bench.links(), "up unheard degraded");
  bench.beat("serial", { ether: true, serial: true });
  assert.is(bench.links(), "up recovering degraded");
  bench.beat("serial", { ether: true, serial: true });
  assert.is(bench.links(), "up up healthy");
});

test("silence: silent after silentAfterMs, down after downAfterMs, the card only when both links are", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.forget();
  bench.run(1_500);
  assert.equal(bench.told, [
    "1150 hush 2",
    "1300 card 2 ether up -> silent",
    "1300 card 2 healthy -> degraded",
    "1500 card 2 ether silent -> down",
    "1600 card 2 serial up -> silent",
    "1600 card 2 degraded -> suspect",
    "2000 card 2 serial silent -> down",
    "2000 card 2 suspect -> down",
  ]);
});

test("a peer that comes back passes through recovering on each link", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.run(2_000);
  bench.forget();
  bench.healthy(200);
  assert.equal(bench.told.filter((line) => line.includes("ether")), [
    "3100 card 2 ether down -> recovering",
    "3200 card 2 ether recovering -> up",
  ]);
  assert.is(bench.links(), "up up healthy");
});

test("one way: heard and not ticked for silentAfterMs, up again with the tick", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.run(500, () => {
    bench.beat("ether", { ether: false, serial: true });
    bench.beat("serial", { ether: false, serial: true });
  });
  assert.is(bench.links(), "oneWay up degraded");
  bench.healthy(100);
  assert.is(bench.links(), "up up healthy");
});

test("the ticks name who was heard, each link by itself, and silence takes a tick back", () => {
  const bench = new Bench();
  const last = (link: LinkKind) => bench.beats.filter((beat) => beat.link === link).at(-1)?.message as Beat;
  bench.run(1_000, () => bench.beat("ether", { ether: true, serial: false }));
  assert.ok(cardSetHas(me, last("ether").etherTicks, peer));
  assert.not.ok(cardSetHas(me, last("ether").serialTicks, peer));
  assert.ok(cardSetHas(me, last("serial").etherTicks, peer), "the Ethernet's ticks travel on serial too");
  bench.run(400);
  assert.not.ok(cardSetHas(me, last("ether").etherTicks, peer));
});

test("design 1.6: a late tick is about this card: a stall of three seconds buries nobody, before or after the queued frames", () => {
  for (const first of ["tick", "frame"] as const) {
    const bench = new Bench();
    bench.healthy(1_000);
    bench.forget();
    bench.now += 3_000;
    if (first === "tick") bench.say({ kind: "tick" });
    else bench.beat("ether", { ether: true, serial: true });
    assert.equal(bench.told, ["4000 late 2950"]);
    assert.is(bench.links(), "up up healthy");
  }
});

test("what was forgiven once is not forgiven again: real silence after a stall is found in time", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.now += 3_000;
  bench.say({ kind: "tick" });
  bench.forget();
  bench.run(1_200);
  assert.ok(bench.told.includes("4450 card 2 ether silent -> down"), bench.told.join("\n"));
  assert.ok(bench.told.includes("4950 card 2 suspect -> down"), bench.told.join("\n"));
});

test("after a stall there is one beat at once and no burst", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.beats.length = 0;
  bench.now += 3_000;
  bench.say({ kind: "tick" });
  bench.run(100);
  assert.equal(bench.beats.map((beat) => `${beat.link} ${beat.at}`), ["ether 4000", "serial 4000", "ether 4100"]);
});

test("our own port down takes the link away from every peer, and gives it back from recovering", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.say({ kind: "port", link: "serial", up: false });
  assert.is(bench.links(), "up down degraded");
  assert.is(bench.service.linkOf(bench.now, peer, "serial")?.reason, "our own port is down");
  bench.beat("ether", { ether: true, serial: true });
  bench.say({ kind: "port", link: "serial", up: true });
  assert.is(bench.links(), "up down degraded");
  bench.healthy(200);
  assert.is(bench.links(), "up up healthy");
});

test("a slot that loses power is down at once on both links; what was under way does not revive it", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.say({ kind: "power", powered: 0b11 });
  bench.forget();
  bench.say({ kind: "power", powered: 0b01 });
  assert.is(bench.links(), "down down down");
  bench.beat("ether", { ether: true, serial: true });
  assert.is(bench.links(), "down down down");
  bench.say({ kind: "power", powered: 0b11 });
  bench.say({ kind: "restarted", card: peer });
  bench.healthy(200);
  assert.is(bench.links(), "up up healthy");
});

test("a power sense that is contradicted by lasting frames is found wrong", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.say({ kind: "power", powered: 0b01 });
  bench.healthy(600);
  assert.ok(bench.told.some((line) => line.includes("powerSenseWrong 2")));
  assert.is(bench.links(), "up up healthy");
  bench.say({ kind: "power", powered: 0b01 });
  assert.is(bench.links(), "up up healthy");
});

test("goodbye: left at once, frames still under way change nothing, a new incarnation does", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.say({ kind: "left", card: peer });
  assert.is(bench.links(), "down down left");
  bench.beat("serial", { ether: true, serial: true });
  assert.is(bench.links(), "down down left");
  bench.say({ kind: "restarted", card: peer });
  bench.healthy(200);
  assert.is(bench.links(), "up up healthy");
});

test("a restarted peer's links start from nothing, the card does not go down in between", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.forget();
  bench.say({ kind: "restarted", card: peer });
  bench.beat("ether", { ether: false, serial: false });
  assert.is(bench.links(), "recovering unheard degraded");
  assert.not.ok(bench.told.some((line) => line.endsWith("-> down")));
});

test("a peer that is slower than we are gets patience by its own period", () => {
  const bench = new Bench();
  bench.healthy(1_000);
  bench.say({ kind: "periods", card: peer, etherMs: 400, serialMs: 200 });
  assert.equal(bench.service.patience(peer, "ether"), { silentAfterMs: 1_200, downAfterMs: 2_000 });
  assert.equal(bench.service.patience(peer, "serial"), { silentAfterMs: 600, downAfterMs: 1_000 });
});

test("FS-9: a card of another chassis shares Ethernet alone and is healthy by it", () => {
  const bench = new Bench();
  bench.run(300, () => bench.beat("ether", { ether: true, serial: false }, far));
  assert.is(bench.links(far), "up none healthy");
  bench.run(600);
  assert.is(bench.links(far), "down none down");
});

test("HA-1: eight cards keep the serial line's heartbeats within their share", () => {
  assert.is(serialHeartbeatFloorMs(8, 115_200), 84);
  assert.is(serialHeartbeatFloorMs(8, 19_200), 500);
  const expected = [1, 2, 3, 4, 5, 6, 7, 8].map((slot) => cardAt(1, slot));
  const bench = new Bench({ expected, baud: 19_200 });
  assert.is(bench.service.periodMs("serial"), 500);
  assert.equal(bench.service.patience(peer, "serial"), { silentAfterMs: 1_500, downAfterMs: 2_500 });
});

test("a link never heard is down after downAfterMs", () => {
  const bench = new Bench();
  bench.run(1_500, () => bench.beat("ether", { ether: true, serial: false }));
  assert.is(bench.links(), "up down degraded");
  assert.is(bench.service.linkOf(bench.now, peer, "serial")?.reason, "never heard");
});

test.run();
