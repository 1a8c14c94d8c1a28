import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import type { GroupEvent, Member } from "../../src/client/client.ts";
import { groupEventJson, groupEventText } from "../../src/console/group-event-text.ts";
import { paintOf } from "../../src/console/text-layout.ts";

const alpha: Member = { card: cardAt(1, 1), number: 3, name: "alpha", critical: true };
const nameless: Member = { card: cardAt(1, 2), number: 1, name: "", critical: false };
const stranger: Member = { card: cardAt(1, 2), number: 0, name: "", critical: false };
const view = { number: 4, members: [alpha, nameless] };
const message = (from: Member, data: Uint8Array): GroupEvent => ({ kind: "message", group: "g", sequence: 7, view: 4, from, data });
const bytes = (text: string) => new TextEncoder().encode(text);

const cases: readonly (readonly [GroupEvent, string])[] = [
  [
    { kind: "joined", request: 1, group: "g", sequence: 6, member: alpha, view },
    "joined g as alpha (card 1, number 3, critical); view 4: alpha (card 1, number 3, critical), card 2, number 1",
  ],
  [{ kind: "left", request: 1, group: "g" }, "left g"],
  [{ kind: "watching", request: 1, group: "g", view: { number: 0, members: [] } }, "watching g; nobody is in it"],
  [{ kind: "watching", request: 1, group: "g", view: { number: 9, members: [] } }, "watching g; view 9: nobody"],
  [message(alpha, bytes("hello")), "message 7 from alpha (card 1, number 3, critical): hello"],
  [message(stranger, bytes("")), "message 7 from card 2: "],
  [message(stranger, bytes("a\nb\\\u001b[2J\u202e")), "message 7 from card 2: a\\nb\\\\\ufffd[2J\ufffd"],
  [message(stranger, Uint8Array.of(0xff, 1)), "message 7 from card 2: 2 bytes: ff01"],
  [
    { kind: "view", group: "g", sequence: 8, view, changes: [{ member: alpha, change: "joined" }, { member: nameless, change: "exited" }] },
    "alpha (card 1, number 3, critical) joined, card 2, number 1 exited without leaving; view 4: " +
    "alpha (card 1, number 3, critical), card 2, number 1",
  ],
  [{ kind: "lost", group: "g", sequence: 9, reason: "away" }, "lost: messages before 9 may be missing: away"],
  [{ kind: "stopped", reason: "no quorum" }, "stopped: no quorum"],
  [{ kind: "resumed" }, "resumed"],
  [{ kind: "monitor", nonce: 1, withinMs: 50 }, "monitor: to be answered within 50 ms"],
];

test("each event is one line for people", () => {
  for (const [event, line] of cases) assert.is(groupEventText(event, paintOf(false)), `${line}\n`);
});

test("what came over a network does not move the cursor, in colours either", () => {
  const evil: Member = { ...alpha, name: "\u001b[2J" };
  const text = groupEventText({ kind: "view", group: "g", sequence: 1, view, changes: [{ member: evil, change: "left" }] }, paintOf(true));
  assert.not.ok(text.includes("\u001b[2J"));
});

test("each event is one line of JSON, with its data as text or base64", () => {
  for (const [event] of cases) assert.match(groupEventJson(event), /^\{.*\}\n$/);
  const { kind, group, sequence, from, text } = JSON.parse(groupEventJson(message(alpha, bytes("a\n\u00e9"))));
  assert.equal([kind, group, sequence, from, text], ["message", "g", 7, alpha, "a\n\u00e9"]);
  const binary = JSON.parse(groupEventJson(message(alpha, Uint8Array.of(0xff, 1))));
  assert.equal([binary.base64, binary.text, binary.data], ["/wE=", undefined, undefined]);
});

test.run();
