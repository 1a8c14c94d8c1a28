/**
 * Properties of the assignment over drawn systems (HA-13, FS-3, FS-5; design.md section 6): total, stable, deterministic, with the fewest moves, one
 * Primary for each set and epoch, nothing of an unknown card started elsewhere, no role in quarantine.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { assign, type Assignment, nothingAssigned } from "../../src/failover/assignment.ts";
import type { Facts } from "../../src/failover/facts.ts";
import { type Item, place } from "../../src/failover/placement.ts";
import { PlanWorld } from "./plan-world.ts";

const runs = { numRuns: Number(process.env.RUNS ?? 80), seed: process.env.SEED === undefined ? 20_240_607 : Number(process.env.SEED) };

type SetShape = {
  readonly composition: "single" | "n-way" | "hierarchical";
  readonly members: readonly number[];
  readonly services: readonly { readonly weight: number; readonly priority: number; readonly apart: boolean; readonly together: boolean }[];
};

type Event =
  | { readonly kind: "up" | "down" | "unknown" | "drain" | "undrain" | "behind" | "current"; readonly card: number }
  | { readonly kind: "quarantine" | "lift" | "maintenance" | "service"; readonly card: number }
  | { readonly kind: "failing" | "degraded" | "good"; readonly card: number }
  | { readonly kind: "switch"; readonly card: number; readonly set: number }
  | { readonly kind: "failed"; readonly card: number; readonly set: number }
  | { readonly kind: "wait"; readonly minutes: number };

const cardsMax = 6;
const cardNumber = fc.integer({ min: 1, max: cardsMax });
const setShape: fc.Arbitrary<SetShape> = fc.record({
  composition: fc.constantFrom("single" as const, "n-way" as const, "hierarchical" as const),
  members: fc.uniqueArray(cardNumber, { minLength: 1, maxLength: 5 }),
  services: fc.array(
    fc.record({
      weight: fc.integer({ min: 0, max: 40 }),
      priority: fc.integer({ min: 0, max: 1 }),
      apart: fc.boolean(),
      together: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
});
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constantFrom(
      "up" as const,
      "down" as const,
      "unknown" as const,
      "drain" as const,
      "undrain" as const,
      "behind" as const,
      "current" as const,
    ),
    card: cardNumber,
  }),
  fc.record({
    kind: fc.constantFrom("quarantine" as const, "lift" as const, "maintenance" as const, "service" as const),
    card: cardNumber,
  }),
  fc.record({ kind: fc.constantFrom("failing" as const, "degraded" as const, "good" as const), card: cardNumber }),
  fc.record({ kind: fc.constant("switch" as const), card: cardNumber, set: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ kind: fc.constant("failed" as const), card: cardNumber, set: fc.integer({ min: 0, max: 2 }) }),
  fc.record({ kind: fc.constant("wait" as const), minutes: fc.integer({ min: 1, max: 40 }) }),
);

/** Hierarchical sets have the set before them as their first member, where that is no member yet. */
function worldOf(shapes: readonly SetShape[], automatic: boolean): PlanWorld {
  const world = new PlanWorld();
  world.run(`cards 1-${cardsMax}`);
  if (automatic) world.run("policy failback automatic");
  const taken = new Set<number>();
  for (const [index, { composition, members, services }] of shapes.entries()) {
    const child = composition === "hierarchical" && index > 0 && !taken.has(index - 1) ? [`set:s${index - 1}`] : [];
    if (child.length > 0) taken.add(index - 1);
    world.run(`set s${index} ${composition} ${[...child, ...members].join(" ")}`);
    for (const [at, { weight, priority, apart, together }] of services.entries()) {
      const words = [apart ? "apart=a" : "", together && !apart ? "together=t" : ""].filter((word) => word !== "");
      world.run(`service v${index}${at} s${index} weight=${weight} priority=${priority} ${words.join(" ")}`.trim());
    }
  }
  return world;
}

function apply(world: PlanWorld, event: Event): void {
  switch (event.kind) {
    case "wait":
      return void world.run(`wait ${event.minutes}min`);
    case "quarantine":
      return void world.run(`quarantine ${event.card} for=30min drawn`);
    case "maintenance":
      return void world.run(`maintenance ${event.card} on`);
    case "service":
      return void world.run(`maintenance ${event.card} off`);
    case "failing":
    case "degraded":
    case "good":
      return void world.run(`health ${event.card} ${event.kind} drawn`);
    case "switch":
      return void world.run(`switch s${event.set} ${event.card}`);
    case "failed":
      for (const unit of [`s${event.set}`, `s${event.set}/v${event.set}0`, `s${event.set}/+t`]) world.run(`failed ${unit} ${event.card}`);
      return;
    default:
      return void world.run(`${event.kind} ${event.card}`);
  }
}

const story = fc.record({
  shapes: fc.array(setShape, { minLength: 1, maxLength: 3 }),
  automatic: fc.boolean(),
  events: fc.array(fc.array(event, { minLength: 1, maxLength: 3 }), { maxLength: 8 }),
});

function eachStep(check: (world: PlanWorld, before: Assignment) => void): void {
  fc.assert(
    fc.property(story, ({ shapes, automatic, events }) => {
      const world = worldOf(shapes, automatic);
      let before = nothingAssigned;
      world.run("plan");
      check(world, before);
      for (const group of events) {
        for (const one of group) apply(world, one);
        before = world.assignment;
        world.run("plan");
        check(world, before);
      }
    }),
    runs,
  );
}

/** Whether a card may have nothing. What an unknown one has stays with it, whatever else is said of it. */
const isForcedOut = (card: CardId, { cards, now }: Facts) => {
  const state = cards.get(card);
  if (state?.state === "unknown") return false;
  return state === undefined || state.state === "down" || state.maintenance !== undefined || state.drained !== undefined ||
    (state.quarantine !== undefined && state.quarantine.until > now);
};

test("stable: what was just assigned is assigned again, and nothing moves", () => {
  eachStep((world) => {
    const again = assign(world.config, world.facts, world.assignment);
    assert.equal(again.moves, []);
    assert.equal([...again.sets], [...world.assignment.sets]);
    assert.equal([...again.services], [...world.assignment.services]);
  });
});

test("deterministic: the order in which rows and facts are held does not matter", () => {
  eachStep((world, before) => {
    const { config, facts } = world;
    const turned = <Key, Value>(map: ReadonlyMap<Key, Value>) => new Map([...map].reverse());
    const turnedFacts: Facts = { ...facts, cards: turned(facts.cards), units: turned(facts.units) };
    const turnedBefore: Assignment = { ...before, sets: turned(before.sets), services: turned(before.services) };
    const again = assign(config, turnedFacts, turnedBefore);
    assert.equal([...again.sets], [...world.assignment.sets]);
    assert.equal(again.moves, world.assignment.moves);
  });
});

test("a card in quarantine, in maintenance, drained or down has no role and no service", () => {
  eachStep(({ facts, assignment }) => {
    for (const { seats, primary } of assignment.sets.values()) {
      for (const { card, role } of seats) {
        if (isForcedOut(card, facts)) assert.ok(role === "unassigned" || role === "failed", `card ${card} is ${role}`);
      }
      if (primary !== undefined) assert.not(isForcedOut(primary.card, facts));
    }
    for (const { owner } of assignment.services.values()) if (owner !== undefined) assert.not(isForcedOut(owner.card, facts));
  });
});

test("FS-5: exactly one Primary and one Secondary where two may be, at most one otherwise; each seat has one role", () => {
  eachStep(({ assignment }) => {
    for (const { seats, primary, isDormant } of assignment.sets.values()) {
      const count = (wanted: string) => seats.filter(({ role }) => role === wanted).length;
      assert.is(count("primary"), primary === undefined ? 0 : 1);
      assert.ok(count("secondary") <= 1);
      if (count("alternate") > 0) assert.is(count("secondary"), 1);
      if (isDormant) assert.is(primary, undefined);
      assert.is(new Set(seats.map(({ card, seat }) => `${card} ${seat}`)).size, seats.length);
    }
  });
});

test("epochs grow with each new Primary and each new owner, and only then", () => {
  eachStep(({ assignment }, before) => {
    for (const [id, { epoch, primary }] of assignment.sets) {
      const was = before.sets.get(id);
      const isNew = primary !== undefined && (primary.card !== was?.primary?.card || primary.seat !== was.primary.seat);
      assert.is(epoch, (was?.epoch ?? 0) + (isNew ? 1 : 0));
    }
    for (const [id, { epoch, owner }] of assignment.services) {
      const was = before.services.get(id);
      assert.is(epoch, (was?.epoch ?? 0) + (owner !== undefined && owner.card !== was?.owner?.card ? 1 : 0));
    }
  });
});

test("what an unknown card has stays with it", () => {
  eachStep(({ facts, assignment }, before) => {
    for (const [id, { owner }] of before.services) {
      if (owner === undefined || facts.cards.get(owner.card)?.state !== "unknown") continue;
      assert.equal(assignment.services.get(id)?.owner, owner);
      assert.is(assignment.services.get(id)?.state, "held");
    }
    for (const [id, { primary }] of before.sets) {
      if (primary === undefined || facts.cards.get(primary.card)?.state !== "unknown") continue;
      if (assignment.sets.get(id)?.isDormant !== true) assert.equal(assignment.sets.get(id)?.primary, primary, id);
    }
  });
});

test("services of single and hierarchical sets are where the Primary is", () => {
  eachStep(({ config, assignment }) => {
    for (const { service, set, owner, state } of assignment.services.values()) {
      if (config.sets.get(set)?.composition === "n-way" || state !== "placed") continue;
      const { primary } = assignment.sets.get(set) as NonNullable<ReturnType<typeof assignment.sets.get>>;
      assert.is(owner?.card, primary?.card, service);
    }
  });
});

test("those that stay together are together, those apart are apart, unless one of them cannot leave where it is", () => {
  eachStep(({ config, assignment, facts }) => {
    const onCards = new Map<string, Set<CardId>>();
    for (const { service, owner, set, state } of assignment.services.values()) {
      const row = config.services.get(service);
      if (owner === undefined || state === "held" || config.sets.get(set)?.composition !== "n-way") continue;
      if (row?.together !== undefined) {
        const key = `${set} ${row.together}`;
        onCards.set(key, new Set([...onCards.get(key) ?? [], owner.card]));
      }
    }
    for (const [key, cards] of onCards) assert.is(cards.size, 1, key);
    const apart = new Map<string, string>();
    for (const { service, owner, set, state } of assignment.services.values()) {
      const row = config.services.get(service);
      if (owner === undefined || state === "held" || row?.apart === undefined || config.sets.get(set)?.composition !== "n-way") continue;
      if (facts.cards.get(owner.card)?.state === "unknown") continue;
      const key = `${set} ${row.apart} ${owner.card}`;
      assert.is(apart.get(key), undefined, `${service} and ${apart.get(key)}`);
      apart.set(key, service);
    }
  });
});

test("nothing moves without cause: while all cards stay as they are, no other set's service moves", () => {
  eachStep(({ facts, config, assignment }, before) => {
    const isWell = (card: CardId) => {
      const state = facts.cards.get(card);
      return state?.state === "up" && state.health !== "failing" && !isForcedOut(card, facts);
    };
    for (const { rule, from, to, reason } of assignment.moves) {
      if (from === undefined || !isWell(from.card)) continue;
      // It left a card that is well: then somebody wanted it, or something had nowhere else to go.
      assert.ok(
        ["switch", "failback", "automatic-failback", "rebalance", "shed", "parent", "failed-here"].includes(rule),
        `${rule}: ${reason} ${from.card} -> ${to?.card}`,
      );
      if (rule === "automatic-failback") assert.ok([...config.sets.values()].some(({ failback }) => failback === "automatic"));
    }
    void before;
  });
});

// Placement against brute force.

type Draw = {
  readonly capacities: readonly number[];
  readonly items: readonly {
    readonly weight: number;
    readonly home: number;
    readonly allowed: readonly boolean[];
    readonly apart: boolean;
    readonly priority: number;
  }[];
};

const cardCount = 3;
const draw = (weights: fc.Arbitrary<number>): fc.Arbitrary<Draw> =>
  fc.record({
    capacities: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: cardCount, maxLength: cardCount }),
    items: fc.array(
      fc.record({
        weight: weights,
        home: fc.integer({ min: -1, max: cardCount - 1 }),
        allowed: fc.array(fc.boolean(), { minLength: cardCount, maxLength: cardCount }),
        apart: fc.boolean(),
        priority: fc.integer({ min: 0, max: 1 }),
      }),
      { maxLength: 6 },
    ),
  });

function itemsOf({ capacities, items }: Draw, withPriority: boolean): Item[] {
  const loads = capacities.map(() => 0);
  const apartOn = new Set<number>();
  return items.map(({ weight, home, allowed, apart, priority }, index): Item => {
    const cards = allowed.flatMap((isAllowed, card) => isAllowed ? [card] : []);
    const fits = home >= 0 && allowed[home] === true && (loads[home] as number) + weight <= (capacities[home] as number) &&
      !(apart && apartOn.has(home));
    if (fits) {
      loads[home] = (loads[home] as number) + weight;
      if (apart) apartOn.add(home);
    }
    return {
      id: `i${index}`,
      priority: withPriority ? priority : 0,
      cost: 1,
      candidates: cards.map((card) => ({ card, weight, tier: 0 })),
      ...(fits ? { home: cards.indexOf(home), movable: true } : {}),
      pushes: true,
      apart: apart ? ["word"] : [],
    };
  });
}

function isAllowed(items: readonly Item[], capacities: readonly number[], places: readonly (number | "none" | "fallback")[]): boolean {
  const loads = capacities.map(() => 0);
  const apart = new Set<number>();
  for (const [index, item] of items.entries()) {
    const at = places[index];
    if (typeof at !== "number") continue;
    const { card, weight } = item.candidates[at] as { card: number; weight: number };
    loads[card] = (loads[card] as number) + weight;
    if (item.apart.length > 0 && apart.has(card)) return false;
    if (item.apart.length > 0) apart.add(card);
  }
  return loads.every((load, card) => load <= (capacities[card] as number));
}

/** The fewest moves with which all items of `wanted` have a place; undefined when they cannot. */
function fewestMoves(items: readonly Item[], capacities: readonly number[], wanted: readonly boolean[]): number | undefined {
  let best: number | undefined;
  const places: (number | "none")[] = items.map(() => "none");
  const walk = (index: number, moves: number): void => {
    if (best !== undefined && moves >= best) return;
    if (!isAllowed(items, capacities, places)) return;
    if (index === items.length) {
      best = moves;
      return;
    }
    if (!wanted[index]) return walk(index + 1, moves);
    const { candidates, home } = items[index] as Item;
    for (const at of candidates.keys()) {
      places[index] = at;
      walk(index + 1, moves + (home !== undefined && at !== home ? 1 : 0));
    }
    places[index] = "none";
  };
  walk(0, 0);
  return best;
}

function movesOf(items: readonly Item[], places: readonly (number | "none" | "fallback")[]): number {
  return items.filter(({ home }, index) => home !== undefined && places[index] !== home).length;
}

for (const [name, weights] of [["equal", fc.constant(1)], ["different", fc.integer({ min: 0, max: 2 })]] as const) {
  test(`placement with ${name} weights: all are served where that is possible, with the fewest moves there are`, () => {
    fc.assert(
      fc.property(draw(weights), (drawn) => {
        const items = itemsOf(drawn, false);
        const places = place(items, drawn.capacities);
        assert.ok(isAllowed(items, drawn.capacities, places), "capacity and apartness hold");
        const fewest = fewestMoves(items, drawn.capacities, items.map(() => true));
        if (fewest === undefined) return;
        assert.ok(places.every((at) => at !== "none"), `served all: ${JSON.stringify(places)}`);
        assert.is(movesOf(items, places), fewest);
      }),
      { ...runs, numRuns: 12 * runs.numRuns },
    );
  });
}

test("placement moves the unit of fewer services, when either would make room", () => {
  const on = (card: number) => ({ card, weight: 1, tier: 0 });
  const item = (id: string, cost: number, cards: readonly number[], home?: number): Item => ({
    id,
    priority: 0,
    cost,
    candidates: cards.map(on),
    ...(home === undefined ? {} : { home, movable: true }),
    pushes: true,
    apart: [],
  });
  // A third one finds no room at all, so they are placed one after the other.
  const items = [item("a", 3, [0, 2], 0), item("b", 1, [1, 2], 0), item("c", 1, [0, 1]), item("d", 1, [0])];
  const places = place(items, [1, 1, 1]);
  assert.is(places.filter((at) => at === "none").length, 1);
  assert.is(places[1], 1, "b moves");
  assert.is(places[0], 0, "a stays");
});

test("placement never stops what runs for what is not more important, and serves the more important ones first", () => {
  fc.assert(
    fc.property(draw(fc.constant(1)), (drawn) => {
      const items = itemsOf(drawn, true);
      const places = place(items, drawn.capacities);
      assert.ok(isAllowed(items, drawn.capacities, places));
      for (const [index, item] of items.entries()) {
        if (places[index] !== "none" || item.candidates.length === 0) continue;
        if (item.home !== undefined) assert.is(item.priority, 0, "only the less important is stopped");
        // Nobody less important is served while this one could be in its stead.
        const wanted = items.map((other, at) => places[at] !== "none" && (other.priority >= item.priority || at === index));
        wanted[index] = true;
        assert.is(fewestMoves(items, drawn.capacities, wanted), undefined, `${item.id} could have been served`);
      }
    }),
    { ...runs, numRuns: 12 * runs.numRuns },
  );
});

test("64 cards and 200 services: a few milliseconds, from nothing and after a failure", () => {
  const world = new PlanWorld();
  world.run("cards 1-64 capacity=40");
  world.run("set all n-way 1-64");
  for (let at = 0; at < 200; at++) world.run(`service v${at} all weight=10`);
  const { config } = world;
  const timeOf = (facts: Facts, before: Assignment): readonly [Assignment, number] => {
    let best = Infinity;
    let result = nothingAssigned;
    for (let round = 0; round < 5; round++) {
      const from = performance.now();
      result = assign(config, facts, before);
      best = Math.min(best, performance.now() - from);
    }
    return [result, best];
  };
  const [first, coldMs] = timeOf(world.facts, nothingAssigned);
  const [, stillMs] = timeOf(world.facts, first);
  world.run("down 7");
  const [after, failoverMs] = timeOf(world.facts, first);
  assert.ok(after.moves.length >= 3);
  if (process.env.FIGURES === "1") console.log({ coldMs, stillMs, failoverMs });
  assert.ok(coldMs < 200 && stillMs < 50 && failoverMs < 50, `${coldMs} ${stillMs} ${failoverMs} ms`);
});

test("64 cards and 200 services of all weights and importance, apart in tens, and a third of the cards gone: a bounded amount of work", () => {
  const world = new PlanWorld();
  world.run("cards 1-64 capacity=40");
  world.run("set all n-way 1-64");
  for (let at = 0; at < 200; at++) world.run(`service v${at} all weight=${5 + (at * 7) % 14} priority=${at % 3} apart=w${at % 20}`);
  const first = assign(world.config, world.facts, nothingAssigned);
  world.run("down 1-20");
  const from = performance.now();
  const after = assign(world.config, world.facts, first);
  const tookMs = performance.now() - from;
  if (process.env.FIGURES === "1") console.log({ overloadMs: tookMs });
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  const priorities = [...after.services.values()].filter(({ state }) => state === "unserved").map(({ service }) =>
    world.config.services.get(service)?.priority
  );
  assert.ok(priorities.every((priority) => priority === 0), "only the least important are left out");
});

test.run();
