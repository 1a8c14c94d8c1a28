/** Grants: each legal transition is walked, each step is legal, and nobody is granted what another card may have (FS-5, HA-15). */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import {
  type Grant,
  type GrantEvent,
  type GrantOrder,
  type GrantState,
  grantTransitions,
  idleGrant,
  isHeld,
  stepGrant,
} from "../../src/failover/grant.ts";

const card = (number: number) => number as CardId;

/** Says the states that a list of events walks through, and the orders on the way. */
function walk(
  events: readonly GrantEvent[],
  from: Grant = idleGrant,
): { readonly states: readonly GrantState[]; readonly orders: readonly GrantOrder[]; readonly grant: Grant } {
  const states: GrantState[] = [from.state];
  const orders: GrantOrder[] = [];
  let grant = from;
  for (const event of events) {
    const step = stepGrant(grant, event);
    if (step.grant.state !== grant.state) states.push(step.grant.state);
    orders.push(...step.orders);
    grant = step.grant;
  }
  return { states, orders, grant };
}

const wanted = (to: number | undefined): GrantEvent => ({ kind: "wanted", to: to === undefined ? undefined : card(to) });
const started = (by: number, epoch: number): GrantEvent => ({ kind: "started", by: card(by), epoch });
const failed = (by: number, epoch: number): GrantEvent => ({ kind: "failed", by: card(by), epoch });
const released = (by: number): GrantEvent => ({ kind: "released", by: card(by) });
const stopFailed = (by: number): GrantEvent => ({ kind: "stopFailed", by: card(by) });
const proven = (number: number): GrantEvent => ({ kind: "proven", card: card(number) });
const retry = (by: number): GrantEvent => ({ kind: "retry", by: card(by) });

/** One walk to each state. */
const running = [wanted(1), started(1, 1)];
const walks: readonly { readonly name: string; readonly events: readonly GrantEvent[]; readonly states: readonly GrantState[] }[] = [
  { name: "first start", events: running, states: ["idle", "starting", "running"] },
  {
    name: "planned move",
    events: [...running, wanted(2), released(1), started(2, 2)],
    states: ["idle", "starting", "running", "releasing", "starting", "running"],
  },
  { name: "takeover", events: [...running, proven(1), wanted(2)], states: ["idle", "starting", "running", "proven", "starting"] },
  {
    name: "the holder dies while it stops",
    events: [...running, wanted(2), proven(1), wanted(2)],
    states: ["idle", "starting", "running", "releasing", "proven", "starting"],
  },
  {
    name: "it stops for good",
    events: [...running, wanted(undefined), released(1)],
    states: ["idle", "starting", "running", "releasing", "idle"],
  },
  {
    name: "its last card dies and nobody else can",
    events: [...running, proven(1), wanted(undefined)],
    states: ["idle", "starting", "running", "proven", "idle"],
  },
  {
    name: "a start fails, and is tried there again",
    events: [wanted(1), failed(1, 1), retry(1), started(1, 1)],
    states: ["idle", "starting", "failed", "starting", "running"],
  },
  {
    name: "what ran ends, and goes elsewhere once it is cleaned up",
    events: [...running, failed(1, 1), wanted(2), released(1)],
    states: ["idle", "starting", "running", "failed", "releasing", "starting"],
  },
  {
    name: "it fails and its card dies",
    events: [...running, failed(1, 1), proven(1)],
    states: ["idle", "starting", "running", "failed", "proven"],
  },
  { name: "the winner dies while it starts", events: [wanted(1), proven(1)], states: ["idle", "starting", "proven"] },
  { name: "wanted elsewhere while it starts", events: [wanted(1), wanted(2)], states: ["idle", "starting", "releasing"] },
];

for (const { name, events, states } of walks) test(`walk: ${name}`, () => assert.equal(walk(events).states, states));

test("every legal transition is walked", () => {
  const seen = new Set<string>();
  for (const { states } of walks) for (let at = 1; at < states.length; at++) seen.add(`${states[at - 1]} ${states[at]}`);
  const missing: string[] = [];
  for (const [from, followers] of Object.entries(grantTransitions)) {
    for (const to of followers) if (!seen.has(`${from} ${to}`)) missing.push(`${from} ${to}`);
  }
  assert.equal(missing, []);
});

test("a grant is one order, to the winner alone", () => {
  const { orders } = walk([wanted(1), wanted(2), released(1)]);
  assert.equal(orders.map((order) => `${order.kind} ${order.card}`), ["grant 1", "release 1", "grant 2"]);
});

test("a stop that fails ends in a fence, ordered once; only its proof goes on", () => {
  const { orders, grant } = walk([...running, wanted(2), stopFailed(1), stopFailed(1)]);
  assert.equal(orders.map(({ kind }) => kind), ["grant", "release", "fence"]);
  assert.is(grant.state, "releasing");
  assert.is(stepGrant(stepGrant(grant, proven(1)).grant, wanted(2)).grant.holder, 2);
});

test("answers to an older epoch are nothing", () => {
  const { grant } = walk([...running, wanted(2), released(1)]);
  for (const event of [started(2, 1), failed(1, 1), released(1), retry(2), started(1, 2)]) {
    assert.is(stepGrant(grant, event).grant, grant);
  }
});

test("a holder that dies takes along who was to have it: that is decided anew", () => {
  const { grant } = walk([...running, wanted(2), proven(1)]);
  assert.is(grant.target, undefined);
  assert.is(stepGrant(grant, wanted(3)).grant.holder, 3);
});

const anyCard = fc.integer({ min: 1, max: 3 });
const anyEpoch = fc.integer({ min: 0, max: 6 });
const anyEvent: fc.Arbitrary<GrantEvent> = fc.oneof(
  fc.option(anyCard, { nil: undefined }).map(wanted),
  anyCard.map(released),
  anyCard.map(stopFailed),
  anyCard.map(proven),
  anyCard.map(retry),
  fc.tuple(anyCard, anyEpoch).map(([by, epoch]) => started(by, epoch)),
  fc.tuple(anyCard, anyEpoch).map(([by, epoch]) => failed(by, epoch)),
);

test("whatever comes: steps are legal, epochs grow by one with each grant, and a card that may have it has let go before another one is granted", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      let grant = idleGrant;
      /** Cards that were granted it and have neither said that they stopped nor been proven down. */
      const mayHave = new Set<number>();
      for (const event of events) {
        const { grant: next, orders } = stepGrant(grant, event);
        if (event.kind === "released" && grant.state === "releasing" && event.by === grant.holder) mayHave.delete(event.by);
        if (event.kind === "proven") mayHave.delete(event.card);
        assert.ok(
          next.state === grant.state || grantTransitions[grant.state].includes(next.state),
          `${grant.state} -> ${next.state} on ${event.kind}`,
        );
        for (const order of orders) {
          if (order.kind !== "grant") continue;
          assert.is(mayHave.size, 0, `card ${[...mayHave].join()} may still have it`);
          assert.is(order.epoch, grant.epoch + 1);
          mayHave.add(order.card);
        }
        assert.ok(next.epoch === grant.epoch || orders.some(({ kind }) => kind === "grant"));
        assert.is(isHeld(next), next.holder !== undefined, next.state);
        if (next.state === "idle") assert.is(next.target, undefined);
        grant = next;
      }
    }),
    { numRuns: 3_000, seed: 7 },
  );
});

test.run();
