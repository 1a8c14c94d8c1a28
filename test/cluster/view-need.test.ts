/** Whether the view that a card holds will do, as tables. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import {
  canWaitForMore,
  isLeaseWanted,
  isViewDue,
  lackWithout,
  mayGoOnWithout,
  objectionTo,
  type Standing,
} from "../../src/cluster/view-need.ts";
import { isHalf, type QuorumFacts, quorumOf } from "../../src/cluster/quorum.ts";

const cards = (...slots: number[]): CardId[] => slots.map((slot) => cardAt(1, slot));
const incarnation = 7;

type Case = {
  /** The slots of the view, and of those of it on Ethernet; none without a view. */
  readonly view?: readonly number[];
  readonly viewEther?: readonly number[];
  readonly would: readonly number[];
  readonly wouldEther?: readonly number[];
  readonly electorate?: readonly number[];
  readonly isHeld?: boolean;
  readonly isWanted?: boolean;
  readonly restarted?: readonly number[];
  readonly own?: number;
  /** Whether those of the would-be view are a quorum; they are unless it is said. */
  readonly isQuorum?: boolean;
};

const held = { held: true, text: "" };

function standingOf(
  {
    view,
    viewEther,
    would,
    wouldEther,
    electorate = [1, 2, 3, 4],
    isHeld = true,
    isWanted = false,
    restarted = [],
    own = 1,
    isQuorum = true,
  }: Case,
): Standing {
  const voting = cards(...electorate);
  const members = cards(...(view ?? []));
  const nodeView: NodeView = {
    number: 64,
    coordinator: members[0] ?? cardAt(1, 1),
    members: members.map((card) => ({ card, incarnation, previous: 0 })),
    ether: cards(...(viewEther ?? view ?? [])),
    absent: voting.filter((card) => !members.includes(card)).map((card) => ({ card, state: "unknown" })),
  };
  const incarnationOf = (card: CardId) => cards(...restarted).includes(card) ? incarnation + 1 : incarnation;
  return {
    card: cardAt(1, own),
    view: view === undefined ? undefined : nodeView,
    isHeld: view !== undefined && isHeld,
    isWanted,
    would: { members: cards(...would), ether: cards(...(wouldEther ?? would)), quorum: { held: isQuorum, text: "" } },
    electorate: voting,
    isMember: (card) => members.includes(card) && incarnationOf(card) === incarnation,
    incarnationOf,
  };
}

test("a view is due when there is none, it does not hold, one is asked for, or another should be", () => {
  const rows: [Case, boolean][] = [
    [{ view: [1, 2, 3], would: [1, 2, 3] }, false],
    [{ would: [1, 2, 3] }, true],
    [{ view: [1, 2, 3], would: [1, 2, 3], isHeld: false }, true],
    [{ view: [1, 2, 3], would: [1, 2, 3], isWanted: true }, true],
    [{ view: [1, 2, 3], would: [1, 2, 3, 4] }, true],
    [{ view: [1, 2, 3], would: [1, 2] }, true],
    [{ view: [1, 2, 3], viewEther: [1, 2], would: [1, 2, 3] }, true],
    [{ view: [1, 2, 3], would: [1, 2, 3], restarted: [3] }, true],
  ];
  for (const [of, isDue] of rows) assert.is(isViewDue(standingOf(of), () => false), isDue, JSON.stringify(of));
});

test("a view is due when its absent cards are others than it says, or more is proven of one", () => {
  const standing = standingOf({ view: [1, 2, 3], would: [1, 2, 3] });
  assert.ok(isViewDue({ ...standing, electorate: cards(1, 2, 3) }, () => false));
  assert.ok(isViewDue(standing, ({ card, state }) => card === cardAt(1, 4) && state === "unknown"));
});

test("a view that only takes cards in waits for others that could come too; one that is needed does not", () => {
  const rows: [Case, readonly number[], boolean][] = [
    // The first view of all: card 4 could come, is proven down, or is in.
    [{ would: [1, 2, 3] }, [], true],
    [{ would: [1, 2, 3] }, [4], false],
    [{ would: [1, 2, 3, 4] }, [], false],
    [{ would: [1, 2, 3, 4], wouldEther: [1, 2, 3] }, [], true],
    // Card 3 comes to a view that goes on.
    [{ view: [1, 2], would: [1, 2, 3], electorate: [1, 2, 3, 4] }, [], true],
    [{ view: [1, 2, 3], would: [1, 2, 3, 4], electorate: [1, 2, 3, 4, 5] }, [], true],
    // A member is lost, and those who stay are too few to go on without the new one.
    [{ view: [1, 2, 3], would: [1, 2, 4], electorate: [1, 2, 3, 4, 5] }, [], true],
    // It is needed: a member is lost, it does not hold any more, or a member has asked.
    [{ view: [1, 2, 3, 4], would: [1, 2, 3, 5], electorate: [1, 2, 3, 4, 5] }, [], false],
    [{ view: [1, 2, 3], would: [1, 2, 3, 4], electorate: [1, 2, 3, 4, 5], isHeld: false }, [], false],
    [{ view: [1, 2, 3], would: [1, 2, 3, 4], electorate: [1, 2, 3, 4, 5], isWanted: true }, [], false],
    // Nobody comes.
    [{ view: [1, 2, 3], would: [1, 2, 3], electorate: [1, 2, 3, 4, 5] }, [], false],
  ];
  for (const [of, notAwaited, canWait] of rows) {
    const standing = standingOf(of);
    const facts = {
      electorate: standing.electorate,
      tieBreak: cardAt(1, 4),
      witness: "none",
      isContinuing: () => true,
      proofOf: () => undefined,
      startedAt: () => 0,
    } as const;
    assert.is(canWaitForMore(standing, facts, cards(...notAwaited)), canWait, `${JSON.stringify(of)} ${notAwaited}`);
    assert.ok(quorumOf(standing.electorate, facts).held);
  }
});

test("HA-15: the coordinator of a half wants the lease, for the view that should be and for the one that leans on it", () => {
  const rows: [Case, boolean][] = [
    [{ would: [1, 2] }, true],
    [{ would: [1, 2], own: 2 }, false],
    [{ would: [1, 2, 3] }, false],
    [{ would: [1, 2, 3], wouldEther: [1, 2] }, true],
    [{ view: [1, 2], would: [1, 2, 3, 4] }, true],
    [{ view: [1, 2], would: [1, 2, 3, 4], isHeld: false }, false],
    [{ view: [1, 2], would: [1, 2, 3, 4], own: 2 }, false],
    [{ view: [1, 2, 3], viewEther: [1, 2], would: [1, 2, 3, 4] }, true],
  ];
  for (const [of, isWanted] of rows) assert.is(isLeaseWanted(standingOf(of)), isWanted, JSON.stringify(of));
});

test("HA-15: against exactly half speaks a card outside that lives and refuses, against more than half nobody", () => {
  const electorate = cards(1, 2, 3, 4);
  const isAgainst = (card: CardId) => card === cardAt(1, 3);
  const would = (slots: readonly number[]) => ({ members: cards(...slots), ether: [], quorum: held });
  assert.ok(isHalf(cards(1, 2), electorate));
  assert.is(objectionTo(would([1, 2]), electorate, isAgainst), "2 of 4 cards, and card 3 lives and does not agree: no quorum");
  assert.is(objectionTo(would([1, 2]), electorate, () => false), undefined);
  assert.is(objectionTo(would([1, 3]), electorate, isAgainst), undefined);
  assert.is(objectionTo(would([1, 2, 4]), electorate, isAgainst), undefined);
  assert.is(objectionTo({ ...would([1, 2]), quorum: { held: false, text: "" } }, electorate, isAgainst), undefined);
});

const goesOn: readonly (readonly [what: string, standing: Case, lost: number, heard: readonly number[], may: boolean])[] = [
  ["two of three hear each other", { view: [1, 2, 3], would: [1, 2, 3], electorate: [1, 2, 3] }, 3, [2], true],
  ["one that hears nobody", { view: [1, 2, 3], would: [1, 2, 3], electorate: [1, 2, 3] }, 3, [], false],
  ["half with the tie-break card", { view: [1, 2, 3, 4], would: [1, 2, 3, 4] }, 4, [2], true],
  ["half without the tie-break card", { view: [1, 2, 3, 4], would: [1, 2, 3, 4], own: 3 }, 1, [4], false],
  ["either one of two cards", { view: [1, 2], would: [1, 2], electorate: [1, 2], own: 2 }, 1, [], true],
  ["a card without Ethernet", { view: [1, 2, 3], viewEther: [1, 2], would: [1, 2, 3], electorate: [1, 2, 3], own: 3 }, 1, [2], false],
  ["a card whose view is being agreed on anew", { view: [1, 2, 3], would: [1, 2, 3], isHeld: false, electorate: [1, 2, 3] }, 3, [2], true],
  [
    "a card whose view does not hold, without a quorum in sight",
    { view: [1, 2, 3], would: [1], isHeld: false, isQuorum: false, electorate: [1, 2, 3] },
    3,
    [2],
    false,
  ],
];
for (const [what, standing, lost, heard, may] of goesOn) {
  test(`${what} ${may ? "may" : "may not"} have another one stopped before there is another view`, () => {
    const electorate = cards(...(standing.electorate ?? [1, 2, 3, 4]));
    const facts = {
      electorate,
      tieBreak: undefined,
      witness: "none",
      isContinuing: () => true,
      proofOf: () => undefined,
      startedAt: () => -Infinity,
    } as const;
    assert.is(mayGoOnWithout(cardAt(1, lost), standingOf(standing), facts, (other) => cards(...heard).includes(other)), may);
  });
}

test("whom the others could not do without, and why: a receipt of its end helps a half, the witness is believed to give its lease", () => {
  const lack = (view: readonly number[], lost: number, isFenceable: boolean, more: Partial<QuorumFacts> = {}) => {
    const { view: nodeView } = standingOf({ view, would: view });
    const facts: QuorumFacts = {
      electorate: cards(1, 2, 3, 4),
      tieBreak: undefined,
      witness: "none",
      isContinuing: () => true,
      proofOf: () => undefined,
      startedAt: () => -Infinity,
      ...more,
    };
    return lackWithout(cardAt(1, lost), nodeView as NodeView, facts, isFenceable);
  };
  const powerless = { proofOf: (card: CardId) => card === cardAt(1, 4) ? ({ receipt: "power", at: 5 } as const) : undefined };
  assert.is(lack([1, 2, 3, 4], 1, false), undefined, "three of four");
  assert.is(lack([1, 2, 3], 3, false), undefined, "half with the tie-break card");
  assert.is(lack([1, 2, 3], 1, false, powerless), "2 of 4 cards, without the tie-break card 1: no quorum");
  assert.is(lack([1, 2, 3], 1, true), "2 of 4 cards, without the tie-break card 1: no quorum", "of card 4 nothing is known");
  assert.is(lack([1, 2, 3], 1, true, powerless), undefined, "both others are proven down");
  assert.is(lack([1, 2], 2, true), "1 of 4 cards: no quorum");
  assert.is(lack([1, 2, 3], 1, false, { witness: "missing" }), undefined);
  assert.is(lack([1, 2, 3], 2, false, { electorate: cards(1, 2, 3, 4, 5) }), "2 of 5 cards: no quorum");
});

test.run();
