import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  applicationClientsMax,
  applicationMessageBytesMax,
  applicationUnderWayMax,
  groupMembersMax,
  groupNameBytesMax,
  groupsMax,
  memberNameBytesMax,
  monitorMsMax,
  monitorMsMin,
  pendingEntriesMax,
} from "../../src/limits.ts";
import { encodeGroupEntry } from "../../src/cluster/group-entry.ts";
import { one, Order, type Run, three, two } from "./group-order.ts";

/** Three cards in view 1, calm. */
function started(): { order: Order; a: Run; b: Run; c: Run } {
  const order = new Order();
  const [a, b, c] = [order.start(one), order.start(two), order.start(three)];
  order.change([one, two, three]);
  order.calm();
  return { order, a, b, c };
}

test("HA-6: who joins is told so, members and watchers see the new view, everywhere in the same order", () => {
  const { order, a, b, c } = started();
  order.ask(c, 9, { kind: "watch", request: 1, group: "g" });
  order.join(a, 1, "g", { name: "db" });
  order.calm();
  order.join(b, 1, "g");
  order.join(a, 2, "other");
  order.calm();
  assert.equal(order.news(a, 1), ["joined g as 1.1, view 1: 1.1", "view g 2: 1.1 2.1, 2.1 joined"]);
  assert.equal(order.news(b, 1), ["joined g as 2.1, view 2: 1.1 2.1"]);
  assert.equal(order.news(c, 9), ["watching g, view 0:", "view g 1: 1.1, 1.1 joined", "view g 2: 1.1 2.1, 2.1 joined"]);
  assert.equal(order.news(a, 2), ["joined other as 1.2, view 1: 1.2"]);
});

test("a client that leaves is told so and hears nothing more; the others see it left", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.join(b, 1, "g");
  order.calm();
  order.news(a, 1);
  order.news(b, 1);
  order.ask(a, 1, { kind: "leave", request: 5, group: "g" });
  order.ask(a, 2, { kind: "watch", request: 6, group: "g" });
  order.join(a, 2, "g");
  order.calm();
  order.news(a, 2);
  order.ask(a, 2, { kind: "leave", request: 7, group: "g" });
  order.calm();
  order.send(b, 1, "g", "after");
  order.calm();
  assert.equal(order.news(a, 1), ["left g"]);
  assert.equal(order.news(a, 2), ["view g 5: 2.1, 1.2 left", "left g", "message g from 2.1: after"], "it goes on watching");
  assert.equal(order.news(b, 1).slice(0, 3), ["view g 3: 2.1, 1.1 left", "view g 4: 1.2 2.1, 1.2 joined", "view g 5: 2.1, 1.2 left"]);
  assert.is(order.members(b, "g"), "2.1");
});

test("a join and a leave right behind it are both answered, and a member that comes again has a new number", () => {
  const { order, a } = started();
  order.join(a, 1, "g");
  order.ask(a, 1, { kind: "leave", request: 2, group: "g" });
  order.calm();
  order.join(a, 1, "g");
  order.calm();
  assert.equal(order.news(a, 1), ["joined g as 1.1, view 1: 1.1", "left g", "joined g as 1.2, view 3: 1.2"]);
});

test("HA-11: a message reaches every member and watcher of every card once; the sender is told that it is sent", () => {
  const { order, a, b, c } = started();
  order.join(a, 1, "g");
  order.join(a, 2, "g");
  order.join(b, 1, "g");
  order.ask(c, 1, { kind: "watch", request: 1, group: "g" });
  order.ask(a, 2, { kind: "watch", request: 2, group: "g" });
  order.join(c, 2, "other");
  order.calm();
  for (const [run, client] of [[a, 1], [a, 2], [b, 1], [c, 1], [c, 2]] as const) order.news(run, client);
  order.send(a, 1, "g", "hello");
  order.calm();
  assert.equal(order.news(a, 1), ["message g from 1.1: hello", "sent 2"]);
  for (const [run, client] of [[a, 2], [b, 1], [c, 1]] as const) assert.equal(order.news(run, client), ["message g from 1.1: hello"]);
  assert.equal(order.news(c, 2), []);
});

test("what goes to several clients of a card is one event: it is encoded once", () => {
  const { order, a } = started();
  order.join(a, 1, "g");
  order.ask(a, 2, { kind: "watch", request: 1, group: "g" });
  order.ask(a, 3, { kind: "watch", request: 1, group: "g" });
  order.join(a, 4, "g");
  order.send(a, 1, "g", "hello");
  order.calm();
  for (const kind of ["message", "view"] as const) {
    const events = [1, 2, 3].map((client) => order.toldOf(a, client, kind).at(-1));
    assert.ok(events[0] !== undefined && events.every((event) => event === events[0]), kind);
  }
});

test("a sender need not be a member, and the message says so; a message to a group of nobody is sent too", () => {
  const { order, a, b } = started();
  order.join(b, 1, "g");
  order.calm();
  order.news(b, 1);
  order.send(a, 7, "g", "from outside");
  order.send(a, 7, "nobody", "into the void", 3);
  order.calm();
  assert.equal(order.news(b, 1), ["message g from 1.0: from outside"]);
  assert.equal(order.news(a, 7), ["sent 2", "sent 3"]);
});

test("all that a client is told follows the order, whichever client of whichever card", () => {
  const { order, a, b, c } = started();
  for (const run of [a, b, c]) order.join(run, 1, "g");
  order.calm();
  for (const run of [a, b, c]) order.news(run, 1);
  for (const run of [c, a, b]) order.send(run, 1, "g", `${run.card}`);
  order.join(b, 2, "g");
  order.calm();
  const heard = [a, b, c].map((run) => order.news(run, 1).filter((line) => !line.startsWith("sent")));
  assert.is(heard[0]?.length, 4);
  assert.equal(heard[1], heard[0]);
  assert.equal(heard[2], heard[0]);
});

test("HA-6: a member whose connection ends without leave has exited: an implicit unregister", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.join(a, 1, "h");
  order.join(b, 1, "g");
  order.calm();
  order.news(b, 1);
  order.gone(a, 1);
  order.calm();
  assert.equal(order.news(b, 1), ["view g 3: 2.1, 1.1 exited"]);
  assert.is(order.members(b, "h"), "");
  assert.equal(a.failing, []);
});

test("HA-6: a client that is gone while it is only joining, or has messages under way, leaves nothing behind", () => {
  const { order, a, b } = started();
  order.ask(b, 9, { kind: "watch", request: 1, group: "g" });
  order.news(b, 9);
  order.join(a, 1, "g");
  order.send(a, 1, "g", "last words");
  order.gone(a, 1);
  order.calm();
  assert.equal(order.news(b, 9), ["view g 1: 1.1, 1.1 joined", "message g from 1.1: last words", "view g 2:, 1.1 exited"]);
  assert.equal(order.news(a, 1), []);
  assert.is(order.members(a, "g"), "");
});

test("HA-6: a node view takes the members of lost cards out of their groups, in one view event for each group", () => {
  const { order, a, b, c } = started();
  order.join(a, 1, "g");
  for (const client of [1, 2]) order.join(b, client, "g");
  order.join(c, 1, "g");
  order.join(c, 1, "h");
  order.calm();
  order.news(a, 1);
  order.change([one, three]);
  order.calm();
  assert.equal(order.news(a, 1), ["view g 5: 1.1 3.1, 2.1 exited, 2.2 exited"]);
  assert.is(order.members(c, "h"), "3.2");
});

test("HA-6: a card that comes back as another incarnation without a view in between has lost its members", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.join(b, 1, "g");
  order.calm();
  order.news(a, 1);
  order.start(two, 2);
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), ["view g 3: 1.1, 2.1 exited"]);
});

test("HA-7: a critical member that goes without leave takes its card down, with the group, the member and the reason", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g", { name: "db", critical: true });
  order.join(b, 1, "g");
  order.calm();
  order.news(b, 1);
  order.gone(a, 1);
  order.calm();
  assert.equal(a.failing, ['critical "db" of group "g" failed: the connection ended without leave (end of stream)']);
  assert.equal(order.news(b, 1), [], "its end is told by the view without its card, not before");
  order.join(a, 2, "g");
  assert.equal(order.news(a, 2), ["refused stopped"]);
});

test("HA-7: so does one whose join is only under way, also while messages stand still", () => {
  const { order, a } = started();
  order.step(a, { kind: "stopped", reason: "no quorum" });
  order.join(a, 1, "g", { name: "db", critical: true });
  order.gone(a, 1);
  assert.is(a.failing.length, 1);
});

test("HA-7: one that has left, has asked to leave, or was refused takes nothing down", () => {
  const { order, a } = started();
  for (const client of [1, 2]) order.join(a, client, "g", { critical: true });
  order.calm();
  order.ask(a, 1, { kind: "leave", request: 2, group: "g" });
  order.calm();
  order.gone(a, 1);
  order.ask(a, 2, { kind: "leave", request: 2, group: "g" });
  order.gone(a, 2);
  order.join(a, 3, "", { critical: true });
  order.gone(a, 3);
  order.calm();
  assert.equal(a.failing, []);
  assert.is(order.members(a, "g"), "");
});

test("HA-7: with several critical members gone at once the card fails once", () => {
  const { order, a } = started();
  order.join(a, 1, "g", { critical: true });
  order.join(a, 1, "h", { critical: true });
  order.calm();
  order.gone(a, 1);
  assert.is(a.failing.length, 1);
});

test("HA-6: a monitored member is asked again and again, and stays while it answers", () => {
  const { order, a } = started();
  order.join(a, 1, "g", { monitorMs: 200 });
  order.calm();
  for (let count = 1; count <= 3; count++) {
    order.pass(200);
    const asked = order.toldOf(a, 1, "monitor");
    assert.is(asked.length, count);
    order.pass(150);
    order.ask(a, 1, { kind: "alive", nonce: asked.at(-1)?.nonce ?? 0 });
    order.pass(50);
    order.now -= 200;
    order.pass(0);
  }
  assert.is(order.members(a, "g"), "1.1");
});

test("HA-6: who does not answer its monitor in time, or answers another one, is cut off and has exited", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g", { monitorMs: 200 });
  order.join(a, 1, "h");
  order.join(b, 1, "g");
  order.calm();
  order.pass(200);
  order.ask(a, 1, { kind: "alive", nonce: 12345 });
  order.pass(199);
  assert.is(a.closed.size, 0);
  order.pass(1);
  assert.is(a.closed.get(1), "did not answer its monitor within 200 ms");
  order.calm();
  assert.is(order.members(b, "g"), "2.1");
  assert.is(order.members(b, "h"), "", "all memberships of the connection end with it");
  assert.is(a.groups.deadline(), Infinity);
  // What was still on its way from the connection, and its end, do nothing more.
  order.news(a, 1);
  order.join(a, 1, "g");
  assert.is(a.pending.length, 0);
  order.ask(a, 1, { kind: "leave", request: 9, group: "g" });
  order.gone(a, 1);
  assert.equal(order.news(a, 1), []);
  order.calm();
  assert.is(order.members(b, "g"), "2.1");
});

test("HA-7: a critical member that does not answer its monitor takes its card down", () => {
  const { order, a } = started();
  order.join(a, 1, "g", { name: "db", critical: true, monitorMs: 2_000 });
  order.calm();
  order.pass(4_000);
  assert.equal(a.failing, ['critical "db" of group "g" failed: did not answer its monitor within 2000 ms']);
  assert.ok(a.closed.has(1));
});

test("HA-7: a card that was late gives its members as much time again, and no member fails for it", () => {
  const { order, a } = started();
  order.join(a, 1, "g", { critical: true, monitorMs: 200 });
  order.calm();
  order.pass(200);
  order.now += 60_000;
  order.step(a, { kind: "tick" });
  assert.equal(a.failing, []);
  const nonce = order.toldOf(a, 1, "monitor").at(-1)?.nonce ?? 0;
  order.ask(a, 1, { kind: "alive", nonce });
  order.pass(200);
  assert.equal(a.failing, []);
  assert.is(order.toldOf(a, 1, "monitor").length, 2);
  order.pass(400);
  assert.is(a.failing.length, 1);
});

test("clients are told of a stop and of its end, one that comes during it too; what they send then is kept", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.calm();
  order.news(a, 1);
  order.change([one, two, three], { ether: [] });
  assert.equal(order.news(a, 1), ["stopped: no quorum"]);
  order.join(a, 2, "g");
  order.send(a, 1, "g", "kept");
  assert.equal(order.news(a, 2), ["stopped: no quorum"]);
  assert.equal(a.groups.status().state, "stopped");
  assert.equal(a.groups.status().reason, "no quorum");
  order.step(a, { kind: "stopped", reason: "no quorum" });
  order.step(a, { kind: "stopped", reason: "card 2 is down" });
  assert.equal(order.news(a, 1), ["stopped: card 2 is down"]);
  order.change([one, two, three]);
  order.calm();
  assert.equal(order.news(a, 1), ["resumed", "view g 2: 1.1 1.2, 1.2 joined", "message g from 1.1: kept", "sent 2"]);
  assert.equal(order.news(a, 2).slice(-2), ["joined g as 1.2, view 2: 1.1 1.2", "message g from 1.1: kept"]);
  assert.is(order.members(b, "g"), "1.1 1.2");
});

test("a client that comes before the first view is told that messages stand still, and joins when there is one", () => {
  const order = new Order();
  const a = order.start(one);
  order.join(a, 1, "g");
  order.ask(a, 1, { kind: "watch", request: 3, group: "h" });
  assert.equal(order.news(a, 1), ["stopped: no view yet"]);
  order.change([one]);
  order.calm();
  assert.equal(order.news(a, 1), ["watching h, view 0:", "resumed", "joined g as 1.1, view 1: 1.1"]);
});

test("wishes that contradict what is are refused", () => {
  const { order, a } = started();
  order.ask(a, 1, { kind: "leave", request: 3, group: "g" });
  assert.equal(order.news(a, 1), ["refused state"]);
  order.join(a, 1, "g");
  order.join(a, 1, "g");
  assert.equal(order.news(a, 1), ["refused state"]);
  order.calm();
  order.news(a, 1);
  order.ask(a, 1, { kind: "leave", request: 4, group: "g" });
  order.ask(a, 1, { kind: "leave", request: 5, group: "g" });
  order.join(a, 1, "g");
  assert.equal(order.news(a, 1), ["refused state", "refused state"]);
  order.ask(a, 1, { kind: "watch", request: 6, group: "w" });
  order.ask(a, 1, { kind: "watch", request: 7, group: "w" });
  assert.equal(order.news(a, 1), ["watching w, view 0:", "refused state"]);
});

test("what is too long, too short or no plain text is refused, what just fits is not", () => {
  const { order, a } = started();
  const table: [isTaken: boolean, () => void][] = [
    [true, () => order.join(a, 1, "g".repeat(groupNameBytesMax))],
    [false, () => order.join(a, 1, "g".repeat(groupNameBytesMax + 1))],
    [false, () => order.join(a, 1, "ä".repeat(groupNameBytesMax / 2 + 1))],
    [true, () => order.join(a, 1, "ä".repeat(groupNameBytesMax / 2))],
    [false, () => order.join(a, 1, "")],
    [false, () => order.join(a, 1, "a\nb")],
    [false, () => order.join(a, 1, "a\ud800")],
    [true, () => order.join(a, 1, "n", { name: "n".repeat(memberNameBytesMax) })],
    [false, () => order.join(a, 1, "m", { name: "n".repeat(memberNameBytesMax + 1) })],
    [false, () => order.join(a, 1, "m", { name: "\u001b[2J" })],
    [false, () => order.join(a, 1, "m", { monitorMs: monitorMsMin - 1 })],
    [false, () => order.join(a, 1, "m", { monitorMs: monitorMsMax + 1 })],
    [false, () => order.join(a, 1, "m", { monitorMs: monitorMsMin + 0.5 })],
    [true, () => order.join(a, 1, "m", { monitorMs: monitorMsMin })],
    [true, () => order.send(a, 1, "g", "x".repeat(applicationMessageBytesMax))],
    [false, () => order.send(a, 1, "g", "x".repeat(applicationMessageBytesMax + 1))],
    [false, () => order.send(a, 1, "", "x")],
    [false, () => order.ask(a, 1, { kind: "watch", request: 1, group: "" })],
  ];
  for (const [index, [isTaken, ask]] of table.entries()) {
    ask();
    assert.equal(order.news(a, 1), isTaken ? [] : ["refused bounds"], `row ${index}`);
  }
  order.calm();
  assert.not(order.news(a, 1).some((line) => line.startsWith("refused")));
});

test("a client has so many requests under way and no more, and a card so many messages", () => {
  const { order, a } = started();
  order.step(a, { kind: "stopped", reason: "no quorum" });
  for (let count = 0; count < applicationUnderWayMax; count++) order.send(a, 1, "g", "");
  assert.equal(order.news(a, 1), ["stopped: no quorum"]);
  order.send(a, 1, "g", "");
  assert.equal(order.news(a, 1), ["refused busy"]);
  order.join(a, 1, "g");
  assert.equal(order.news(a, 1), ["refused busy"]);
  for (let client = 2; a.pending.length < pendingEntriesMax && order.told(a, client - 1).length === 0; client++) {
    for (let count = 0; count < applicationUnderWayMax; count++) order.send(a, client, "g", "");
  }
  assert.ok(a.pending.length < pendingEntriesMax, "the card is busy before its room is used up");
  order.step(a, { kind: "running" });
  order.calm();
  order.news(a, 1);
  order.send(a, 1, "g", "");
  order.calm();
  assert.equal(order.news(a, 1), ["sent 2"]);
});

test("the bytes of a card's messages under way are bounded too, and the end of a member always finds room", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.calm();
  order.step(a, { kind: "stopped", reason: "no quorum" });
  const text = "x".repeat(applicationMessageBytesMax);
  for (let count = 0; order.toldOf(a, 2, "refused").length === 0; count++) {
    assert.ok(count < applicationUnderWayMax, "refused for the bytes, not for the number");
    order.send(a, 2, "g", text);
  }
  order.gone(a, 1);
  order.calm();
  assert.is(order.members(b, "g"), "");
  order.news(a, 2);
  order.send(a, 2, "g", text);
  order.calm();
  assert.equal(order.news(a, 2), ["sent 2"], "what is in the order does not count any more");
});

test("a card has so many clients and no more", () => {
  const { order, a } = started();
  for (let client = 1; client <= applicationClientsMax; client++) order.ask(a, client, { kind: "watch", request: 1, group: "g" });
  order.join(a, 1_000, "g");
  assert.equal(order.news(a, 1_000), ["refused bounds"]);
  order.gone(a, 5);
  order.join(a, 1_001, "g");
  order.calm();
  assert.equal(order.news(a, 1_001), ["joined g as 1.1, view 1: 1.1"]);
});

test("a client watches so many groups and no more", () => {
  const { order, a } = started();
  for (let count = 0; count <= groupsMax; count++) order.ask(a, 1, { kind: "watch", request: count, group: `g${count}` });
  assert.equal(order.news(a, 1).filter((line) => line.startsWith("refused")), ["refused bounds"]);
});

test("how many groups there may be is decided where the join stands in the order, alike on all cards", () => {
  const { order, a, b, c } = started();
  for (let count = 0; count < groupsMax; count++) order.join(a, 1, `a${count}`);
  order.calm();
  order.news(a, 1);
  order.join(b, 1, "one too many");
  order.calm();
  assert.equal(order.news(b, 1), ["refused bounds"]);
  order.send(b, 1, "one too many", "as no member");
  order.ask(b, 1, { kind: "leave", request: 3, group: "one too many" });
  assert.equal(order.news(b, 1), ["refused state"]);
  order.ask(a, 1, { kind: "leave", request: 3, group: "a7" });
  order.join(c, 1, "another");
  order.calm();
  assert.equal(order.news(c, 1), ["joined another as 3.1, view 1: 3.1"], "a group of nobody makes room");
  assert.not(c.groups.status().groups.some(({ name }) => name === "a7"));
});

test("how many members there may be is decided where the join stands in the order, alike on all cards", () => {
  const { order, a, b } = started();
  const perClient = groupMembersMax / 16;
  for (let client = 1; client <= 8; client++) {
    for (let count = 0; count < perClient; count++) {
      order.join(a, client, `g${count}`);
      order.join(b, client, `g${count}`);
    }
  }
  order.calm();
  order.join(a, 20, "g0");
  order.ask(a, 20, { kind: "leave", request: 8, group: "g0" });
  order.calm();
  assert.equal(order.news(a, 20), ["refused bounds", "left g0"]);
  order.join(a, 20, "g0");
  order.calm();
  assert.equal(order.news(a, 20), ["refused bounds"]);
  order.gone(b, 1);
  order.calm();
  order.join(a, 20, "g0");
  order.calm();
  assert.match(order.news(a, 20)[0] ?? "", /^joined g0 as 1\.259,/);
  // Refused with a leave behind it, and back before that leave is in the order.
  order.join(a, 21, "g0");
  order.ask(a, 21, { kind: "leave", request: 8, group: "g0" });
  for (let client = 30; client < 30 + perClient - 1; client++) order.join(b, client, "g0");
  for (let count = 0; count < perClient; count++) order.order(b);
  order.order(a);
  for (const run of order.in()) while (order.deliver(run));
  assert.equal(order.news(a, 21), ["refused bounds", "left g0"]);
  order.gone(b, 3);
  for (let count = 0; count < perClient; count++) order.order(b);
  order.join(a, 21, "g0");
  order.calm();
  assert.match(order.news(a, 21).at(-1) ?? "", /^joined g0 as 1\.261,/);
  assert.ok(order.members(b, "g0").includes("1.261"));
});

test("a group that lost its last member goes on counting its views", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g");
  order.calm();
  order.gone(a, 1);
  order.calm();
  order.join(b, 1, "g");
  order.calm();
  assert.equal(order.news(b, 1), ["joined g as 2.1, view 3: 2.1"]);
});

test("entries that mean nothing are counted and ignored by all alike", () => {
  const { order, a, b, c } = started();
  order.join(a, 1, "g");
  order.calm();
  const before = b.groups.digest()?.digest;
  const leave = encodeGroupEntry({ kind: "leave", incarnation: 1, group: "g", number: 1, change: "left" });
  const old = encodeGroupEntry({ kind: "join", incarnation: 99, group: "g", number: 7, name: "", critical: false, returned: false });
  for (const [type, body] of [["data", new Uint8Array([1, 2])], ["control", leave], ["data", old]] as const) {
    order.items.push({ kind: "entry", entry: { type, origin: one, id: 2, body } });
  }
  order.step(a, { kind: "stopped", reason: "later" });
  order.news(a, 1);
  order.send(a, 1, "g", "with the same id as what an earlier incarnation left");
  for (const run of order.in()) while (order.deliver(run));
  assert.equal(order.news(a, 1), []);
  for (const run of [a, b, c]) {
    assert.is(run.groups.status().counters.malformed, 2);
    assert.is(run.groups.status().counters.outdated, 1);
    assert.is(run.groups.digest()?.digest, before);
  }
});

test("the status names the groups, their members and which are ours", () => {
  const { order, a, b } = started();
  order.join(a, 1, "g", { name: "db", critical: true });
  order.calm();
  order.send(b, 1, "g", "x");
  order.calm();
  const member = { card: one, number: 1, name: "db", critical: true };
  assert.equal(a.groups.status().groups, [{ name: "g", view: 1, messages: 1, members: [{ ...member, local: true }] }]);
  assert.equal(b.groups.status().groups, [{ name: "g", view: 1, messages: 1, members: [{ ...member, local: false }] }]);
  assert.is(b.groups.status().state, "running");
});

test.run();
