import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { emptyHead, levelChangeset } from "../../src/config/chain.ts";
import type { Head } from "../../src/config/change.ts";
import type { Proposed, ReplicaEntry } from "../../src/config/replica-entry.ts";
import { type Outcome, ReplicaState, type Snapshot } from "../../src/config/replica-state.ts";

const [one, two, three] = [1, 2, 3].map((slot) => cardAt(1, slot)) as [CardId, CardId, CardId];
const rows = (text: string): Proposed => ({
  kind: "rows",
  author: "a",
  comment: "",
  key: "",
  time: 0,
  changeset: new TextEncoder().encode(text),
});
const snapshot: Snapshot = {
  replicas: [one, two, three],
  accepted: emptyHead,
  level: 1,
  lineage: 64,
  levels: [],
  line: [],
  parts: undefined,
};
const propose = (state: ReplicaState, text: string, base: Head = state.accepted): ReplicaEntry => {
  return { kind: "propose", id: 1, base: base.hash, proposals: [rows(text)] };
};
const announce = (head: Head): ReplicaEntry => ({ kind: "announce", head, level: 1, levelMax: 1, held: false, seen: 0 });
const accepted = (outcome: Outcome): Head => {
  if (outcome.kind !== "accepted") throw new Error(outcome.kind);
  return outcome.changes.at(-1) as Head;
};

test("a proposal is accepted from a replica upon the accepted head, and refused from anybody else or upon another", () => {
  const state = new ReplicaState(snapshot);
  const first = accepted(state.apply(64, one, propose(state, "a")));
  assert.equal(state.accepted, { sequence: 1, epoch: 64, hash: first.hash });
  assert.is(state.apply(64, two, propose(state, "b", emptyHead)).kind, "refused");
  assert.equal(state.line, [two]);
  assert.is(state.apply(64, cardAt(1, 4), propose(state, "c")).kind, "refused");
  assert.equal(state.line, [two]);
  accepted(state.apply(64, two, propose(state, "b")));
  assert.equal(state.line, []);
});

test("who announces itself, leaves or comes back is no replica until it says that it has caught up with the accepted head", () => {
  const state = new ReplicaState(snapshot);
  assert.is(state.apply(64, two, announce(emptyHead)).kind, "replicas");
  assert.equal(state.replicas, [one, three]);
  const head = accepted(state.apply(64, one, propose(state, "a")));
  assert.is(state.apply(64, two, { kind: "caughtUp", head: emptyHead }).kind, "none");
  assert.is(state.apply(64, two, { kind: "caughtUp", head }).kind, "replicas");
  assert.equal(state.replicas, [one, two, three]);
  assert.ok(state.drop([one]));
  assert.equal(state.replicas, [two, three]);
});

test("parts: the first takes the place, nothing else is accepted until the last, and its card's end frees it", () => {
  const state = new ReplicaState(snapshot);
  const part = (index: number, text: string): ReplicaEntry => ({
    kind: "part",
    id: 9,
    index,
    count: 3,
    data: new TextEncoder().encode(text),
    first: index === 0 ? { base: state.accepted.hash, proposal: rows("") } : undefined,
  });
  assert.is(state.apply(64, one, part(0, "a")).kind, "none");
  assert.is(state.busy, one);
  assert.is(state.apply(64, two, propose(state, "b")).kind, "refused");
  assert.is(state.apply(64, two, { ...part(0, "x"), id: 3 } as ReplicaEntry).kind, "refused");
  assert.is(state.apply(64, one, part(1, "b")).kind, "none");
  // A card that comes to know the state here has not seen the beginning.
  const late = new ReplicaState(state.snapshot());
  const outcome = state.apply(64, one, part(2, "c"));
  assert.is(outcome.kind === "accepted" && new TextDecoder().decode(outcome.changes[0]?.changeset), "abc");
  assert.is(late.apply(64, one, part(2, "c")).kind, "missed");
  // In parts or not, the hash is the same.
  const whole = new ReplicaState(snapshot);
  assert.equal(accepted(whole.apply(64, one, propose(whole, "abc"))).hash, state.accepted.hash);
  state.apply(64, one, part(0, "a"));
  state.drop([one]);
  assert.is(state.busy, undefined);
  assert.is(state.apply(64, one, part(1, "b")).kind, "none");
  accepted(state.apply(64, two, propose(state, "b")));
});

test("a level only rises", () => {
  const state = new ReplicaState(snapshot);
  const migrate = (level: number): ReplicaEntry => {
    const proposal = { ...rows(""), kind: "migrate" as const, changeset: levelChangeset(level) };
    return { kind: "propose", id: 1, base: state.accepted.hash, proposals: [proposal] };
  };
  assert.is(state.apply(64, one, migrate(1)).kind, "refused");
  accepted(state.apply(64, one, migrate(3)));
  assert.is(state.level, 3);
  assert.is(state.apply(64, one, migrate(2)).kind, "refused");
});

test("what more than half of the replicas object to is taken back, and nothing is accepted in that view any more", () => {
  const state = new ReplicaState(snapshot);
  const good = accepted(state.apply(64, one, propose(state, "a")));
  accepted(state.apply(64, two, propose(state, "bad")));
  const object: ReplicaEntry = { kind: "object", head: good, level: 1 };
  assert.is(state.apply(64, one, object).kind, "none");
  assert.is(state.apply(64, three, object).kind, "takenBack");
  assert.equal(state.replicas, [one, three]);
  assert.is(state.accepted.sequence, 1);
  assert.is(state.apply(64, one, propose(state, "c")).kind, "refused");
  accepted(state.apply(128, one, propose(state, "c")));
});

test("an objection counts when those that do not object have gone; of one that is gone it does not", () => {
  const state = new ReplicaState({ ...snapshot, replicas: [one, two] });
  accepted(state.apply(64, two, propose(state, "bad")));
  assert.is(state.apply(64, one, { kind: "object", head: emptyHead, level: 1 }).kind, "none");
  const other = new ReplicaState({ ...snapshot, replicas: [one, two] });
  accepted(other.apply(64, two, propose(other, "good")));
  other.apply(64, one, { kind: "object", head: emptyHead, level: 1 });
  other.drop([one]);
  assert.is(other.settle(64).kind, "none");
  state.drop([two]);
  assert.is(state.settle(64).kind, "takenBack");
  assert.is(state.accepted.sequence, 0);
});

test("a state goes to another card and comes out as it was", () => {
  const state = new ReplicaState(snapshot);
  state.apply(64, one, propose(state, "a"));
  state.apply(64, two, propose(state, "b", emptyHead));
  state.apply(64, three, announce(emptyHead));
  assert.equal(new ReplicaState(state.snapshot()).snapshot(), state.snapshot());
});

test.run();
