/** Generations: the decision table row by row, and drawn histories of writes, losses and promotions against an oracle that knows all writes. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { generationsKeptMax, legsMax, legStateBytesMax } from "../../src/limits.ts";
import {
  compare,
  type Copy,
  firstChain,
  type Generation,
  Generations,
  leaveOut,
  noGeneration,
  startOver,
} from "../../src/storage/generation.ts";
import { decodeLegState, encodeLegState, isLaterMemory, type LegState } from "../../src/storage/leg-state.ts";
import { CopyWorld, type Move } from "./copy-world.ts";

const runs = { numRuns: Number(process.env.RUNS ?? 1_500), seed: process.env.SEED === undefined ? 20_240_611 : Number(process.env.SEED) };

const g = (name: string) => `1.${name.padStart(16, "0")}` as Generation;
type Draft = {
  readonly current: string;
  readonly since?: Record<string, string>;
  readonly history?: string;
  readonly consistent?: boolean;
};
const copy = (leg: string, { current, since = {}, history = "", consistent = true }: Draft): Copy => ({
  leg,
  consistent,
  current: g(current),
  since: new Map(Object.entries(since).map(([other, at]) => [other, { generation: g(at), full: false }])),
  history: [...history].map(g),
});

const table: readonly (readonly [string, Draft | undefined, Draft | undefined, unknown, unknown])[] = [
  ["both are blank", undefined, undefined, { kind: "blank" }, { kind: "blank" }],
  ["theirs is blank", { current: "1" }, undefined, { kind: "source", full: true }, { kind: "target", full: true }],
  ["equal", { current: "1" }, { current: "1" }, { kind: "equal" }, { kind: "equal" }],
  [
    "I went on without it",
    { current: "2", since: { b: "1" }, history: "1" },
    { current: "1" },
    { kind: "source", full: false },
    { kind: "target", full: false },
  ],
  [
    "its misses are known since another one",
    { current: "3", since: { b: "2" }, history: "21" },
    { current: "1" },
    { kind: "source", full: true },
    { kind: "target", full: true },
  ],
  ["it is in my past", { current: "3", history: "21" }, { current: "1" }, { kind: "source", full: true }, { kind: "target", full: true }],
  [
    "both went on",
    { current: "2", since: { b: "1" }, history: "1" },
    { current: "3", since: { a: "1" }, history: "1" },
    { kind: "splitBrain", ancestor: g("1") },
    { kind: "splitBrain", ancestor: g("1") },
  ],
  [
    "each says that the other one missed something",
    { current: "2", since: { b: "3" }, history: "1" },
    { current: "3", since: { a: "2" }, history: "1" },
    { kind: "splitBrain", ancestor: g("1") },
    { kind: "splitBrain", ancestor: g("1") },
  ],
  ["nothing in common", { current: "2", history: "1" }, { current: "4", history: "3" }, { kind: "unrelated" }, { kind: "unrelated" }],
  [
    "it synchronizes, and its misses are known",
    { current: "2", since: { b: "1" }, history: "1" },
    { current: "1", consistent: false },
    { kind: "source", full: false },
    { kind: "target", full: false },
  ],
  [
    "it synchronizes with what I do not know",
    { current: "2", history: "1" },
    { current: "9", consistent: false },
    { kind: "source", full: true },
    { kind: "target", full: true },
  ],
  [
    "it synchronizes and I am what it descends from",
    { current: "1" },
    { current: "2", history: "1", consistent: false },
    { kind: "source", full: true },
    { kind: "target", full: true },
  ],
  ["both synchronize", { current: "1", consistent: false }, { current: "2", consistent: false }, { kind: "noSource" }, {
    kind: "noSource",
  }],
  ["mine synchronizes, theirs is blank", { current: "1", consistent: false }, undefined, { kind: "noSource" }, { kind: "noSource" }],
];
for (const [name, a, b, mine, theirs] of table) {
  test(`PB-10: two copies are compared: ${name}`, () => {
    const [left, right] = [a && copy("a", a), b && copy("b", b)];
    assert.equal(compare(left, right), mine);
    assert.equal(compare(right, left), theirs);
  });
}

test("PB-10: a copy that starts over is a target in part, of a bitmap with all bits set", () => {
  const chain = startOver({ ...copy("a", { current: "4", history: "3" }) }, "b", g("7"));
  assert.equal(compare({ ...chain, leg: "a", consistent: true }, copy("b", { current: "7", consistent: false })), {
    kind: "source",
    full: false,
  });
  assert.is(chain.since.get("b")?.full, true);
});

test("PB-10: who is out already has missed writes since then, and not only since the next one went", () => {
  const chain = leaveOut(leaveOut({ current: g("1"), since: new Map(), history: [] }, ["b"], g("2")), ["b", "c"], g("3"));
  assert.equal([...chain.since], [["b", { generation: g("1"), full: false }], ["c", { generation: g("2"), full: false }]]);
  assert.equal(chain.history, [g("2"), g("1")]);
});

test("PB-10: generations of one start do not repeat, and name their term", () => {
  const generations = new Generations("00000000deadbeef");
  const drawn = Array.from({ length: 1_000 }, () => generations.next(12));
  assert.is(new Set(drawn).size, drawn.length);
  assert.ok(drawn.every((generation) => /^12\.[0-9a-f]{16}$/.test(generation)));
});

test("HA-12: the largest state of a leg fits its superblock, and comes back as it was", () => {
  const legs = Array.from({ length: legsMax }, (_, index) => String(index).padEnd(32, "x"));
  const generations = new Generations("0123456789abcdef");
  const term = Number.MAX_SAFE_INTEGER;
  const first = firstChain(generations.next(term), []);
  const state: LegState = {
    ...first,
    term,
    revision: term,
    leg: legs[0] as string,
    consistent: false,
    acknowledged: false,
    inSync: legs,
    since: new Map(legs.slice(1).map((leg) => [leg, { generation: generations.next(term), full: false }])),
    history: Array.from({ length: generationsKeptMax }, () => generations.next(term)),
  };
  const bytes = encodeLegState(state);
  assert.ok(bytes.length <= legStateBytesMax, `${bytes.length} bytes`);
  assert.equal(decodeLegState(bytes), { ...state, inSync: [...legs].sort() });
  assert.is(decodeLegState(bytes.slice(1)), undefined);
  assert.is(decodeLegState(new TextEncoder().encode('{"term":-1}')), undefined);
  assert.ok(isLaterMemory({ ...state, revision: 1 }, { ...state, term: 3 }));
  assert.is(firstChain(g("1"), ["b"]).since.get("b")?.generation, noGeneration);
});

const leg = fc.nat({ max: 3 });
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("write" as const), session: leg, block: fc.nat({ max: 7 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("torn" as const), session: leg, block: fc.nat({ max: 7 }), landed: fc.nat({ max: 15 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lose" as const), session: leg, leg }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("promote" as const), leg, reached: fc.nat({ max: 15 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("connect" as const),
      session: leg,
      leg,
      interruptAt: fc.option(fc.nat({ max: 7 }), { freq: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("resolve" as const), session: leg, leg }) },
);

test("PB-10: ordered histories: what is compared is equal or a target that loses nothing, and never a split brain", () => {
  let partials = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), fc.array(move, { maxLength: 120, size: "max" }), (legs, moves) => {
      const world = new CopyWorld(legs, true);
      for (const each of moves) world.run(each);
      assert.is(world.splits, 0);
      partials += world.partials;
    }),
    runs,
  );
  assert.ok(partials > runs.numRuns, `${partials} partial synchronizations`);
});

test("PB-10: histories in which anybody is promoted: no acknowledged write is overwritten without an operator's word", () => {
  let splits = 0;
  let partials = 0;
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 4 }), fc.array(move, { maxLength: 120, size: "max" }), (legs, moves) => {
      const world = new CopyWorld(legs, false);
      for (const each of moves) world.run(each);
      splits += world.splits;
      partials += world.partials;
    }),
    runs,
  );
  assert.ok(splits > runs.numRuns / 10 && partials > runs.numRuns, `${splits} split brains, ${partials} partial synchronizations`);
});

test.run();
