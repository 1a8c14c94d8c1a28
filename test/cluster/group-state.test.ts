import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import type { GroupMember } from "../../src/cluster/group-entry.ts";
import { GroupState } from "../../src/cluster/group-state.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import { groupMembersMax, groupsMax } from "../../src/limits.ts";

const [one, two, three] = [1, 2, 3] as [CardId, CardId, CardId];

function viewOf(number: number, members: readonly (readonly [CardId, number])[]): NodeView {
  return {
    number,
    coordinator: members[0]?.[0] as CardId,
    members: members.map(([card, incarnation]) => ({ card, incarnation, previous: 0 })),
    ether: members.map(([card]) => card),
    absent: [],
  };
}

function memberOf(group: string, card: CardId, number: number, incarnation = 1): GroupMember {
  return { group, incarnation, member: { card, number, name: "", critical: false } };
}

const begun = () => GroupState.begun(viewOf(1, [[one, 1], [two, 1]]));

test("HA-6: members stand by card, then number, whatever the order of their coming", () => {
  const state = begun();
  for (const [card, number] of [[two, 2], [one, 9], [two, 1], [one, 10]] as const) state.join(1, memberOf("g", card, number), "joined");
  assert.equal(state.viewOf("g").members.map(({ card, number }) => [card, number]), [[1, 9], [1, 10], [2, 1], [2, 2]]);
  assert.is(state.viewOf("g").number, 4);
});

test("a member that is there already is not added again, and nothing changes", () => {
  const state = begun();
  state.join(1, memberOf("g", one, 1), "joined");
  const before = state.bytes();
  assert.is(state.join(2, memberOf("g", one, 1), "joined"), undefined);
  assert.equal(state.merge(2, [memberOf("g", one, 1)]), []);
  assert.is(state.leave(2, "g", one, 1, 2, "left"), undefined);
  assert.is(state.leave(2, "h", one, 1, 1, "left"), undefined);
  assert.is(state.leave(2, "g", one, 2, 1, "left"), undefined, "of another incarnation");
  assert.equal(state.bytes(), before);
});

test("HA-6: who shares the state is of one incarnation, and knows it; a new one of the card has to take it over", () => {
  for (
    const [incarnation, whole, shares] of [[1, [one, two], true], [1, [one], false], [2, [one, two], false]] as const
  ) {
    const state = begun();
    state.enterEpoch(2, viewOf(2, [[one, 1], [two, incarnation], [three, 1]]), whole);
    assert.is(state.shares(two, incarnation), shares);
    assert.is(state.shares(three, 1), false);
    assert.not(state.isShared());
    state.merge(3, []);
    assert.ok(state.isShared());
  }
});

test("HA-6: an epoch takes out the members of cards that are not in it or have started anew, a view for each group", () => {
  const state = begun();
  for (const [group, card, number] of [["g", one, 1], ["g", two, 1], ["g", two, 2], ["h", two, 3], ["i", one, 2]] as const) {
    state.join(1, memberOf(group, card, number), "joined");
  }
  const changes = state.enterEpoch(9, viewOf(2, [[one, 1], [two, 2]]), [one]);
  assert.equal(
    changes.map(({ group, view, changes: of }) => [
      group,
      view.number,
      of.map(({ member, change }) => `${member.card}.${member.number} ${change}`),
    ]),
    [
      ["g", 4, ["2.1 exited", "2.2 exited"]],
      ["h", 2, ["2.3 exited"]],
    ],
  );
  assert.is(state.memberCount, 2);
});

test("HA-15: members return by card and number, as far as there is room", () => {
  const state = begun();
  for (let number = 1; number <= groupMembersMax - 2; number++) state.join(1, memberOf("g", one, number), "joined");
  const changes = state.merge(2, [memberOf("h", two, 3), memberOf("g", two, 1), memberOf("g", two, 2)]);
  assert.equal(changes.map(({ group, view }) => [group, view.members.length]), [["g", groupMembersMax]]);
  assert.is(state.memberCount, groupMembersMax);
  assert.is(state.join(3, memberOf("h", one, groupMembersMax), "joined"), "bounds");
});

test("a new group takes the place of the one that has been empty for longest, and of no other", () => {
  const state = begun();
  for (let index = 0; index < groupsMax; index++) state.join(index, memberOf(`g${index}`, one, index + 1), "joined");
  assert.is(state.join(100, memberOf("new", two, 1), "joined"), "bounds");
  for (const [sequence, index] of [[101, 5], [102, 3], [103, 9]] as const) state.leave(sequence, `g${index}`, one, 1, index + 1, "left");
  state.join(104, memberOf("new", two, 1), "joined");
  const names = state.groups().map(({ name }) => name);
  assert.is(names.length, groupsMax);
  assert.equal(["g5", "g3", "g9", "new"].map((name) => names.includes(name)), [false, true, true, true]);
});

test("a message names its sender when it is a member of that group, and counts", () => {
  const state = begun();
  state.join(1, { group: "g", incarnation: 1, member: { card: one, number: 1, name: "db", critical: true } }, "joined");
  assert.equal(state.message("g", one, 1, 1), { view: 1, from: { card: one, number: 1, name: "db", critical: true } });
  assert.equal(state.message("g", one, 1, 2).from, { card: one, number: 0, name: "", critical: false });
  assert.equal(state.message("g", one, 2, 1).from, { card: one, number: 0, name: "", critical: false });
  assert.equal(state.message("h", one, 1, 1), { view: 0, from: { card: one, number: 0, name: "", critical: false } });
  assert.equal(state.groups().map(({ name, messages }) => [name, messages]), [["g", 3]]);
});

test("a state taken from a snapshot is the same state, now and after the same entries", () => {
  const state = begun();
  for (let number = 1; number <= 3; number++) state.join(number, memberOf(`g${4 - number}`, one, number), "joined");
  state.message("g1", one, 1, 1);
  state.leave(9, "g2", one, 1, 2, "left");
  const copy = GroupState.of(state.snapshot());
  assert.equal(copy.bytes(), state.bytes());
  assert.is(copy.memberCount, state.memberCount);
  for (const either of [state, copy]) {
    either.enterEpoch(10, viewOf(2, [[one, 1], [three, 5]]), [one]);
    either.merge(11, [memberOf("g3", three, 1, 5), memberOf("a", three, 2, 5)]);
    either.join(12, memberOf("g2", one, 7), "joined");
  }
  assert.equal(copy.bytes(), state.bytes());
  // A copy's lists are its own.
  copy.join(13, memberOf("g1", one, 8), "joined");
  assert.not.equal(copy.bytes(), state.bytes());
});

test.run();
