import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardSetOf, cardsIn } from "../../src/base/card-set.ts";
import type { CardId } from "../../src/base/ids.ts";
import type { MembershipInput } from "../../src/cluster/membership.ts";
import { surveyOf } from "../../src/cluster/would-be.ts";
import { nextNumber, ViewNumbers } from "../../src/cluster/view-numbers.ts";
import { viewMuteMs, viewNumbersReserved, viewResendMs, viewResendsMax, viewSetbackMs, wantViewMs } from "../../src/limits.ts";
import { Bench, c1, c2, c3, c4, c5, far, graceMs, last, listenMs, membersOf, patience } from "./membership-bench.ts";

// ---- start

test("HA-5: a card that has just started is tentative, says so, and reserves numbers before it promises any", () => {
  const bench = new Bench(c2, [c1, c2, c3], { reservedView: 500 });
  bench.say({ kind: "tick" });
  assert.equal(bench.takeTold(), ["tentative: this card has just started", "tentative: 1 of 3 cards: no quorum"]);
  assert.equal(bench.others, [{ kind: "reserve", upTo: 500 + viewNumbersReserved }]);
  bench.mesh([c1, c2, c3]);
  bench.propose(c1, 512, [c1, c2, c3]);
  bench.run(wantViewMs);
  assert.equal(bench.sent, [], "neither a promise nor a wish before the disk has answered");
  bench.say({ kind: "reserved", upTo: 500 + viewNumbersReserved });
  assert.equal(bench.take("wantView"), [{ kind: "wantView", previous: 0, promised: 500 }]);
  bench.propose(c1, 512, [c1, c2, c3]);
  assert.is(last(bench.take("promiseView")).number, 512);
});

test("HA-4: equal numbers, equal views: a card proposes only numbers of its own, above all that any of its runs may have promised", () => {
  assert.is(nextNumber(c1, 0), 64);
  assert.is(nextNumber(c2, 0), 1);
  assert.is(nextNumber(c2, 1), 65);
  assert.is(nextNumber(c1, 63), 64);
  assert.is(nextNumber(far, 64), 72);
  const bench = new Bench(c1, [c1, c2], { reservedView: 1_000 }).start();
  bench.mesh([c1, c2]);
  assert.is(last(bench.take("proposeView")).number, 1_024);
});

test("HA-4: no promise above what is reserved; it is given when the disk has answered, and more is reserved in time", () => {
  const numbers = new ViewNumbers(c1, 100);
  assert.is(numbers.toReserve(), 100 + viewNumbersReserved);
  assert.is(numbers.toReserve(), undefined, "asked for once");
  numbers.onSeen(101 + viewNumbersReserved / 2);
  assert.is(numbers.toReserve(), 101 + viewNumbersReserved / 2 + viewNumbersReserved, "fewer than half are left");

  const bench = new Bench(c2, [c1, c2]).start();
  bench.mesh([c1, c2]);
  bench.others = [];
  const number = 64 * 100;
  bench.propose(c1, number, [c1, c2]);
  assert.equal(bench.take("promiseView"), []);
  assert.equal(bench.take("refuseView"), []);
  assert.equal(bench.others, [{ kind: "reserve", upTo: number + viewNumbersReserved }]);
  bench.say({ kind: "reserved", upTo: number + viewNumbersReserved });
  bench.propose(c1, number, [c1, c2]);
  assert.is(last(bench.take("promiseView")).number, number);
});

test("HA-1: a card that is configured alone forms its view at once", () => {
  const bench = new Bench(c3, [c3]).start();
  assert.equal(bench.takeTold(), ["tentative: this card has just started", "confirmed 3: the first view of this card, of card 3 alone"]);
  assert.is(bench.service.deadline(), Infinity);
  assert.is(bench.service.stoppedBecause(), undefined);
});

test("HA-4: two cards that start together agree in two phases as soon as each hears the other", () => {
  const bench = new Bench(c1, [c1, c2]).start();
  bench.hear(c2);
  bench.beat(c1, [c2]);
  bench.beat(c2, []);
  assert.equal(bench.take("proposeView"), [], "it does not hear us yet");
  bench.beat(c2, [c1]);
  const proposal = last(bench.take("proposeView"));
  assert.equal([membersOf(c1, proposal), proposal.incarnations, cardsIn(c1, proposal.ether)], [[c1, c2], [11, 12], [c1, c2]]);
  assert.equal(bench.take("commitView"), []);
  assert.not(bench.service.isHeld());
  bench.takeTold();
  bench.promise(c2, proposal, 7);
  const [commit] = bench.take("commitView");
  assert.equal(commit?.previous, [0, 7]);
  assert.equal(bench.takeTold(), ["confirmed 1 2: the first view of this card, of cards 1 and 2"]);
  bench.run(viewResendMs);
  assert.equal(bench.take("commitView").length, 1, "said again until it is answered");
  bench.from(c2, { kind: "committedView", number: proposal.number });
  bench.sent = [];
  bench.run(5_000);
  assert.equal(bench.sent, []);
});

test("at a cold start a majority waits two periods of the slower link for more, and takes all that came", () => {
  const bench = new Bench(c1, [c1, c2, c3, c4, c5]).start();
  bench.mesh([c1, c2, c3]);
  bench.run(listenMs - 10);
  assert.equal(bench.take("proposeView"), []);
  bench.mesh([c1, c2, c3, c4]);
  assert.equal(bench.take("proposeView"), []);
  bench.run(10);
  assert.equal(bench.take("proposeView").map((proposal) => membersOf(c1, proposal)), [[c1, c2, c3, c4]]);
});

test("at a cold start nobody is waited for when all are there, or proven down", () => {
  const whole = new Bench(c1, [c1, c2, c3]).start();
  whole.mesh([c1, c2, c3]);
  assert.is(whole.take("proposeView").length, 1);
  const proven = new Bench(c1, [c1, c2, c3]).start();
  proven.say({ kind: "receipt", card: c3, receipt: "power" });
  proven.mesh([c1, c2]);
  assert.is(proven.take("proposeView").length, 1);
});

test("HA-15: a side without a quorum proposes nothing, asks for a view, and says why it stands", () => {
  const bench = new Bench(c1, [c1, c2, c3, c4, c5]).start();
  bench.mesh([c1, c2]);
  bench.sent = [];
  bench.run(10 * wantViewMs);
  assert.equal(bench.take("proposeView"), []);
  assert.is(bench.take("wantView").length, 10);
  assert.is(bench.service.stoppedBecause(), "2 of 5 cards: no quorum");
  const { state, reason, quorum, view } = bench.service.status(bench.now);
  assert.equal([state, reason, quorum, view], [
    "tentative",
    "2 of 5 cards: no quorum",
    { held: false, text: "2 of 5 cards: no quorum" },
    undefined,
  ]);
});

// ---- a member

test("HA-4: a member promises, is tentative, and takes over what is committed; what comes twice changes nothing", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.sent = [];
  bench.takeTold();
  bench.propose(c1, 64, [c1, c2, c3]);
  bench.propose(c1, 64, [c1, c2, c3]);
  assert.equal(
    bench.sent,
    [{ kind: "send", to: c1, message: { kind: "promiseView", number: 64, previous: 0, down: cardSetOf(c2, []) } }],
    "both links brought it",
  );
  bench.now += viewResendMs;
  bench.propose(c1, 64, [c1, c2, c3]);
  assert.is(bench.take("promiseView").length, 2, "asked again, so the answer was lost");
  bench.commit(c1, 64, [c1, c2, c3], { ether: [c1, c2] });
  assert.equal(bench.takeTold(), ["confirmed 1 2 3, serial 3: the first view of this card, of cards 1, 2 and 3"]);
  bench.commit(c1, 64, [c1, c2, c3]);
  assert.equal(bench.take("committedView"), [{ kind: "committedView", number: 64 }]);
  bench.now += viewResendMs;
  bench.propose(c1, 64, [c1, c2, c3]);
  assert.equal([bench.take("committedView").length, bench.take("promiseView").length], [1, 0], "a late proposal is over");
  assert.equal(bench.takeTold(), []);
  assert.ok(bench.service.isHeld());
});

test("HA-4: a promise is kept: no lower number is promised or taken over", () => {
  const bench = new Bench(c3, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.propose(c1, 128, [c1, c2, c3]);
  bench.down(c1);
  bench.propose(c2, 65, [c2, c3]);
  assert.equal(bench.take("refuseView"), [{ kind: "refuseView", number: 65, promised: 128, missing: cardSetOf(c3, []) }]);
  bench.propose(c2, 129, [c2, c3]);
  assert.equal(bench.take("promiseView").map(({ number }) => number), [128, 129]);
  bench.commit(c1, 128, [c1, c2, c3]);
  assert.is(bench.service.view(), undefined);
  assert.is(last(bench.take("refuseView")).promised, 129);
  bench.commit(c2, 129, [c2, c3]);
  assert.is(bench.service.view()?.number, 129);
});

test("a number that was only seen does not stand against a commit", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.propose(c1, 64, [c1, c2, c3]);
  bench.from(c3, { kind: "wantView", previous: 0, promised: 900 });
  bench.commit(c1, 64, [c1, c2, c3]);
  assert.is(bench.service.view()?.number, 64);
});

test("a member refuses a set with cards that it does not hear itself, and one that is no quorum of its electorate", () => {
  const bench = new Bench(c2, [c1, c2, c3, c4, c5]).start();
  bench.mesh([c1, c2, c3]);
  bench.propose(c1, 64, [c1, c2, c3, c4]);
  assert.equal(cardsIn(c2, last(bench.take("refuseView")).missing), [c4]);
  bench.propose(c1, 128, [c1, c2]);
  assert.equal(last(bench.take("refuseView")), { kind: "refuseView", number: 128, promised: 0, missing: cardSetOf(c2, []) });
  bench.propose(c1, 192, [c1, c2, c3]);
  assert.is(bench.take("promiseView").length, 1);
});

test("HA-15: a tie-break card that has just started does not promise a half, and one that goes on does", () => {
  const started = new Bench(c2, [c1, c2, c3, c4], { tieBreak: c2 }).start();
  started.mesh([c1, c2]);
  started.propose(c1, 64, [c1, c2]);
  assert.is(started.take("refuseView").length, 1);
  const continuing = new Bench(c2, [c1, c2, c3, c4], { tieBreak: c2 }).start();
  continuing.follow(c1, 64, [c1, c2, c3, c4]);
  continuing.down(c3);
  continuing.down(c4);
  continuing.propose(c1, 128, [c1, c2]);
  assert.is(continuing.take("promiseView").length, 1);
});

test("what is meant for another card in this slot, or is not its sender's to say, is ignored", () => {
  const bench = new Bench(c2, [c1, c2, c3], { incarnation: 99 }).start();
  bench.mesh([c1, c2, c3]);
  bench.sent = [];
  bench.propose(c1, 64, [c1, c2, c3]);
  bench.commit(c1, 64, [c1, c2, c3]);
  assert.equal(bench.sent, [], "they list our incarnation as 12");
  const other = new Bench(c2, [c1, c2, c3]).start();
  other.mesh([c1, c2, c3]);
  other.sent = [];
  other.propose(c1, 65, [c1, c2, c3]);
  other.propose(c3, 66, [c1, c2, c3]);
  other.commit(c3, 64, [c1, c2, c3]);
  assert.equal(other.sent, [], "number 65 is not card 1's, a view of card 1 is not card 3's");
  other.commit(c1, 64, [c1, c2, c3]);
  assert.equal(
    other.take("refuseView"),
    [{ kind: "refuseView", number: 64, promised: 0, missing: cardSetOf(c2, []) }],
    "it was not promised",
  );
  assert.is(other.service.view(), undefined);
});

test("messages of an incarnation that has ended are ignored", () => {
  const bench = new Bench(c1, [c1, c2]).start();
  bench.mesh([c1, c2]);
  const before = last(bench.take("proposeView"));
  bench.say({ kind: "heard", card: c2, incarnation: 20 });
  bench.beat(c1, [c2]);
  bench.beat(c2, [c1]);
  const after = last(bench.take("proposeView"));
  assert.equal(after.incarnations, [11, 20]);
  bench.promise(c2, before);
  bench.promise(c2, after);
  assert.is(bench.service.view(), undefined, "both were said by incarnation 12");
  bench.from(c2, { kind: "promiseView", number: after.number, previous: 0, down: cardSetOf(c2, []) }, 20);
  assert.is(bench.service.view()?.number, after.number);
});

// ---- reacting

test("HA-4: when the heartbeat service says that a member is down, the coordinator proposes in that very step", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  bench.takeTold();
  bench.down(c3);
  assert.equal(bench.take("proposeView").map((proposal) => membersOf(c1, proposal)), [[c1, c2]]);
  assert.equal(bench.takeTold(), ["tentative: card 3 is down"]);
});

test("HA-4: when the coordinator goes down, the next card proposes in that very step, with a higher number", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.follow(c1, 64, [c1, c2, c3]);
  bench.down(c1);
  const [proposal] = bench.take("proposeView");
  assert.equal([proposal?.number, cardsIn(c2, proposal?.members ?? cardSetOf(c2, []))], [65, [c2, c3]]);
});

test("HA-4: when a proposer that was promised to goes down, the next one proposes in that step", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.follow(c1, 64, [c1, c2, c3]);
  bench.propose(c1, 128, [c1, c2, c3]);
  bench.sent = [];
  bench.down(c1);
  assert.equal(bench.take("proposeView").map(({ number }) => number), [129]);
});

test("a goodbye, a receipt and a later incarnation put a card out at once, each with its reason", () => {
  const reasons = (input: MembershipInput) => {
    const bench = new Bench(c1, [c1, c2, c3]).start();
    bench.lead([c1, c2, c3]);
    bench.takeTold();
    bench.say(input);
    bench.agree();
    return bench.takeTold();
  };
  assert.equal(reasons({ kind: "receipt", card: c3, receipt: "left" }), ["tentative: card 3 left", "confirmed 1 2, 3 down: card 3 left"]);
  assert.equal(reasons({ kind: "receipt", card: c3, receipt: "power" })[1], "confirmed 1 2, 3 down: card 3 has lost its power");
  assert.equal(reasons({ kind: "receipt", card: c3, receipt: "reset" })[1], "confirmed 1 2, 3 down: card 3 was reset");
  assert.equal(reasons({ kind: "receipt", card: c3, receipt: "failing" })[1], "confirmed 1 2, 3 down: card 3 resets itself");
  assert.equal(reasons({ kind: "cardHealth", card: c3, health: "left" })[1], "unconfirmed 1 2, 3 unknown: card 3 left");
  assert.equal(reasons({ kind: "cardHealth", card: c3, health: "down" })[1], "unconfirmed 1 2, 3 unknown: card 3 is down");
  assert.equal(reasons({ kind: "heard", card: c3, incarnation: 20 }), [
    "tentative: card 3 restarted",
    "confirmed 1 2, 3 down: card 3 restarted",
  ]);
});

test("what was said by a card that ended, and of it, does not count for its next incarnation, or when it is heard again", () => {
  const restarted = new Bench(c1, [c1, c2, c3]).start();
  restarted.lead([c1, c2, c3]);
  restarted.from(c3, { kind: "wantView", previous: 0, promised: 0 }, 23);
  restarted.beat(c3, []);
  assert.equal(membersOf(c1, restarted.agree()), [c1, c2], "it hears nobody yet");
  restarted.beat(c3, [c1, c2]);
  restarted.run(1_000);
  assert.equal(restarted.take("proposeView"), [], "and nobody says that it is heard");
  restarted.beat(c1, [c2, c3]);
  restarted.beat(c2, [c1, c3]);
  assert.equal(last(restarted.take("proposeView")).incarnations, [11, 12, 23]);

  const again = new Bench(c1, [c1, c2, c3]).start();
  again.lead([c1, c2, c3]);
  again.down(c3);
  again.agree();
  again.say({ kind: "cardHealth", card: c3, health: "degraded" });
  again.run(1_000);
  assert.equal(again.take("proposeView"), []);
  again.mesh([c1, c2, c3]);
  assert.equal(membersOf(c1, last(again.take("proposeView"))), [c1, c2, c3]);
});

test("a pair of the view may miss its ticks for the grace; what this card was late does not count", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  // Without Ethernet ticks from the start on, so that only the serial ones are at stake.
  bench.beat(c3, [c1, c2], { ether: [] });
  bench.run(graceMs);
  bench.agree();
  bench.takeTold();
  bench.beat(c3, [c1], { ether: [] });
  bench.run(graceMs - 1);
  bench.beat(c3, [c1, c2], { ether: [] });
  bench.run(1_000);
  assert.equal(bench.take("proposeView"), [], "it was back in time");
  bench.beat(c3, [c1], { ether: [] });
  bench.run(graceMs - 1);
  bench.now += 5_000;
  bench.say({ kind: "late", ms: 5_000 });
  assert.equal(bench.take("proposeView"), []);
  bench.run(1);
  assert.equal(bench.take("proposeView").map((proposal) => membersOf(c1, proposal)), [[c1, c2]]);
  assert.equal(bench.takeTold(), ["tentative: card 3 no longer confirms card 2 on any link"]);
});

test("the loss of Ethernet alone keeps a member, and takes it out of those that order messages", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2, c3]);
  bench.takeTold();
  bench.beat(c3, [], { link: "serial", ether: [], serial: [c1, c2], etherPort: false });
  bench.run(graceMs);
  const proposal = bench.agree();
  assert.equal([membersOf(c1, proposal), cardsIn(c1, proposal.ether)], [[c1, c2, c3], [c1, c2]]);
  assert.equal(bench.takeTold()[1], "confirmed 1 2 3, serial 3: card 3 is not confirmed on Ethernet any more");
  bench.beat(c3, [c1, c2]);
  assert.is(bench.agree().number > proposal.number, true);
  assert.equal(last(bench.takeTold()), "confirmed 1 2 3: card 3 is confirmed on Ethernet again");
  // Too few are left: then nobody orders messages.
  for (const card of [c1, c2]) bench.beat(card, [c1, c2, c3], { ether: [] });
  bench.run(graceMs);
  assert.equal(cardsIn(c1, bench.agree().ether), []);
  assert.is(last(bench.takeTold()).startsWith("confirmed 1 2 3, serial 1 2 3: "), true);
});

test("FS-9: a serial heartbeat says nothing of other chassis, and does not wipe what Ethernet said", () => {
  const cards = [c1, c2, far];
  const bench = new Bench(c1, cards).start();
  bench.lead(cards);
  bench.beat(c2, [c1], { link: "serial", ether: [c1] });
  bench.run(1_000);
  assert.equal(bench.take("proposeView"), []);
  // Its Ethernet heartbeats do not reach us any more. It still hears the other chassis as far as we know, and answers for itself.
  bench.beat(c2, [c1], { link: "serial", ether: [c1] });
  bench.run(1_000);
  assert.equal(bench.take("proposeView"), []);
  // Its port is down: it hears nobody there.
  bench.beat(c2, [c1], { link: "serial", ether: [], etherPort: false });
  bench.run(graceMs);
  assert.equal(membersOf(c1, last(bench.take("proposeView"))), [c1, c2]);
});

test("FS-9: cards of other chassis are confirmed on Ethernet alone, and go with it", () => {
  const bench = new Bench(c1, [c1, c2, far]).start();
  bench.lead([c1, c2, far]);
  bench.beat(far, [c1, c2], { link: "ether" });
  bench.beat(far, []);
  bench.run(patience.ether.downAfterMs - patience.ether.silentAfterMs - 1);
  assert.equal(bench.take("proposeView"), []);
  bench.run(1);
  assert.equal(membersOf(c1, last(bench.take("proposeView"))), [c1, c2]);
});

test("HA-15: cards join a running system together: a view that only takes cards in waits for others that come too", () => {
  const cards = [c1, c2, c3, c4, c5];
  const bench = new Bench(c1, cards).start();
  bench.lead([c1, c2, c3]);
  bench.mesh([c1, c2, c3, c4]);
  bench.from(c4, { kind: "wantView", previous: 0, promised: 0 });
  bench.run(listenMs - 1);
  assert.equal(bench.take("proposeView"), []);
  bench.mesh(cards);
  bench.from(c5, { kind: "wantView", previous: 0, promised: 0 });
  bench.takeTold();
  assert.equal(membersOf(c1, bench.agree()), cards, "now nobody is missing");
  assert.equal(last(bench.takeTold()), "confirmed 1 2 3 4 5: card 4 joined, card 5 joined");
});

test("a running system is not held up by a card that has started and cannot promise yet", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.lead([c1, c2]);
  bench.mesh([c1, c2, c3]);
  bench.run(5_000);
  assert.equal(bench.take("proposeView"), []);
  bench.from(c3, { kind: "wantView", previous: 0, promised: 0 });
  assert.equal(membersOf(c1, last(bench.take("proposeView"))), [c1, c2, c3]);
});

test("HA-15: no change without need: of equally large sets the one with most of the present members", () => {
  const bench = new Bench(c1, [c1, c2, c3, c4]).start();
  bench.lead([c1, c3, c4]);
  bench.hear(c2);
  bench.from(c2, { kind: "wantView", previous: 0, promised: 0 });
  bench.beat(c1, [c2, c3, c4]);
  bench.beat(c2, [c1, c4]);
  bench.beat(c4, [c1, c2, c3]);
  bench.run(5_000);
  assert.equal(bench.take("proposeView"), [], "{1, 2, 4} is lower, and no larger");
});

// ---- answers that do not come, or say no

test("a proposal is sent again to those who are silent, each time later, and then made without them", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  const proposal = last(bench.take("proposeView"));
  bench.promise(c2, proposal);
  const at: number[] = [];
  const began = bench.now;
  for (let ms = 0; ms < 1_200; ms++) {
    bench.run(1);
    for (const { to, message } of bench.sent) {
      if (message.kind !== "proposeView") continue;
      assert.equal([to, message.number], [c3, proposal.number]);
      at.push(bench.now - began);
    }
    bench.sent = [];
  }
  assert.equal(at.slice(0, 5), [20, 60, 140, 300, 460]);
  while (!bench.others.some((output) => output.kind === "log" && output.event === "no promise")) bench.run(1);
  assert.ok(bench.now - began < 1_500);
  const without = last(bench.take("proposeView"));
  assert.equal([membersOf(c1, without), without.number > proposal.number], [[c1, c2], true]);
});

test("a refusal with a higher promise is answered with a higher number; late refusals of the old one count for nothing", () => {
  const bench = new Bench(c1, [c1, c2]).start();
  bench.mesh([c1, c2]);
  const first = last(bench.take("proposeView"));
  bench.refuse(c2, first.number, 700);
  const [second, ...more] = bench.take("proposeView");
  assert.equal([second?.number, more.length], [704, 0]);
  bench.refuse(c2, first.number, 800);
  assert.equal(bench.take("proposeView"), []);
});

test("HA-15: of two cards that do not hear each other, as a member says, one is left out for a while", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.refuse(c2, last(bench.take("proposeView")).number, 0, [c3]);
  assert.equal(membersOf(c1, bench.agree()), [c1, c2]);
  bench.from(c3, { kind: "wantView", previous: 0, promised: 0 });
  const again: number[] = [];
  for (let ms = 0; ms < 5_000; ms += 10) {
    bench.run(10);
    for (const proposal of bench.take("proposeView")) {
      if (membersOf(c1, proposal).length === 3) {
        again.push(bench.now);
        bench.refuse(c2, proposal.number, 0, [c3]);
      } else bench.promise(c2, proposal, bench.service.view()?.number ?? 0);
    }
  }
  const gaps = again.map((at, index) => at - (again[index - 1] ?? 0)).slice(1);
  assert.ok(
    gaps.length >= 2 && gaps.every((gap, index) => index === 0 || gap >= 2 * (gaps[index - 1] ?? 0) - 20),
    `tried again, each time later: ${gaps}`,
  );
  assert.ok(gaps.every((gap) => gap >= 2 * viewSetbackMs));
});

test("HA-15: a card whose view holds follows an outsider only into a larger view, one of its members into any", () => {
  const held = () => {
    const bench = new Bench(c3, [c1, c2, c3]).start();
    bench.follow(c2, 65, [c2, c3]);
    bench.hear(c1);
    bench.beat(c3, [c1, c2]);
    bench.beat(c1, [c3]);
    return bench;
  };
  const outsider = held();
  outsider.propose(c1, 128, [c1, c3]);
  assert.equal(outsider.take("refuseView").map(({ number, missing }) => [number, cardsIn(c3, missing)]), [[128, []]]);
  assert.ok(outsider.service.isHeld());
  const larger = held();
  larger.propose(c1, 128, [c1, c2, c3]);
  assert.is(larger.take("promiseView").length, 1);
  const member = new Bench(c3, [c1, c2, c3]).start();
  member.follow(c1, 64, [c1, c2, c3]);
  member.propose(c2, 65, [c2, c3]);
  assert.is(member.take("promiseView").length, 1, "card 1 is down, as card 2 knows first");
});

test("HA-15: of two would-be coordinators that do not hear each other one gives way: a promise is left only for a better set", () => {
  const bench = new Bench(c3, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.propose(c2, 65, [c2, c3]);
  bench.propose(c1, 128, [c1, c3]);
  bench.propose(c2, 129, [c2, c3]);
  assert.equal(bench.take("promiseView").map(({ number }) => number), [65, 128]);
  assert.equal(bench.take("refuseView").map(({ number }) => number), [129]);
  bench.now += viewMuteMs;
  bench.propose(c2, 193, [c2, c3]);
  assert.is(bench.take("promiseView").length, 1, "nothing came of the better one");
});

test("a card that was left out is tried at once when it has restarted", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.refuse(c3, last(bench.take("proposeView")).number, 0);
  assert.equal(membersOf(c1, bench.agree()), [c1, c2]);
  bench.from(c3, { kind: "wantView", previous: 0, promised: 0 }, 23);
  for (const card of [c1, c2, c3]) bench.beat(card, [c1, c2, c3]);
  assert.equal(last(bench.take("proposeView")).incarnations, [11, 12, 23]);
});

test("HA-15: of two halves that are linked in part, the one with the tie-break card is the would-be view", () => {
  const facts = {
    electorate: [c1, c2, c3, c4],
    tieBreak: c4,
    witness: "none",
    isContinuing: () => true,
    proofOf: () => undefined,
    startedAt: () => 0,
  } as const;
  const pairs = ["1 2", "2 3", "3 4"];
  const countsUntil = (_: string, a: CardId, b: CardId) => pairs.includes(`${Math.min(a, b)} ${Math.max(a, b)}`) ? Infinity : -Infinity;
  const present = { members: new Set<CardId>(), ether: new Set<CardId>() };
  const { would } = surveyOf(0, { cards: [c1, c2, c3, c4], countsUntil, present, facts });
  assert.equal([would.members, would.ether, would.quorum.held], [[c3, c4], [c3, c4], true]);
});

test("a card that needs a view and whose coordinator proposes none goes on without it", () => {
  const bench = new Bench(c2, [c1, c2, c3]).start();
  bench.mesh([c1, c2, c3]);
  bench.run(viewMuteMs + listenMs - 1);
  assert.equal(bench.take("proposeView"), []);
  bench.run(1);
  assert.equal(membersOf(c2, last(bench.take("proposeView"))), [c2, c3]);
});

test("HA-15: at exactly half the tie-break card does not go on against a card that lives and refuses", () => {
  const bench = new Bench(c1, [c1, c2]).start();
  bench.lead([c1, c2]);
  bench.from(c2, { kind: "wantView", previous: bench.service.view()?.number ?? 0, promised: 900 });
  bench.refuse(c2, last(bench.take("proposeView")).number, 900, [c1]);
  assert.is(bench.service.stoppedBecause(), "1 of 2 cards, and card 2 lives and does not agree: no quorum");
  assert.equal(bench.take("proposeView"), []);
  bench.down(c2);
  assert.equal(membersOf(c1, last(bench.take("proposeView"))), [c1]);
});

// ---- asking

test("a member that has not got the commit is sent it again; one that is tentative in our view gets a new view", () => {
  const bench = new Bench(c1, [c1, c2, c3]).start();
  const { number } = bench.lead([c1, c2, c3]);
  for (const card of [c2, c3]) bench.from(card, { kind: "committedView", number });
  bench.sent = [];
  bench.from(c3, { kind: "wantView", previous: 0, promised: number });
  assert.equal(bench.sent.map(({ to, message }) => [to, message.kind]), [[c3, "commitView"]]);
  bench.sent = [];
  bench.from(c3, { kind: "wantView", previous: number, promised: number });
  assert.equal(membersOf(c1, bench.agree()), [c1, c2, c3]);
  assert.equal(last(bench.takeTold()), `confirmed 1 2 3: view ${number} is agreed on anew`);
  bench.sent = [];
  bench.from(c3, { kind: "wantView", previous: number, promised: 500 });
  assert.is(last(bench.take("proposeView")).number, 512, "it can take over nothing below its promise");
});

test("HA-15: a card that a fellow member has left behind notices by that one's heartbeats", () => {
  const bench = new Bench(c3, [c1, c2, c3, c4]).start();
  bench.follow(c2, 65, [c2, c3, c4]);
  const patienceMs = viewResendMs * viewResendsMax;
  bench.beat(c2, [c3, c4], { view: 64 });
  bench.run(2 * patienceMs);
  bench.beat(c2, [c3, c4], { view: 65 });
  assert.ok(bench.service.isHeld());
  bench.beat(c2, [c3, c4], { view: 128 });
  bench.run(patienceMs - 1);
  assert.ok(bench.service.isHeld());
  bench.run(1);
  assert.equal(bench.takeTold(), ["tentative: card 2 is in a later view than this card"]);
});

test("HA-15: a commit of our members without us, heard, makes us tentative at once", () => {
  const bench = new Bench(c3, [c1, c2, c3, c4]).start();
  bench.follow(c2, 65, [c2, c3, c4]);
  bench.commit(c1, 128, [c1, c2, c4]);
  assert.equal(bench.takeTold(), ["tentative: card 1 went on in a view without this card"]);
  bench.run(wantViewMs);
  assert.equal(bench.take("wantView"), [{ kind: "wantView", previous: 65, promised: 65 }]);
});

test.run();
