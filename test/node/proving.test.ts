/** Boot and self-test within whole nodes: FS-6, FS-8. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CardId, type LinkKind, multiplexor } from "../../src/base/ids.ts";
import type { Identity } from "../../src/node/settings.ts";
import { type Seat, Table } from "./table.ts";

const card = (id: number) => id as CardId;
const all = [1, 2, 3].map(card);

const boot = (table: Table, seat: Seat) => {
  const { state, hold } = table.status(seat).boot;
  return hold === undefined ? state : `hold ${hold.code}`;
};
const verdicts = (table: Table, seat: Seat) => table.status(seat).selfTest.peers.map(({ card: peer, verdict }) => `${peer} ${verdict}`);
/** But for the multiplexor's, which no table has. */
const alarms = (table: Table, seat: Seat) =>
  table.status(seat).alarms.map(({ code }) => code).filter((code) => code !== "multiplexor-unheard");
const announced = (seat: Seat, link: LinkKind) =>
  seat.effects.flatMap((effect) =>
    effect.kind === "send" && effect.link === link && effect.message.kind === "boot" ? [effect.message] : []
  );

function sitting(options: Partial<Identity> = {}, cards: readonly CardId[] = all): { readonly table: Table; readonly seats: Seat[] } {
  const table = new Table(all);
  return { table, seats: cards.map((id) => table.sit(id, options)) };
}

test("FS-6: cards that start together announce it on both links and are ready together", () => {
  const { table, seats } = sitting();
  table.run(4_000);
  for (const seat of seats) {
    assert.is(boot(table, seat), "ready");
    assert.equal(table.status(seat).boot.peers.map(({ state }) => state), ["ready", "ready"]);
    for (const link of ["ether", "serial"] as const) {
      const [first, ...more] = announced(seat, link);
      assert.is(first?.state, "announce");
      assert.is(more.at(-1)?.state, "ready");
    }
    assert.is(table.status(seat).boot.type, "cold");
    assert.equal(alarms(table, seat), []);
  }
});

test("FS-6: with a card missing a cold start holds until an operator says that it is off, and both go on", () => {
  const { table, seats: [a, b] } = sitting({}, [card(1), card(2)]) as { table: Table; seats: [Seat, Seat] };
  table.run(30_000);
  assert.equal([a, b].map((seat) => boot(table, seat)), ["hold cards-missing", "hold cards-missing"]);
  assert.ok(alarms(table, a).includes("boot-hold"));
  table.feed(b, { kind: "bootProceed", client: 3, by: "ann" });
  table.run(2_000);
  assert.equal([a, b].map((seat) => boot(table, seat)), ["ready", "ready"]);
  assert.ok(b.effects.some((effect) => effect.kind === "bootAnswered" && effect.client === 3 && effect.answer.kind === "proceeds"));
  assert.not.ok(alarms(table, a).includes("boot-hold"));
});

test("FS-6: what a run leaves makes the next one warm, fenced or an upgrade", () => {
  const { table, seats } = sitting();
  const starts = new Uint8Array(16);
  const say = (seat: Seat, sequence: number) =>
    table.feed(seat, {
      kind: "heard",
      link: "serial",
      frame: {
        system: 1,
        from: multiplexor,
        to: 0,
        incarnation: 7,
        sequence,
        message: { kind: "muxPower", powered: 0b111, starts: starts.slice() },
      },
    });
  for (const seat of seats) say(seat, 1);
  table.run(4_000);
  const third = seats[2] as Seat;
  let incarnation = 100;
  let last = third;
  const again = (over: Partial<Identity> = {}): string | undefined => {
    const lastRun = last.effects.flatMap((effect) => effect.kind === "recordRun" ? [effect.record] : []).at(-1);
    table.crash(last);
    table.run(3_000);
    last = table.sit(card(3), { incarnation: ++incarnation, boot: { machineBoot: "", lastRun }, ...over });
    say(last, incarnation);
    table.run(4_000);
    assert.is(boot(table, last), "ready");
    return table.status(last).boot.type;
  };
  assert.is(again(), "warm");
  starts[5] = 1;
  assert.is(again(), "fenced");
  assert.is(again(), "warm");
  starts[4] = 1;
  assert.is(again(), "hot-insert");
  assert.is(again({ software: "later" }), "upgrade");
});

test("FS-6: a card that an operator has put into maintenance comes back into it", () => {
  const lastRun = {
    machineBoot: "",
    software: "test",
    ended: "open",
    role: "none",
    maintenance: true,
    unreadyStarts: 0,
    sense: undefined,
  } as const;
  const { table, seats } = sitting({ boot: { machineBoot: "", lastRun } }, [card(1)]);
  table.sit(card(2));
  table.sit(card(3));
  table.run(5_000);
  assert.is(boot(table, seats[0] as Seat), "hold maintenance");
  assert.equal(alarms(table, seats[0] as Seat), []);
  assert.is(boot(table, table.seats[1] as Seat), "ready");
});

test("FS-6: a critical check that fails holds the card, which the others hear and do not wait for", () => {
  const table = new Table(all);
  table.check = (seat, check) =>
    seat.identity.card === 2 && check === "state"
      ? { result: "failed", code: "eio", text: "the disk failed", ms: 1 }
      : { result: "passed", code: "", text: "", ms: 0 };
  const seats = all.map((id) => table.sit(id));
  table.run(5_000);
  assert.equal(seats.map((seat) => boot(table, seat)), ["ready", "hold post-failed", "ready"]);
  assert.ok(alarms(table, seats[1] as Seat).includes("boot-check"));
});

const links: readonly {
  readonly text: string;
  readonly lost: (from: CardId, to: CardId, link: LinkKind) => boolean;
  readonly verdict: string;
}[] = [
  { text: "a cut path on Ethernet", lost: (from, to, link) => link === "ether" && from + to === 3, verdict: "2 path between two cards" },
  { text: "a cut serial line", lost: (from, to, link) => link === "serial" && from + to === 3, verdict: "2 serial line" },
  { text: "a dead multiplexor", lost: (_from, _to, link) => link === "serial", verdict: "2 multiplexor" },
  { text: "both paths cut", lost: (from, to) => from + to === 3, verdict: "2 two path faults" },
];

for (const { text, lost, verdict } of links) {
  test(`FS-8: ${text} is told from a dead card, and nobody is put out for it`, () => {
    const { table, seats: [a, b] } = sitting() as { table: Table; seats: [Seat, Seat, Seat] };
    table.run(4_000);
    table.isLost = lost;
    table.run(3_000);
    assert.ok(verdicts(table, a).includes(verdict), verdicts(table, a).join());
    assert.ok(alarms(table, a).includes("self-test"));
    table.heal();
    table.run(3_000);
    for (const seat of [a, b]) {
      assert.equal(verdicts(table, seat), []);
      assert.not.ok(alarms(table, seat).includes("self-test"));
    }
  });
}

test("FS-8: a dead card is known by a self-test that nobody hears answered, before serial is silent", () => {
  const { table, seats: [a, b] } = sitting() as { table: Table; seats: [Seat, Seat, Seat] };
  table.run(4_000);
  table.crash(b);
  table.run(440);
  assert.equal(verdicts(table, a), ["2 member failure"]);
  assert.is(table.status(a).peers[0]?.links.serial?.health, "up");
  // It starts anew: what was found of its last run is over.
  table.run(2_000);
  table.sit(card(2), { incarnation: 101 });
  table.run(4_000);
  assert.equal(verdicts(table, a), []);
});

test("FS-8: a goodbye and a lost power are no cases for a self-test", () => {
  const { table, seats: [a, b, c] } = sitting() as { table: Table; seats: [Seat, Seat, Seat] };
  table.run(4_000);
  table.feed(b, { kind: "leave", reason: "stop" });
  table.crash(b);
  table.run(3_000);
  const before = a.effects.length;
  const message = { kind: "muxPower", powered: 0b001 } as const;
  table.feed(a, { kind: "heard", link: "serial", frame: { system: 1, from: multiplexor, to: 0, incarnation: 7, sequence: 1, message } });
  table.crash(c);
  table.run(3_000);
  assert.equal(verdicts(table, a), []);
  assert.not.ok(a.effects.slice(before).some((effect) => effect.kind === "send" && effect.message.kind === "selfTest"));
});

test.run();
