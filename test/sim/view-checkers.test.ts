import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { cardSetOf } from "../../src/base/card-set.ts";
import type { Agreement, Checker, Scene, Step } from "../../src/sim/checker.ts";
import type { MembershipStatus, NodeStatus } from "../../src/node/status.ts";
import type { Run, SimCard } from "../../src/sim/sim-card.ts";
import { EqualViews, OneSide, OneView, Promised, ProvenAbsent, Quorum, ViewsGrow } from "../../src/sim/view-checkers.ts";
import { Views, type ViewStatus } from "../../src/sim/views.ts";

type Options = { readonly tieBreak?: number; readonly witness?: boolean; readonly disabled?: readonly number[] };
type Wish = {
  readonly members: readonly number[];
  readonly ether?: readonly number[];
  readonly down?: readonly number[];
  readonly unknown?: readonly number[];
  readonly previous?: number;
  readonly incarnations?: readonly number[];
  readonly coordinator?: number;
};

/** Cards 1 to `count` that say of views what a test has them say. */
function rig(count: number, options: Options = {}) {
  const views = new Views();
  const checkers: readonly Checker[] = [
    new EqualViews(views),
    new ViewsGrow(views),
    new Promised(views),
    new Quorum(views),
    new ProvenAbsent(views),
    new OneSide(views),
    new OneView(views),
  ];
  const wrongs: string[] = [];
  const leases = new Set<Run>();
  const says = new Map<SimCard, MembershipStatus>();
  const cards = Array.from({ length: count }, (_, index) => {
    const id = index + 1 as CardId;
    return { id, label: `card ${id}`, isTwin: false, senseWrongUpTo: 0, reservedView: 2048, run: undefined } as unknown as SimCard;
  });
  const scene = {
    at: 0,
    cards,
    options: { baud: 1, cards: cards.map(({ id }) => id), ...options },
    lease: { wasHeldBy: (run: Run) => leases.has(run) },
    statusOf: (card: SimCard) => ({ membership: says.get(card) }),
  } as unknown as Scene;
  const note = (checker: Checker, wrong: string | undefined) => {
    if (wrong !== undefined) wrongs.push(`${checker.name}: ${wrong}`);
  };
  const start = (id: number, incarnation = 1) => {
    const card = cards[id - 1] as SimCard;
    card.run = { identity: { card: card.id, incarnation }, leaving: false, failingAt: Infinity, stall: undefined } as unknown as Run;
  };
  const agree = (id: number, message: Agreement) => {
    const card = cards[id - 1] as SimCard;
    for (const checker of checkers) note(checker, checker.agreement?.(card, card.run as Run, message));
  };
  const promise = (id: number, number: number) => agree(id, { kind: "promiseView", number, previous: 0, down: new Uint8Array() });
  const propose = (id: number, number: number, members: readonly number[]) => {
    const set = cardSetOf(id as CardId, members as readonly CardId[]);
    agree(id, { kind: "proposeView", number, members: set, incarnations: members.map(() => 1), ether: set });
  };
  const say = (id: number, membership: MembershipStatus) => {
    const card = cards[id - 1] as SimCard;
    const run = card.run as Run;
    says.set(card, membership);
    const status = { membership } as unknown as NodeStatus;
    const step = { card, run, status, view: views.note(scene, card, run, status), effects: [] } as unknown as Step;
    for (const checker of checkers) note(checker, checker.step?.(step, scene));
  };
  const viewOf = (
    number: number,
    { members, ether = members, down = [], unknown = [], previous = 2, incarnations, coordinator }: Wish,
  ): ViewStatus => ({
    number,
    coordinator: (coordinator ?? Math.min(...members)) as CardId,
    members: members.map((card, index) => ({
      card: card as CardId,
      incarnation: incarnations?.[index] ?? 1,
      previous,
      ether: ether.includes(card),
    })),
    absent: [
      ...down.map((card) => ({ card: card as CardId, state: "down" as const })),
      ...unknown.map((card) => ({
        card: card as CardId,
        state: "unknown" as const,
      })),
    ],
  });
  /** A card takes over a view. */
  const take = (id: number, number: number, wish: Wish, state?: "confirmed" | "unconfirmed" | "tentative") =>
    say(id, {
      state: state ?? ((wish.unknown ?? []).length > 0 ? "unconfirmed" : "confirmed"),
      view: viewOf(number, wish),
      electorate: [],
      quorum: { held: true, text: "" },
      ticks: [],
      history: [],
    });
  /** All promise, and all take over. */
  const commit = (number: number, wish: Wish) => {
    const coordinator = Math.min(...wish.members);
    propose(coordinator, number, wish.members);
    for (const id of wish.members) if (id !== coordinator) promise(id, number);
    for (const id of wish.members) take(id, number, wish);
  };
  for (let id = 1; id <= count; id++) start(id);
  return { cards, scene, checkers, leases, start, promise, propose, take, commit, wrongs };
}
type Rig = ReturnType<typeof rig>;

test("a right history is right", () => {
  const { commit, cards, wrongs } = rig(3);
  commit(64, { members: [1, 2, 3], previous: 0 });
  (cards[2] as SimCard).run = undefined;
  commit(128, { members: [1, 2], unknown: [3] });
  commit(192, { members: [1, 2], down: [3] });
  assert.equal(wrongs, []);
});

const wrongHistories: readonly (readonly [string, RegExp, Rig, (rig: Rig) => void])[] = [
  [
    "two views of one number",
    /^equal-views: took over view 64 by 1 of 1:1<0, 2:1<0.*, and card 1/,
    rig(3),
    ({ propose, promise, take }) => {
      propose(1, 64, [1, 2, 3]);
      for (const id of [2, 3]) promise(id, 64);
      take(1, 64, { members: [1, 2, 3], previous: 0 });
      take(2, 64, { members: [1, 2], unknown: [3], previous: 0 });
    },
  ],
  ["a number that goes back over a restart", /^views-grow: took over view 64 after view 128/, rig(3), ({ start, commit, take }) => {
    commit(128, { members: [1, 2, 3], previous: 0 });
    start(3, 2);
    take(3, 64, { members: [1, 2, 3], previous: 0 });
  }],
  ["a view without oneself", /^views-grow: incarnation 2 is no member/, rig(3), ({ start, commit, take }) => {
    start(3, 2);
    commit(64, { members: [1, 2], unknown: [3] });
    take(3, 64, { members: [1, 2], unknown: [3] });
  }],
  ["a view that nobody promised", /^promised: view 64 .* card 3 has not promised/, rig(3), ({ propose, promise, take }) => {
    propose(1, 64, [1, 2, 3]);
    promise(2, 64);
    take(1, 64, { members: [1, 2, 3], previous: 0 });
  }],
  ["a promise of an earlier run", /^promised: view 64 .* card 3 has not promised/, rig(3), ({ start, propose, promise, take }) => {
    propose(1, 64, [1, 2, 3]);
    promise(2, 64);
    promise(3, 64);
    start(3, 2);
    take(1, 64, { members: [1, 2, 3], previous: 0, incarnations: [1, 1, 2] });
  }],
  ["a promise that goes back", /^promised: promiseView 64 after 128/, rig(3), ({ start, promise }) => {
    promise(3, 128);
    start(3, 2);
    promise(3, 64);
  }],
  ["a promise that is not reserved", /^promised: promiseView 4096, and only 2048 is reserved/, rig(3), ({ promise }) => promise(3, 4096)],
  ["a number proposed twice", /^promised: proposes view 64 of .*, and has proposed/, rig(3), ({ propose }) => {
    propose(1, 64, [1, 2, 3]);
    propose(1, 64, [1, 2]);
  }],
  ["another card's number", /^promised: proposes view 65, which is card 2's/, rig(3), ({ propose }) => propose(1, 65, [1, 2, 3])],
  ["a minority", /^quorum: .* no quorum of cards 1, 2, 3/, rig(3), ({ commit }) => commit(64, { members: [1], unknown: [2, 3] })],
  ["a half without the tie-break card", /^quorum/, rig(2), ({ commit }) => commit(65, { members: [2], unknown: [1] })],
  [
    "a half whose tie-break card has just started",
    /^quorum/,
    rig(2),
    ({ commit }) => commit(64, { members: [1], unknown: [2], previous: 0 }),
  ],
  ["a half without the witness's lease", /^quorum/, rig(2, { witness: true }), ({ commit }) => commit(64, { members: [1], unknown: [2] })],
  [
    "a member without a vote",
    /^quorum: .* card 3 has no vote/,
    rig(3, { disabled: [3] }),
    ({ commit }) => commit(64, { members: [1, 2, 3] }),
  ],
  [
    "a minority that orders messages",
    /^quorum: .* cards 1 alone are no quorum/,
    rig(3),
    ({ commit }) => commit(64, { members: [1, 2, 3], ether: [1] }),
  ],
  [
    "a coordinator that is not the lowest",
    /^quorum: .* its lowest card is 1/,
    rig(3),
    ({ commit }) => commit(64, { members: [1, 2, 3], coordinator: 3 }),
  ],
  ["a confirmed view with an unknown card", /^proven-absent: confirmed/, rig(3), ({ propose, promise, take }) => {
    propose(1, 64, [1, 2]);
    promise(2, 64);
    take(1, 64, { members: [1, 2], unknown: [3] }, "confirmed");
  }],
  ["a card called down that runs", /^proven-absent: .* card 3 still runs as incarnation 1/, rig(3), ({ commit }) => {
    commit(64, { members: [1, 2, 3] });
    commit(128, { members: [1, 2], down: [3] });
  }],
  ["two sides", /^one-side: holds view 130 .* while card 1 holds view 128/, rig(4), ({ commit }) => {
    commit(64, { members: [1, 2, 3, 4] });
    commit(128, { members: [1, 2], unknown: [3, 4] });
    commit(130, { members: [3, 4], unknown: [1, 2] });
  }],
];
for (const [what, expected, world, happens] of wrongHistories) {
  test(`found: ${what}`, () => {
    happens(world);
    assert.ok(world.wrongs.some((wrong) => expected.test(wrong)), `found ${world.wrongs.join("; ") || "nothing"}`);
  });
}

const rightHistories: readonly (readonly [string, Rig, (rig: Rig) => void])[] = [
  ["a half with the tie-break card of before", rig(2), ({ commit }) => commit(64, { members: [1], unknown: [2] })],
  ["a half with another tie-break card", rig(2, { tieBreak: 2 }), ({ commit }) => commit(65, { members: [2], unknown: [1] })],
  ["a half with the others down", rig(2), ({ commit, cards }) => {
    (cards[0] as SimCard).run = undefined;
    commit(65, { members: [2], down: [1], previous: 0 });
  }],
  ["a half with the witness's lease", rig(2, { witness: true }), ({ commit, cards, leases }) => {
    leases.add((cards[1] as SimCard).run as Run);
    commit(65, { members: [2], unknown: [1] });
  }],
  ["a card that restarted is down as what it was", rig(3), ({ commit, start }) => {
    commit(64, { members: [1, 2, 3] });
    start(3, 2);
    commit(128, { members: [1, 2], down: [3] });
  }],
  ["a card that leaves is down", rig(3), ({ commit, cards }) => {
    commit(64, { members: [1, 2, 3] });
    ((cards[2] as SimCard).run as Run).leaving = true;
    commit(128, { members: [1, 2], down: [3] });
  }],
  ["a lying power sense is the world's fault", rig(3), ({ commit, cards }) => {
    commit(64, { members: [1, 2, 3] });
    (cards[2] as SimCard).senseWrongUpTo = 1;
    commit(128, { members: [1, 2], down: [3] });
  }],
  ["a side that has noticed is none", rig(4), ({ commit, take }) => {
    commit(64, { members: [1, 2, 3, 4] });
    for (const id of [3, 4]) take(id, 64, { members: [1, 2, 3, 4] }, "tentative");
    commit(128, { members: [1, 2], unknown: [3, 4] });
  }],
];
for (const [what, world, happens] of rightHistories) {
  test(`right: ${what}`, () => {
    happens(world);
    assert.equal(world.wrongs, []);
  });
}

test("in the end there is one view of all, and it is confirmed", () => {
  const settled = ({ scene, checkers }: Rig) =>
    checkers.map((checker) => checker.settled?.(scene)?.detail).find((detail) => detail !== undefined);
  const world = rig(2);
  world.commit(64, { members: [1, 2] });
  assert.is(settled(world), undefined);
  world.take(2, 64, { members: [1, 2] }, "tentative");
  assert.match(settled(world) ?? "", /^is tentative/);
  world.commit(128, { members: [1, 2], ether: [] });
  assert.match(settled(world) ?? "", /not all of it on Ethernet/);
  world.commit(192, { members: [1], unknown: [2] });
  assert.match(settled(world) ?? "", /without card 2/);
});

test.run();
