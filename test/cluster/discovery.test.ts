import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId, type LinkKind } from "../../src/base/ids.ts";
import { Discovery, type DiscoveryOutput } from "../../src/cluster/discovery.ts";
import { serialAdvertPeriodMs } from "../../src/cluster/serial-budget.ts";
import { advertPeriodMs, duplicateGoneMs, promptAdverts } from "../../src/limits.ts";
import type { Advert, Echo } from "../../src/wire/message.ts";

const me = cardAt(1, 1);
const peer = cardAt(1, 2);
const far = cardAt(2, 1);
const myNonce = 0x1111;

function advert(over: Partial<Advert> = {}, echoes: Echo[] = []): Advert {
  return {
    kind: "advert",
    uid: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    name: "peer",
    nonce: 0x2222,
    echoes,
    etherPeriodMs: 100,
    serialPeriodMs: 200,
    wireMin: 1,
    wireMax: 1,
    software: "0.1.0",
    ...over,
  };
}
const echo: Echo[] = [{ card: me, nonce: myNonce }];

class Bench {
  now = 0;
  readonly service = new Discovery(me, myNonce);
  readonly told: DiscoveryOutput[] = [];

  constructor() {
    this.keep(this.service.step(0, { kind: "serialLine", cards: 3, baud: 115_200 }));
    for (const link of ["ether", "serial"] as const) this.keep(this.service.step(0, { kind: "port", link, up: true }));
  }

  keep(outputs: DiscoveryOutput[]): void {
    this.told.push(...outputs);
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let due = this.service.deadline(); due <= end; due = this.service.deadline()) {
      this.now = Math.max(this.now, due);
      this.keep(this.service.step(this.now, { kind: "tick" }));
    }
    this.now = end;
  }

  hear(link: LinkKind, message: Advert, from: CardId = peer, incarnation = 7): void {
    this.keep(this.service.step(this.now, { kind: "advert", link, from, incarnation, advert: message }));
  }

  twin(card: CardId, incarnation: number, sequence: number): void {
    this.keep(this.service.step(this.now, { kind: "twin", card, incarnation, sequence }));
  }

  kinds(): string[] {
    return this.told.filter((output) => output.kind !== "advertise" && output.kind !== "lldp").map((output) => output.kind);
  }

  adverts(link: LinkKind): number {
    return this.told.filter((output) => output.kind === "advertise" && output.link === link).length;
  }
}

test("FS-2: a candidate on one link, verified only when both links confirmed the same identity and our nonce", () => {
  const bench = new Bench();
  bench.hear("ether", advert());
  assert.equal(bench.kinds(), ["candidate"]);
  assert.is(bench.service.candidateOf(peer)?.because, "it has not confirmed ours on ether yet; no advert on serial yet");
  bench.hear("ether", advert({}, echo));
  assert.is(bench.service.candidateOf(peer)?.because, "no advert on serial yet");
  bench.hear("serial", advert());
  assert.is(bench.service.candidateOf(peer)?.verified, false);
  bench.hear("serial", advert({}, echo));
  assert.equal(bench.kinds(), ["candidate", "verified"]);
});

test("FS-2: an echo of another start's nonce confirms nothing", () => {
  const bench = new Bench();
  for (const link of ["ether", "serial"] as const) bench.hear(link, advert({}, [{ card: me, nonce: myNonce + 1 }]));
  assert.equal(bench.kinds(), ["candidate"]);
});

test("FS-2: another identity on the other link is a duplicate, not a verified card", () => {
  const bench = new Bench();
  bench.hear("ether", advert({}, echo));
  bench.hear("serial", advert({ uid: Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9), nonce: 0x3333 }, echo));
  assert.equal(bench.kinds(), ["candidate", "duplicate"]);
  assert.is(bench.service.candidateOf(peer)?.verified, false);
  assert.equal(bench.service.duplicates(), [peer]);
});

test("two cards alternating under one incarnation are reported once and never verified while it goes on", () => {
  const bench = new Bench();
  for (let round = 0; round < 6; round++) {
    for (const link of ["ether", "serial"] as const) {
      bench.hear(link, advert({}, echo));
      bench.hear(link, advert({ nonce: 0x3333 }, echo));
    }
    bench.run(1_000);
  }
  assert.is(bench.kinds().filter((kind) => kind === "duplicate").length, 1);
  assert.is(bench.service.candidateOf(peer)?.verified, false);
  bench.run(duplicateGoneMs + 1_000);
  assert.is(bench.kinds().at(-1), "duplicateGone");
});

test("a stream of frames of an older incarnation is a duplicate; a few stragglers of a restart are none", () => {
  const bench = new Bench();
  for (let sequence = 0; sequence < 20; sequence++) bench.twin(peer, 6, sequence);
  assert.equal(bench.kinds(), [], "all at once: what was still in a queue");
  for (let sequence = 20; sequence < 30; sequence++) {
    bench.run(200);
    bench.twin(peer, 6, sequence);
  }
  assert.equal(bench.kinds(), ["duplicate"]);
});

test("frames that are played again do not grow and prove no duplicate", () => {
  const bench = new Bench();
  for (let round = 0; round < 20; round++) {
    bench.run(200);
    bench.twin(peer, 6, round % 3);
  }
  assert.equal(bench.kinds(), []);
});

test("a new incarnation is verified from nothing", () => {
  const bench = new Bench();
  for (const link of ["ether", "serial"] as const) bench.hear(link, advert({}, echo));
  assert.is(bench.service.candidateOf(peer)?.verified, true);
  bench.keep(bench.service.step(bench.now, { kind: "restarted", card: peer }));
  assert.is(bench.service.candidateOf(peer), undefined);
  bench.hear("ether", advert({ nonce: 0x4444 }), peer, 8);
  assert.is(bench.service.candidateOf(peer)?.verified, false);
});

test("FS-9: a card of another chassis is verified over Ethernet alone; its advert on our serial bus counts for nothing", () => {
  const bench = new Bench();
  bench.hear("serial", advert({}, echo), far);
  assert.equal(bench.kinds(), []);
  bench.hear("ether", advert({}, echo), far);
  assert.equal(bench.kinds(), ["candidate", "verified"]);
});

test("adverts echo what was heard on that link alone", () => {
  const bench = new Bench();
  bench.hear("ether", advert());
  bench.run(2_000);
  const last = (link: LinkKind) => bench.told.findLast((output) => output.kind === "advertise" && output.link === link);
  assert.equal(last("ether"), { kind: "advertise", link: "ether", echoes: [{ card: peer, nonce: 0x2222 }] });
  assert.equal(last("serial"), { kind: "advertise", link: "serial", echoes: [] });
});

test("a new card is answered soon, and a hostile stream of new adverts does not make us talk faster than the gap", () => {
  const bench = new Bench();
  bench.run(150);
  const before = bench.adverts("ether");
  bench.hear("ether", advert());
  bench.run(1);
  assert.is(bench.adverts("ether"), before + 1);
  for (let round = 0; round < 100; round++) {
    bench.run(1);
    bench.hear("ether", advert());
  }
  assert.ok(bench.adverts("ether") <= before + 1 + promptAdverts);
});

test("HA-2: adverts keep within a tenth of the serial line", () => {
  assert.is(serialAdvertPeriodMs(3, 115_200), advertPeriodMs);
  assert.is(serialAdvertPeriodMs(8, 19_200), 8_167);
});

test("LLDP: a fast start, then the standard's period, and taken back at leaving", () => {
  const bench = new Bench();
  bench.run(100_000);
  assert.is(bench.told.filter((output) => output.kind === "lldp").length, 4 + 3);
  bench.keep(bench.service.step(bench.now, { kind: "leave" }));
  assert.equal(bench.told.at(-1), { kind: "lldp", ttlS: 0 });
  assert.is(bench.service.deadline(), Infinity);
});

test.run();
