import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { ApplicationEvent, GroupView, Member } from "../../src/cluster/application.ts";
import { Applications, type Client } from "../../src/sim/applications.ts";
import type { Checker, Scene } from "../../src/sim/checker.ts";
import { EqualGroupViews, OneOrder, OrderRecord, SentOnce } from "../../src/sim/order-checkers.ts";
import type { Run, SimCard } from "../../src/sim/sim-card.ts";
import { Views, type ViewStatus } from "../../src/sim/views.ts";

const group = "alpha";

/** Cards whose applications are told what a test says, and the checkers that see it. */
function rig() {
  const views = new Views();
  const record = new OrderRecord(views);
  const checkers: readonly Checker[] = [new OneOrder(record), new SentOnce(record), new EqualGroupViews(record)];
  const wrongs: string[] = [];
  const scene = { at: 0, cards: [] as SimCard[], later: () => {} };
  const applications = new Applications(
    {
      world: scene,
      tell: () => {},
      onMissing: () => {},
      onEvent: (client, event) => {
        for (const checker of checkers) {
          const wrong = checker.event?.({ ...scene, applications } as unknown as Scene, client, event);
          if (wrong !== undefined) wrongs.push(`${checker.name}: ${wrong}`);
        }
      },
    },
    new Prng(1),
  );

  /** A card's run and its one application, which joins when its card has entered an epoch. */
  const start = (id: number, incarnation = 1) => {
    const place = { epoch: 0, delivered: 0 };
    const run = {
      identity: { card: id as CardId, incarnation },
      program: { order: () => place },
      clients: 0,
    } as unknown as Run;
    const card = { id: id as CardId, label: `card ${id}`, run } as unknown as SimCard;
    applications.join(card, group, { critical: false, monitorMs: 0, shared: false, watches: false });
    const client = applications.clients.at(-1) as Client;
    const tell = (event: ApplicationEvent) => applications.onEvent(run, client.number, event);
    let asked = 1;
    return {
      client,
      member: { card: id as CardId, number: 1, name: `p${client.id}`, critical: false } satisfies Member,
      enter: (epoch: number) => {
        place.epoch = epoch;
        record.epochOf(run);
      },
      send: (text = "") => {
        applications.send(card, group, [text]);
        asked = client.requests;
      },
      acknowledge: (sequence: number) => tell({ kind: "sent", request: asked, group, sequence }),
      refuse: () => tell({ kind: "refused", request: asked, code: "busy", message: "" }),
      tell,
    };
  };
  type Card = ReturnType<typeof start>;
  const view = (number: number, ...cards: readonly Card[]): GroupView => ({ number, members: cards.map(({ member }) => member) });
  const join = (card: Card, sequence: number, of: GroupView) =>
    card.tell({ kind: "joined", request: 1, group, sequence, member: card.member, view: of });
  /** The `number`th message of `from` is delivered to `to`. */
  const message = (to: Card, sequence: number, from: Card, number: number, inView = 1) =>
    to.tell({
      kind: "message",
      group,
      sequence,
      view: inView,
      from: from.member,
      data: from.client.sent[number - 1]?.data ?? new Uint8Array(9),
    });
  const change = (to: Card, sequence: number, of: GroupView, member: Member, how: "joined" | "left" | "exited" | "returned") =>
    to.tell({ kind: "view", group, sequence, view: of, changes: [{ member, change: how }] });
  const lose = (card: Card, sequence: number) => card.tell({ kind: "lost", group, sequence, reason: "away" });
  /** A node view of these incarnations of cards, all of them on Ethernet. */
  const agree = (number: number, ...cards: readonly Card[]) => {
    const members = cards.map(({ client }) => ({
      card: client.run.identity.card,
      incarnation: client.run.identity.incarnation,
      previous: 0,
      ether: true,
    }));
    const status = { number, coordinator: members[0]?.card, members, absent: [] } as unknown as ViewStatus;
    views.seen.set(number, { number, status, text: "", by: cards[0]?.client.card as SimCard, runs: new Map() });
    for (const card of cards) card.enter(number);
  };
  return { start, view, join, message, change, lose, agree, wrongs };
}

/** Two members that have joined in epoch 64 with sequences 2 and 3, in group view 2. */
function two() {
  const world = rig();
  const one = world.start(1);
  const other = world.start(2);
  world.agree(64, one, other);
  world.join(one, 2, world.view(1, one));
  world.join(other, 3, world.view(2, one, other));
  world.change(one, 3, world.view(2, one, other), other.member, "joined");
  for (let time = 0; time < 5; time++) {
    one.send(`${time}`);
    other.send(`${time}`);
  }
  return { ...world, one, other };
}

test("a right history is right", () => {
  const { one, other, message, wrongs } = two();
  for (const to of [one, other]) {
    message(to, 4, one, 1, 2);
    message(to, 5, other, 1, 2);
    message(to, 6, one, 2, 2);
  }
  one.acknowledge(7);
  assert.equal(wrongs, []);
});

const wrongHistories: readonly (readonly [string, RegExp, (world: ReturnType<typeof two>) => void])[] = [
  ["two orders", /^one-order: sequence 4 is message 1 of client 1 on card 2/, ({ one, other, message }) => {
    message(one, 4, one, 1, 2);
    message(other, 4, other, 1, 2);
  }],
  [
    "a message that one goes past",
    /^one-order: client 1 on card 2 went from 3 to 5 and did not get message 1 of client 0/,
    ({ one, other, message }) => {
      message(one, 4, one, 1, 2);
      message(other, 5, other, 1, 2);
    },
  ],
  [
    "a message before what another has got",
    /^one-order: message 1 of client 0 .* has sequence 4, and client 0 on card 1 has gone on to 5/,
    ({ one, other, message }) => {
      message(one, 5, other, 1, 2);
      message(other, 4, one, 1, 2);
    },
  ],
  ["an order that goes back", /^one-order: client 0 on card 1 got message 4 after 5/, ({ one, other, message }) => {
    message(one, 5, other, 1, 2);
    message(one, 4, one, 1, 2);
  }],
  ["an acknowledged message that a member goes past", /^one-order: client 1 on card 2 went from 3 to 6/, ({ one, other, message }) => {
    one.acknowledge(5);
    message(other, 6, other, 1, 2);
  }],
  ["two acknowledgments for one place", /^one-order: acknowledged: sequence 5/, ({ one, other }) => {
    one.acknowledge(5);
    other.acknowledge(5);
  }],
  ["a message twice", /^sent-once: client 0 on card 1 got message 1 of client 0 on card 1 to alpha at 4 and at 5/, ({ one, message }) => {
    message(one, 4, one, 1, 2);
    message(one, 5, one, 1, 2);
  }],
  ["a message of nobody", /^sent-once: .* that nobody sent/, ({ one, message }) => message(one, 4, one, 99, 2)],
  [
    "a message in another's name",
    /^sent-once: message 1 .* came from 2\.1/,
    ({ one, other }) =>
      one.tell({ kind: "message", group, sequence: 4, view: 2, from: other.member, data: one.client.sent[0]?.data as Uint8Array }),
  ],
  ["a sender's messages out of turn", /^sent-once: .* got message 1 .* after number 2/, ({ one, message }) => {
    message(one, 4, one, 2, 2);
    message(one, 5, one, 1, 2);
  }],
  ["a sender's message left out", /^sent-once: .* got message 3 .* without message 2/, ({ one, message }) => {
    message(one, 4, one, 1, 2);
    message(one, 5, one, 3, 2);
  }],
  [
    "a message in two group views",
    /^one-order: .* was delivered in view 3 of its group, and in view 2/,
    ({ one, other, message, change, view }) => {
      message(one, 5, one, 1, 2);
      change(other, 4, view(3, other), one.member, "exited");
      message(other, 5, one, 1, 3);
    },
  ],
  [
    "a message outside of the view that it names",
    /^equal-group-views: .* got a message of view 1 in view 2/,
    ({ one, message }) => message(one, 4, one, 1, 1),
  ],
  ["two group views at one place", /^equal-group-views: .* another view 3 of 2\.1 there/, ({ one, other, change, view }) => {
    change(other, 4, view(3, other), one.member, "exited");
    change(one, 4, view(3, one), other.member, "exited");
  }],
  [
    "a group view that does not follow on the one before",
    /^equal-group-views: .*: view 4 after view 2/,
    ({ other, one, change, view }) => change(other, 4, view(4, other), one.member, "exited"),
  ],
  [
    "a change that is not named",
    /^equal-group-views: .*: member 2\.1 is not accounted for/,
    ({ one, change, view }) => change(one, 4, view(3), one.member, "exited"),
  ],
  ["an order begun anew while somebody knew it", /^one-order: sequence 4 is/, (world) => {
    const { one, message, agree, start, join, view } = world;
    message(one, 4, one, 1, 2);
    const again = start(2, 2);
    // Card 1 was there, and it had delivered 4.
    agree(130, one, again);
    join(again, 3, view(2, one, again));
    again.send();
    message(again, 4, again, 1, 2);
  }],
  ["a lost place that nobody is told of", /^one-order: .* was not told that it lost its place: sequence 4 is message 1/, (world) => {
    const { one, other, message, agree, start, join, view } = world;
    message(one, 4, one, 1, 2);
    message(one, 5, other, 1, 2);
    const again = start(2, 2);
    const third = start(3);
    agree(130, again, third);
    join(again, 3, view(1, again));
    again.send();
    message(again, 4, again, 1, 1);
    agree(192, one, again, third);
    message(one, 6, other, 2, 2);
  }],
];
for (const [what, expected, happens] of wrongHistories) {
  test(`found: ${what}`, () => {
    const world = two();
    assert.equal(world.wrongs, []);
    happens(world);
    assert.match(world.wrongs[0] ?? "nothing", expected);
  });
}

test("when nobody who knew the order is left, places are given again; who comes back and is told so goes on", () => {
  const { one, other, message, agree, start, join, lose, view, wrongs } = two();
  message(one, 4, one, 1, 2);
  message(other, 4, one, 1, 2);
  const again = start(2, 2);
  const third = start(3);
  agree(130, again, third);
  join(again, 2, view(1, again));
  again.send();
  message(again, 3, again, 1, 1);
  agree(192, one, again, third);
  lose(one, 5);
  again.send();
  message(again, 6, again, 2, 1);
  message(one, 6, again, 2, 1);
  assert.equal(wrongs, []);
});

test("a message that was refused is no gap", () => {
  const { one, message, wrongs } = two();
  message(one, 4, one, 4, 2);
  one.refuse();
  one.send();
  message(one, 5, one, 6, 2);
  assert.equal(wrongs, []);
});

test.run();
