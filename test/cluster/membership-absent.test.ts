import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardsIn } from "../../src/base/card-set.ts";
import { viewHistoryMax } from "../../src/limits.ts";
import { Bench, c1, c2, c3, c4, c5, far, last, listenMs, membersOf, patience } from "./membership-bench.ts";

// ---- receipts

test("HA-5: confirmed when each absent card is proven down, unconfirmed when one is not; proof that comes later makes a new view", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  bench.down(c3);
  bench.agree();
  assert.equal(last(bench.takeTold()), "unconfirmed 1 2, 3 unknown: card 3 is down");
  bench.say({ kind: "receipt", card: c3, receipt: "reset" });
  bench.agree();
  assert.equal(last(bench.takeTold()), "confirmed 1 2, 3 down: card 3 was reset, as is proven now");
  assert.equal(bench.service.status(bench.now).view?.absent, [{ card: c3, state: "down", receipt: "reset" }]);
  bench.say({ kind: "receipt", card: c3, receipt: "reset" });
  bench.run(5_000);
  assert.equal(bench.take("proposeView"), []);
});

test("HA-5: proof that another member holds comes with its promise; it asks for a new view when it gets one", () => {
  const member = new Bench(c2, [c1, c2, c3]).start();
  member.follow(c1, 64, [c1, c2]);
  member.say({ kind: "receipt", card: c3, receipt: "power" });
  assert.equal(member.takeTold(), ["tentative: card 3 has lost its power, as is proven now"]);
  assert.is(member.take("wantView").length, 1);
  member.propose(c1, 128, [c1, c2]);
  assert.equal(cardsIn(c2, last(member.take("promiseView")).down), [c3]);

  const bench = new Bench(c1, [c1, c2, c3]).start();
  const { number } = bench.lead([c1, c2]);
  bench.takeTold();
  bench.from(c2, { kind: "wantView", previous: number, promised: number });
  bench.promise(c2, last(bench.take("proposeView")), number, [c3]);
  assert.equal(last(bench.takeTold()), "confirmed 1 2, 3 down: card 3 has ended, as is proven now");
});

test("HA-15: a view that holds by a receipt does not outlive it: the card that it is about is heard again", () => {
  const bench = new Bench(c2, [c1, c2]).start();
  bench.follow(c1, 64, [c1, c2]);
  bench.say({ kind: "receipt", card: c1, receipt: "power" });
  bench.agree();
  assert.equal(last(bench.takeTold()), "confirmed 2, 1 down: card 1 has lost its power");
  bench.beat(c1, [c1, c2]);
  assert.equal(bench.takeTold(), [], "what was on its way when the receipt came");
  bench.run(patience.ether.silentAfterMs);
  bench.beat(c1, [c1, c2]);
  assert.match(last(bench.takeTold()) as string, /^tentative: .*no quorum$/);
});

test("HA-15: a slot that has power again is no lie, a card that still runs in it is", () => {
  const bench = new Bench(c2, [c1, c2]).start();
  bench.follow(c1, 64, [c1, c2]);
  bench.say({ kind: "receipt", card: c1, receipt: "power" });
  bench.agree();
  bench.takeTold();
  bench.run(patience.ether.silentAfterMs);
  bench.say({ kind: "powerOn", card: c1 });
  assert.equal(bench.takeTold(), []);
  bench.beat(c1, [c1, c2]);
  assert.match(last(bench.takeTold()) as string, /^tentative: .*no quorum$/);
});

test("HA-5: receipts count only from members of the latest view: those of others may be of an earlier run of the card", () => {
  const bench = new Bench(c1, [c1, c2, c3, c4]).start();
  bench.mesh([c1, c2, c3]);
  bench.run(listenMs);
  const proposal = last(bench.take("proposeView"));
  bench.promise(c2, proposal, 300, [c4]);
  bench.promise(c3, proposal, 364);
  assert.equal(last(bench.takeTold()), "unconfirmed 1 2 3, 4 unknown: the first view of this card, of cards 1, 2 and 3");
});

test("HA-5: that a card has restarted proves nothing of the views that it was in without us", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.follow(c1, 64, [c1, c2]);
  bench.hear(c3);
  bench.say({ kind: "heard", card: c3, incarnation: 20 });
  bench.propose(c1, 128, [c1, c2]);
  assert.equal(cardsIn(c2, last(bench.take("promiseView")).down), [], "it was no member of our view");
  const member = new Bench(c2, [c1, c2, c3]).start();
  member.follow(c1, 64, [c1, c2, c3]);
  member.say({ kind: "heard", card: c3, incarnation: 20 });
  member.propose(c1, 128, [c1, c2]);
  assert.equal(cardsIn(c2, last(member.take("promiseView")).down), [c3]);
});

test("a receipt that did not convince the members is dropped: it is not said again and again", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.say({ kind: "receipt", card: c3, receipt: "reset" });
  bench.mesh([c1, c2]);
  bench.propose(c1, 64, [c1, c2]);
  assert.equal(cardsIn(c2, last(bench.take("promiseView")).down), [c3]);
  bench.commit(c1, 64, [c1, c2]);
  assert.ok(bench.service.isHeld());
  bench.propose(c1, 128, [c1, c2]);
  assert.equal(cardsIn(c2, last(bench.take("promiseView")).down), []);
});

test("a receipt lapses when the card is heard well after it, and a power receipt when the slot has power", () => {
  const bench = new Bench(c1, [c1, c2]).start();
  bench.lead([c1, c2]);
  bench.say({ kind: "receipt", card: c2, receipt: "reset" });
  assert.equal(last(bench.takeTold()), "confirmed 1, 2 down: card 2 was reset");
  bench.run(patience.ether.silentAfterMs - 1);
  bench.beat(c2, [c1]);
  assert.equal(bench.service.status(bench.now).view?.absent[0]?.receipt, "reset", "it was on its way");
  bench.run(1);
  bench.beat(c2, [c1]);
  assert.is(bench.service.status(bench.now).view?.absent[0]?.receipt, undefined);
  bench.beat(c1, [c2]);
  bench.beat(c2, [c1]);
  assert.equal(membersOf(c1, last(bench.take("proposeView"))), [c1, c2]);

  const power = new Bench(c2, [c1, c2]).start();
  power.say({ kind: "receipt", card: c1, receipt: "power" });
  assert.ok(power.service.isHeld(), "card 1 is the tie-break card, and proven down");
  assert.equal(last(power.takeTold()), "confirmed 2, 1 down: the first view of this card, of card 2 alone");
  power.say({ kind: "powerOn", card: c1 });
  assert.is(power.service.status(power.now).view?.absent[0]?.receipt, undefined);
  assert.ok(power.service.isHeld(), "the view was decided while the proof was good");
});

test("HA-15: of two cards the tie-break card goes on alone, the other one only with proof; who has just started waits", () => {
  const tieBreak = new Bench(c1, [c1, c2]).start();
  tieBreak.lead([c1, c2]);
  tieBreak.takeTold();
  tieBreak.down(c2);
  assert.equal(tieBreak.takeTold(), ["tentative: card 2 is down", "unconfirmed 1, 2 unknown: card 2 is down"]);
  assert.is(tieBreak.service.status(tieBreak.now).quorum.text, "1 of 2 cards with the tie-break card 1");

  const other = new Bench(c2, [c1, c2]).start();
  other.follow(c1, 64, [c1, c2]);
  other.down(c1);
  assert.equal(other.takeTold(), ["tentative: card 1 is down", "tentative: 1 of 2 cards, without the tie-break card 1: no quorum"]);
  other.say({ kind: "receipt", card: c1, receipt: "reset" });
  assert.equal(last(other.takeTold()), "confirmed 2, 1 down: card 1 was reset");

  const started = new Bench(c1, [c1, c2]).start();
  started.run(5_000);
  assert.is(started.service.stoppedBecause(), "1 of 2 cards, and the tie-break card 1 has just started: no quorum");
  const restarted = new Bench(c2, [c1, c2]).start();
  restarted.follow(c1, 64, [c1, c2]);
  restarted.say({ kind: "heard", card: c1, incarnation: 20 });
  assert.is(
    restarted.service.stoppedBecause(),
    "1 of 2 cards, without the tie-break card 1: no quorum",
    "a card that lives is not proven down",
  );
});

// ---- witness

test("HA-15: at exactly half the coordinator asks the witness, forms its view with the lease, and stops without it", () => {
  const bench = new Bench(c1, [c1, c2], { witness: true }).start();
  bench.lead([c1, c2]);
  bench.others = [];
  bench.takeTold();
  bench.down(c2);
  assert.equal(bench.others, [{ kind: "witness", wanted: true }]);
  assert.is(bench.service.stoppedBecause(), "1 of 2 cards, without the witness's lease: no quorum");
  bench.say({ kind: "witness", held: true });
  assert.equal(last(bench.takeTold()), "unconfirmed 1, 2 unknown: card 2 is down");
  bench.say({ kind: "witness", held: false });
  assert.equal(bench.takeTold(), ["tentative: 1 of 2 cards, without the witness's lease: no quorum"]);
  bench.say({ kind: "witness", held: true });
  assert.ok(bench.service.isHeld());
  bench.mesh([c1, c2]);
  bench.agree();
  assert.equal(last(bench.others), { kind: "witness", wanted: false }, "given back when all are there");
});

test("HA-15: the members of a half learn from their coordinator that the lease is lost", () => {
  const bench = new Bench(c2, [c1, c2, c3, c4], { witness: true }).start();
  bench.follow(c1, 64, [c1, c2]);
  bench.from(c1, { kind: "wantView", previous: 64, promised: 64 });
  assert.equal(bench.takeTold(), [
    "tentative: card 1 does not hold the witness's lease any more",
    "tentative: 2 of 4 cards, without the witness's lease: no quorum",
  ]);
});

// ---- settings and the end

test("HA-15: cards that are disabled or not listed are not taken in; who is not listed is reported once per incarnation", () => {
  const bench = new Bench(c1, [c1, c2, c3], { disabled: [c3] }).start();
  bench.others = [];
  bench.mesh([c1, c2, c3, c4]);
  for (const card of [c3, c4]) bench.from(card, { kind: "wantView", previous: 0, promised: 0 });
  assert.equal(membersOf(c1, bench.agree()), [c1, c2]);
  assert.equal(last(bench.takeTold()), "confirmed 1 2: the first view of this card, of cards 1 and 2", "a disabled card is not absent");
  bench.hear(c4);
  assert.equal(bench.others, [{ kind: "log", level: "warn", event: "unlisted card", fields: { peer: c4, incarnation: 14 } }]);
  bench.say({ kind: "heard", card: c4, incarnation: 15 });
  assert.is(bench.others.length, 2);
});

test("HA-15: a reload that disables a member drops it, one that lists a card makes it absent, each with a new view", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  bench.say({ kind: "settings", settings: { ...bench.settings, disabled: [c3] } });
  bench.agree();
  assert.equal(last(bench.takeTold()), "confirmed 1 2: card 3 is disabled");
  bench.say({ kind: "settings", settings: { ...bench.settings, expected: [c1, c2, c4] } });
  bench.agree();
  assert.equal(last(bench.takeTold()), "unconfirmed 1 2, 4 unknown: the configuration has changed");
  bench.say({ kind: "settings", settings: { ...bench.settings, expected: [c1, c2, c4, c5, far] } });
  assert.is(bench.service.stoppedBecause(), "2 of 5 cards: no quorum");
});

test("a card that is disabled itself takes no part, and says so", () => {
  const bench = new Bench(c3, [c1, c2, c3]).start();
  bench.follow(c1, 64, [c1, c2, c3]);
  bench.say({ kind: "settings", settings: { ...bench.settings, disabled: [c3] } });
  assert.equal(bench.takeTold(), ["tentative: this card has no vote any more", "tentative: this card is disabled"]);
  bench.propose(c1, 128, [c1, c2, c3]);
  assert.equal(bench.take("promiseView"), []);
  bench.sent = [];
  bench.run(5_000);
  assert.equal(bench.sent, []);
  assert.is(bench.service.stoppedBecause(), "this card is disabled");
});

test("who leaves proposes, promises and asks nothing any more", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  bench.sent = [];
  bench.takeTold();
  bench.say({ kind: "leave" });
  bench.down(c3);
  bench.propose(c2, 65, [c2, c3]);
  assert.is(bench.service.deadline(), Infinity);
  assert.equal(bench.sent, []);
  assert.equal(bench.takeTold(), ["tentative: this card is leaving"]);
});

test("HA-5: the status tells the view, the ticks, and the last notifications, newest first and bounded", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2]);
  const { state, view, electorate, quorum, ticks, history } = bench.service.status(bench.now);
  assert.equal([state, electorate, quorum.text], ["unconfirmed", [c1, c2, c3], "2 of 3 cards: more than half"]);
  assert.equal(view, {
    number: 64,
    coordinator: c1,
    members: [{ card: c1, incarnation: 11, previous: 0, ether: true }, { card: c2, incarnation: 12, previous: 0, ether: true }],
    absent: [{ card: c3, state: "unknown" }],
  });
  assert.equal(ticks, [{ card: c1, ether: [c2], serial: [c2] }, { card: c2, ether: [c1], serial: [c1] }]);
  assert.equal(history.map(({ state }) => state), ["unconfirmed", "tentative", "tentative"]);
  assert.equal([history[0]?.view, history[0]?.members, history[2]?.reason], [64, [c1, c2], "this card has just started"]);
  bench.say({ kind: "reserved", upTo: 10_000 });
  for (let times = 0; times < viewHistoryMax; times++) {
    bench.from(c2, { kind: "wantView", previous: bench.service.view()?.number ?? 0, promised: 0 });
    bench.agree();
  }
  assert.is(bench.service.status(bench.now).history.length, viewHistoryMax);
});

test.run();
