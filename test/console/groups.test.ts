import { test } from "uvu";
import * as assert from "uvu/assert";
import { groupsText, isGroupsStatus } from "../../src/console/groups-text.ts";
import type { GroupsStatus } from "../../src/node/status.ts";
import { askedOf } from "./card.ts";
import { stoppedGroups, twoGroups } from "./sample.ts";

function lines(status: GroupsStatus, name: string | undefined, columns: number): string[] {
  const text = groupsText(status, name, { columns, color: false });
  assert.ok(typeof text === "string" && text.endsWith("\n"));
  return text.slice(0, -1).split("\n");
}

const exports = [
  "Group exports",
  "  View      3",
  "  Messages  118",
  "  CARD  NUMBER  LOCAL  CRITICAL  NAME",
  "  1     1       here   critical  exportd",
  "  1     2       here             watcher",
  "  3     1              critical  exportd",
];

test("HA-6: the order and two groups in 80 columns", () => {
  assert.equal(lines(twoGroups, undefined, 80), [
    "Order of messages",
    "  State      running",
    "  Epoch      4, card 1 coordinates",
    "  Sequences  held 120, committed 120, delivered 119",
    "  Pending    3 of this card's messages not committed yet",
    "  Counted    submitted 40, submit resent 2",
    "",
    ...exports,
    "",
    "Group orders",
    "  View      2",
    "  Messages  0",
    "  no members",
  ]);
  assert.equal(lines(twoGroups, "exports", 80), exports);
});

test("the order that stands still says why", () => {
  assert.equal(lines(stoppedGroups, undefined, 80), [
    "Order of messages",
    "  State      stopped: no view holds: 2 of 5 cards: no quorum",
    "  Epoch      none yet",
    "  Sequences  held 0, committed 0, delivered 0",
    "  Pending    nothing",
    "",
    "Groups",
    "  none",
  ]);
  assert.is(
    lines({ ...twoGroups, state: "flushing" }, undefined, 80)[1],
    "  State      flushing: the members of a new view level what they hold",
  );
  assert.match(lines({ ...twoGroups, state: "exchanging" }, undefined, 120)[1] ?? "", /^ {2}State {6}exchanging: .*; messages wait$/);
});

test("no line is longer than the page, colours change no letter, and names cannot command the terminal", () => {
  for (const status of [twoGroups, stoppedGroups]) {
    for (let columns = 30; columns <= 130; columns++) {
      for (const line of lines(status, undefined, columns)) assert.ok(line.length <= columns, `${columns}: ${JSON.stringify(line)}`);
    }
    // deno-lint-ignore no-control-regex -- the colours are made of them
    const plain = String(groupsText(status, undefined, { columns: 80, color: true })).replace(/\u001b\[\d+m/g, "").replace(/ +$/gm, "");
    assert.is(plain, groupsText(status, undefined, { columns: 80, color: false }));
  }
  const hostile = { ...twoGroups, groups: [{ name: "x\u001b[2J", view: 1, messages: 0, members: [] }] };
  assert.not.ok(lines(hostile, undefined, 80).join("").includes("\u001b"));
  const missing = groupsText(hostile, "y", { columns: 80, color: false });
  assert.ok(typeof missing !== "string" && !missing.missing.includes("\u001b"));
});

test("what is no groups' status is told apart", () => {
  for (const right of [twoGroups, stoppedGroups]) assert.ok(isGroupsStatus(JSON.parse(JSON.stringify(right))));
  for (
    const value of [null, [], {}, { ...twoGroups, groups: [{ name: "x" }] }, { ...twoGroups, epoch: "4" }, {
      ...twoGroups,
      coordinator: "1",
    }]
  ) {
    assert.not.ok(isGroupsStatus(value), JSON.stringify(value));
  }
});

test("cardinal groups: all, or one by its name, as a page or as JSON", async () => {
  const body = JSON.stringify(twoGroups);
  const answers = { "/v1/groups": body };
  const page = lines(twoGroups, undefined, 80).join("\n");
  assert.equal(await askedOf(answers, ["groups"]), { code: 0, stdout: `${page}\n`, stderr: "" });
  assert.equal(await askedOf(answers, ["groups", "exports"]), { code: 0, stdout: `${exports.join("\n")}\n`, stderr: "" });
  assert.equal(await askedOf(answers, ["groups", "--json"]), { code: 0, stdout: `${body}\n`, stderr: "" });
  const one = await askedOf(answers, ["groups", "orders", "--json"]);
  assert.equal([one.code, JSON.parse(one.stdout)], [0, twoGroups.groups[1]]);
});

test("cardinal groups: 1 for a group that is not there, with the one that was meant", async () => {
  const answers = { "/v1/groups": JSON.stringify(twoGroups) };
  for (const json of [[], ["--json"]]) {
    assert.equal(await askedOf(answers, ["groups", "exprots", ...json]), {
      code: 1,
      stdout: "",
      stderr: 'cardinal groups: there is no group "exprots"; did you mean exports?\n',
    });
  }
  assert.match((await askedOf(answers, ["groups", "zzzzzz"])).stderr, /"zzzzzz"; there are exports, orders\n$/);
  assert.match((await askedOf({ "/v1/groups": JSON.stringify(stoppedGroups) }, ["groups", "a"])).stderr, /"a"; there is none\n$/);
});

test.run();
