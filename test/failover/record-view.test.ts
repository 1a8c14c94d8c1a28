/** A record sorted by what its events are: each question with its answer, each hook with its end, everything from the record's beginning. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { addEvent, type FailoverEvent, type FailoverRecord, openRecord } from "../../src/failover/failover-record.ts";
import { recordSummary, recordsView, recordView } from "../../src/failover/record-view.ts";
import type { FailoverStatus } from "../../src/failover/service-types.ts";

const [one, two, three] = [1, 2, 3] as [CardId, CardId, CardId];

const crash: readonly FailoverEvent[] = [
  { at: 1_015, kind: "evidence", by: two, source: "ether", text: "3 beats of card 1 are missing" },
  { at: 1_015, kind: "selfTestSent", by: two, over: "serial" },
  { at: 1_016, kind: "selfTestSent", by: two, over: three },
  { at: 1_017, kind: "selfTestSent", by: three, over: "serial" },
  { at: 1_018, kind: "vote", by: three, text: "silent on both links" },
  { at: 1_023, kind: "selfTestAnswered", by: three, over: "serial", answer: "no answer in 6 ms" },
  { at: 1_024, kind: "selfTestAnswered", by: two, over: "serial", answer: "no answer in 9 ms" },
  { at: 1_025, kind: "selfTestAnswered", by: three, over: "ether", answer: "passed" },
  { at: 1_024, kind: "characterized", verdict: "member failure", rule: "member failure", text: "nobody hears it" },
  { at: 1_024, kind: "shielded", by: two },
  { at: 1_025, kind: "killSent", by: two, way: "reset line" },
  { at: 1_028, kind: "receipt", receipt: "reset", by: two },
  { at: 1_029, kind: "receipt", receipt: "power", by: three },
  { at: 1_030, kind: "granted", service: "web", from: one, to: two, epoch: 2 },
  { at: 1_030, kind: "granted", service: "db", from: undefined, to: three, epoch: 5 },
  { at: 1_033, kind: "hookStarted", hook: "start", resource: "nginx", service: "web", card: two },
  { at: 1_063, kind: "hookEnded", hook: "start", resource: "nginx", outcome: "failed", reason: "no such file" },
  { at: 1_070, kind: "hookStarted", hook: "start", resource: "nginx", service: "web", card: two },
  { at: 1_090, kind: "hookEnded", hook: "start", resource: "nginx", outcome: "done", reason: "" },
  { at: 1_031, kind: "hookStarted", hook: "start", resource: "db-ip", service: "db", card: three },
  { at: 1_091, kind: "running", service: "web", card: two },
];
const record = crash.reduce(addEvent, openRecord(7, { kind: "card", card: one }, 130, 1_000));

test("the summary: what, why, how long ago, who was given what", () => {
  assert.equal(recordSummary(record, 3_500), {
    id: 7,
    subject: { kind: "card", card: one },
    text: "card 1",
    view: 130,
    phase: "granted",
    agoMs: 2_500,
    verdict: "member failure",
    rule: "member failure",
    why: "nobody hears it",
    receipt: "reset",
    moves: [{ atMs: 30, service: "web", from: one, to: two, epoch: 2 }, { atMs: 30, service: "db", to: three, epoch: 5 }],
  });
  const done = addEvent(record, { at: 1_099, kind: "running", service: "db", card: three });
  assert.equal([recordSummary(done, 3_500).totalMs, recordSummary(done, 3_500).phase], [99, "up"]);
  assert.is(recordSummary(record, 900).agoMs, 0, "cards' clocks differ a little");
});

test("each self-test has its own answer: of the same card, on the same way", () => {
  assert.equal(recordView(record, 3_500).selfTests, [
    { atMs: 15, by: two, over: "serial", answer: "no answer in 9 ms", ms: 9 },
    { atMs: 16, by: two, over: "card 3" },
    { atMs: 17, by: three, over: "serial", answer: "no answer in 6 ms", ms: 6 },
    { atMs: 25, by: three, over: "ether", answer: "passed" },
  ]);
});

test("each hook has its own end, one that is under way has none", () => {
  assert.equal(recordView(record, 3_500).resources, [
    { atMs: 31, hook: "start", resource: "db-ip", service: "db", card: three },
    { atMs: 33, hook: "start", resource: "nginx", service: "web", card: two, ms: 30, outcome: "failed", reason: "no such file" },
    { atMs: 70, hook: "start", resource: "nginx", service: "web", card: two, ms: 20, outcome: "done" },
  ]);
});

test("what two cards start at once has two ends", () => {
  const started = (at: number, card: CardId): FailoverEvent => ({
    at,
    kind: "hookStarted",
    hook: "start",
    resource: "a",
    service: "a",
    card,
  });
  const ended = (at: number): FailoverEvent => ({ at, kind: "hookEnded", hook: "start", resource: "a", outcome: "done", reason: "" });
  const both = [started(1, two), started(2, three), ended(3), ended(4)].reduce(addEvent, openRecord(1, { kind: "card", card: one }, 1, 0));
  assert.equal(recordView(both, 9).resources.map(({ card, ms }) => [card, ms]), [[two, 3], [three, 1]]);
});

test("evidence, votes, fencing, the first receipt, phases, and a timeline in the order of time", () => {
  const view = recordView(record, 3_500);
  assert.equal(view.evidence, [{ atMs: 15, by: two, source: "ether", text: "3 beats of card 1 are missing" }]);
  assert.equal(view.votes, [{ atMs: 18, by: three, text: "silent on both links" }]);
  assert.equal(view.fencing, [{ atMs: 24, by: two, way: "shield" }, { atMs: 25, by: two, way: "reset line" }]);
  assert.equal(view.receipt, { atMs: 28, by: two, receipt: "reset" });
  assert.equal(view.phases, [
    { phase: "characterized", atMs: 24, ms: 24 },
    { phase: "shielded", atMs: 24, ms: 0 },
    { phase: "fenced", atMs: 28, ms: 4 },
    { phase: "granted", atMs: 30, ms: 2 },
  ]);
  const stamps = view.timeline.map(({ atMs }) => atMs);
  assert.equal(stamps, [...stamps].sort((a, b) => a - b));
  assert.is(view.timeline.length, crash.length);
  assert.equal(view.prevention.slice(0, 1), ["nginx did not start (failed: no such file): try it there with a drill."]);
});

test("pages: the newest first, from before a number, with the next one's beginning", () => {
  const records: FailoverRecord[] = [1, 2, 3, 4, 5].map((id) => openRecord(id, { kind: "card", card: one }, 1, 1_000 * id));
  const status = { records, now: 9_000 } as unknown as FailoverStatus;
  const page = (limit: number, before?: number) => {
    const { failovers, next } = recordsView(status, { limit, ...(before === undefined ? {} : { before }) });
    return [failovers.map(({ id }) => id), next];
  };
  assert.equal(page(2), [[5, 4], 4]);
  assert.equal(page(2, 4), [[3, 2], 2]);
  assert.equal(page(2, 2), [[1], undefined]);
  assert.equal(page(5), [[5, 4, 3, 2, 1], undefined]);
  assert.equal(page(3, 1), [[], undefined]);
});

test.run();
