import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardSetOf, cardsIn } from "../../src/base/card-set.ts";
import { cardAt, type CardId, chassisOf, type LinkKind } from "../../src/base/ids.ts";
import {
  Membership,
  type MembershipInput,
  type MembershipMessage,
  type MembershipOutput,
  type MembershipSettings,
} from "../../src/cluster/membership.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import { surveyOf } from "../../src/cluster/would-be.ts";
import { nextNumber, ViewNumbers } from "../../src/cluster/view-numbers.ts";
import {
  viewHistoryMax,
  viewMuteMs,
  viewNumbersReserved,
  viewResendMs,
  viewResendsMax,
  viewSetbackMs,
  wantViewMs,
} from "../../src/limits.ts";
import type { CommitView, ProposeView } from "../../src/wire/message.ts";

const [c1, c2, c3, c4, c5] = [1, 2, 3, 4, 5].map((slot) => cardAt(1, slot)) as [CardId, CardId, CardId, CardId, CardId];
const far = cardAt(2, 1);
const patience = {
  ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
  serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
};
/** From the last tick of a pair of the view to its end. */
const graceMs = 400;
/** Two periods of the slower link. */
const listenMs = 400;

type Options = Partial<MembershipSettings> & { readonly reservedView?: number; readonly incarnation?: number };

/** One membership service on a hand-driven clock, with peers that say what the test lets them say. Incarnations are 10 + card. */
class Bench {
  now = 1_000;
  readonly card: CardId;
  readonly service: Membership;
  settings: MembershipSettings;
  /** What went out and was not looked at yet. */
  sent: { to: number; message: MembershipMessage }[] = [];
  told: string[] = [];
  others: MembershipOutput[] = [];

  constructor(card: CardId, expected: readonly CardId[], { reservedView = 0, incarnation = 10 + card, ...over }: Options = {}) {
    this.card = card;
    this.settings = { ...patience, expected, disabled: [], witness: false, ...over };
    this.service = new Membership(card, incarnation, reservedView, this.settings, this.now);
    assert.is(this.service.deadline(), this.now);
  }

  say(input: MembershipInput): void {
    const outputs = this.service.step(this.now, input);
    assert.ok(this.service.deadline() > this.now, `deadline ${this.service.deadline()} after ${input.kind} at ${this.now}`);
    for (const output of outputs) {
      if (output.kind === "send") this.sent.push(output);
      else if (output.kind === "notification") {
        const { notification, reason } = output;
        this.told.push(
          notification.kind === "tentative" ? `tentative: ${reason}` : `${notification.kind} ${textOf(notification.view)}: ${reason}`,
        );
      } else this.others.push(output);
    }
  }

  /** Starts it, with its numbers reserved. */
  start(): this {
    this.say({ kind: "tick" });
    const reserve = this.others.find((output) => output.kind === "reserve");
    this.say({ kind: "reserved", upTo: reserve?.kind === "reserve" ? reserve.upTo : 0 });
    return this;
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.service.deadline() <= end) {
      this.now = Math.max(this.now, this.service.deadline());
      this.say({ kind: "tick" });
    }
    this.now = end;
  }

  /** A heartbeat of a card, our own included, that ticks `ticks` on each link that they share. */
  beat(
    from: CardId,
    ticks: readonly CardId[],
    over: { link?: LinkKind; ether?: readonly CardId[]; serial?: readonly CardId[]; etherPort?: boolean; view?: number } = {},
  ): void {
    const { link = "ether", etherPort = true } = over;
    const near = (cards: readonly CardId[]) => cards.filter((card) => chassisOf(card) === chassisOf(from) && card !== from);
    const ether = (over.ether ?? ticks).filter((card) => card !== from);
    const beat = {
      kind: "heartbeat",
      etherPort,
      serialPort: true,
      etherTicks: cardSetOf(from, link === "ether" ? ether : near(ether)),
      serialTicks: cardSetOf(from, near(over.serial ?? ticks)),
      view: over.view ?? 0,
    } as const;
    if (from === this.card) this.say({ kind: "ownBeat", link, beat });
    else this.say({ kind: "beat", link, from, beat });
  }

  hear(...cards: CardId[]): void {
    for (const card of cards) {
      if (card === this.card) continue;
      this.say({ kind: "heard", card, incarnation: 10 + card });
      this.say({ kind: "cardHealth", card, health: "healthy" });
    }
  }

  /** All of `cards` hear each other, and say so. */
  mesh(cards: readonly CardId[]): void {
    this.hear(...cards);
    for (const card of cards) this.beat(card, cards);
  }

  from(card: CardId, message: MembershipMessage, incarnation = 10 + card): void {
    this.say({ kind: "message", from: card, incarnation, message });
  }

  /** The messages of a kind that went out since they were last taken. */
  take<Kind extends MembershipMessage["kind"]>(kind: Kind): Extract<MembershipMessage, { kind: Kind }>[] {
    const taken = this.sent.map(({ message }) => message).filter((message): message is Extract<MembershipMessage, { kind: Kind }> =>
      message.kind === kind
    );
    this.sent = this.sent.filter(({ message }) => message.kind !== kind);
    return taken;
  }

  takeTold(): string[] {
    const told = this.told;
    this.told = [];
    return told;
  }

  promise(card: CardId, proposal: ProposeView, previous = 0, down: readonly CardId[] = []): void {
    this.from(card, { kind: "promiseView", number: proposal.number, previous, down: cardSetOf(card, down) });
  }

  refuse(card: CardId, number: number, promised: number, missing: readonly CardId[] = []): void {
    this.from(card, { kind: "refuseView", number, promised, missing: cardSetOf(card, missing) });
  }

  /** As the coordinator: a view of `cards`, all promising. */
  lead(cards: readonly CardId[]): ProposeView {
    this.mesh(cards);
    this.run(listenMs);
    return this.agree();
  }

  /** All members of the last proposal promise. */
  agree(): ProposeView {
    const proposal = last(this.take("proposeView"));
    for (const card of cardsIn(this.card, proposal.members)) {
      if (card !== this.card) this.promise(card, proposal, this.service.view()?.number ?? 0);
    }
    return proposal;
  }

  /** As a member: `coordinator` proposes `cards` (each as incarnation 10 + card), and commits if we promise. */
  propose(coordinator: CardId, number: number, cards: readonly CardId[], ether = cards): void {
    this.from(coordinator, {
      kind: "proposeView",
      number,
      members: cardSetOf(coordinator, cards),
      incarnations: cards.map((card) => 10 + card),
      ether: cardSetOf(coordinator, ether),
    });
  }

  commit(
    coordinator: CardId,
    number: number,
    cards: readonly CardId[],
    over: { ether?: readonly CardId[]; down?: readonly CardId[]; previous?: number } = {},
  ): void {
    const { ether = cards, down = [], previous = 0 } = over;
    const unknown = this.settings.expected.filter((card) =>
      !cards.includes(card) && !down.includes(card) && !this.settings.disabled.includes(card)
    );
    this.from(coordinator, {
      kind: "commitView",
      number,
      members: cardSetOf(coordinator, cards),
      incarnations: cards.map((card) => 10 + card),
      previous: cards.map(() => previous),
      ether: cardSetOf(coordinator, ether),
      down: cardSetOf(coordinator, down),
      unknown: cardSetOf(coordinator, unknown),
    });
  }

  follow(coordinator: CardId, number: number, cards: readonly CardId[]): void {
    this.mesh(cards);
    this.propose(coordinator, number, cards);
    this.commit(coordinator, number, cards);
    assert.is(this.service.view()?.number, number);
    this.sent = [];
    this.told = [];
  }

  down(card: CardId): void {
    this.say({ kind: "cardHealth", card, health: "down" });
  }
}

function last<Item>(items: readonly Item[]): Item {
  assert.ok(items.length > 0, "there is one");
  return items[items.length - 1] as Item;
}

function textOf({ members, ether, absent }: NodeView): string {
  const cards = members.map(({ card }) => card);
  const serial = cards.filter((card) => !ether.includes(card));
  return [
    cards.join(" "),
    ...(serial.length === 0 ? [] : [`serial ${serial.join(" ")}`]),
    ...absent.map(({ card, state }) => `${card} ${state}`),
  ].join(", ");
}

const membersOf = (card: CardId, { members }: ProposeView | CommitView) => cardsIn(card, members);

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
  other.commit(c1, 64, [c1, c2, c3]);
  assert.equal(other.sent, [], "number 65 is not card 1's, a view of card 1 is not card 3's, and 64 was not promised");
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
  restarted.say({ kind: "heard", card: c3, incarnation: 23 });
  restarted.beat(c3, []);
  assert.equal(membersOf(c1, restarted.agree()), [c1, c2], "it hears nobody yet");
  restarted.from(c3, { kind: "wantView", previous: 0, promised: 0 }, 23);
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
