/** The record of a failover: complete, explained, with times of its phases and what would have prevented it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import {
  addEvent,
  explain,
  type FailoverEvent,
  type FailoverPhase,
  type FailoverRecord,
  failoverTransitions,
  missingOf,
  openRecord,
  phaseTimes,
  preventionOf,
} from "../../src/failover/failover-record.ts";
import { failoverEventsMax } from "../../src/limits.ts";

const one = 1 as CardId;
const two = 2 as CardId;
const three = 3 as CardId;
const fold = (record: FailoverRecord, events: readonly FailoverEvent[]) => events.reduce(addEvent, record);

const crash: readonly FailoverEvent[] = [
  { at: 1_015, kind: "evidence", by: two, source: "ether", text: "3 beats of card 1 are missing" },
  { at: 1_015, kind: "selfTestSent", by: two, over: "serial" },
  { at: 1_016, kind: "selfTestSent", by: two, over: three },
  { at: 1_018, kind: "vote", by: three, text: "silent on both links" },
  { at: 1_024, kind: "selfTestAnswered", by: two, over: "serial", answer: "no answer in 9 ms" },
  {
    at: 1_024,
    kind: "characterized",
    verdict: "member failure",
    rule: "member failure",
    text: "nobody hears it, and nobody's self-test is answered",
  },
  { at: 1_024, kind: "shielded", by: two },
  { at: 1_025, kind: "killSent", by: two, way: "reset line" },
  { at: 1_028, kind: "receipt", receipt: "reset", by: two },
  { at: 1_030, kind: "granted", service: "web", from: one, to: two, epoch: 2 },
  { at: 1_031, kind: "hookStarted", hook: "start", resource: "web-ip", service: "web", card: two },
  { at: 1_033, kind: "hookEnded", hook: "start", resource: "web-ip", outcome: "done", reason: "" },
  { at: 1_033, kind: "hookStarted", hook: "start", resource: "nginx", service: "web", card: two },
  { at: 1_063, kind: "hookEnded", hook: "start", resource: "nginx", outcome: "done", reason: "" },
  { at: 1_063, kind: "running", service: "web", card: two },
  { at: 1_066, kind: "firstReply", service: "web" },
  { at: 2_066, kind: "closed", text: "nothing is open any more" },
];

test("a crash, told from its first missing beat to the first answer", () => {
  const record = fold(openRecord(7, { kind: "card", card: one }, 130, 1_000), crash);
  assert.is(record.phase, "closed");
  assert.equal(missingOf(record), []);
  assert.equal(phaseTimes(record).map(({ phase, ms }) => `${phase} ${ms}`), [
    "characterized 24",
    "shielded 0",
    "fenced 4",
    "granted 2",
    "up 33",
    "served 3",
    "closed 1000",
  ]);
  assert.equal(explain(record), [
    "failover 7: card 1, in view 130: closed, 66 ms until it answered again",
    "  verdict: member failure: nobody hears it, and nobody's self-test is answered",
    "  rule: member failure",
    "      +15 ms  card 2 (ether): 3 beats of card 1 are missing",
    "      +15 ms  card 2 sends a self-test over serial",
    "      +16 ms  card 2 sends a self-test through card 3",
    "      +18 ms  card 3 says: silent on both links",
    "      +24 ms  self-test of card 2 over serial: no answer in 9 ms",
    "      +24 ms  verdict: member failure",
    "      +24 ms  card 2 raises its shield",
    "      +25 ms  card 2 fences it by reset line",
    "      +28 ms  receipt: reset, known by card 2",
    "      +30 ms  web granted to card 2 after card 1, epoch 2",
    "      +31 ms  card 2: start web-ip",
    "      +33 ms  start web-ip: done",
    "      +33 ms  card 2: start nginx",
    "      +63 ms  start nginx: done",
    "      +63 ms  web runs on card 2",
    "      +66 ms  web answers its first client",
    "    +1066 ms  closed: nothing is open any more",
    "  time: characterized 24 ms, shielded 0 ms, fenced 4 ms, granted 2 ms, up 33 ms, served 3 ms, closed 1000 ms",
    "  what would have helped: Nothing that this record knows of.",
  ]);
});

test("up when every service that was granted runs, not before", () => {
  const record = fold(openRecord(1, { kind: "card", card: one }, 1, 0), [
    { at: 1, kind: "characterized", verdict: "member failure", rule: "r", text: "t" },
    { at: 2, kind: "receipt", receipt: "power", by: two },
    { at: 3, kind: "granted", service: "a", from: one, to: two, epoch: 1 },
    { at: 3, kind: "granted", service: "b", from: one, to: three, epoch: 1 },
    { at: 4, kind: "running", service: "a", card: two },
  ]);
  assert.is(record.phase, "granted");
  assert.is(addEvent(record, { at: 5, kind: "running", service: "b", card: three }).phase, "up");
});

const prevented: readonly { readonly text: string; readonly events: readonly FailoverEvent[]; readonly helps: RegExp }[] = [
  {
    text: "a lease instead of a reset line",
    events: [
      { at: 0, kind: "characterized", verdict: "undecidable", rule: "undecidable", text: "" },
      { at: 10, kind: "killSent", by: two, way: "reset line" },
      { at: 4_010, kind: "receipt", receipt: "lease", by: two },
    ],
    helps: /end of a lease, 4 s: a working reset line/,
  },
  {
    text: "two cards and no witness",
    events: [{ at: 0, kind: "characterized", verdict: "undecidable", rule: "r", text: "" }],
    helps: /A third card, or a witness/,
  },
  { text: "a port", events: [{ at: 0, kind: "characterized", verdict: "peer's public port", rule: "r", text: "" }], helps: /second port/ },
  {
    text: "a pulled card",
    events: [{ at: 0, kind: "characterized", verdict: "member failure", rule: "r", text: "" }, {
      at: 1,
      kind: "receipt",
      receipt: "power",
      by: two,
    }],
    helps: /`set drain` before a card is pulled/,
  },
  {
    text: "a stop that hung",
    events: [
      { at: 0, kind: "hookStarted", hook: "stop", resource: "home", service: "files", card: one },
      { at: 60_000, kind: "hookEnded", hook: "stop", resource: "home", outcome: "timeout", reason: "umount hangs" },
    ],
    helps: /home did not stop in 60000 ms \(timeout\), so its card was fenced/,
  },
  {
    text: "a start that failed",
    events: [{ at: 5, kind: "hookEnded", hook: "start", resource: "nginx", outcome: "failed", reason: "port 80 is taken" }],
    helps: /nginx did not start \(failed: port 80 is taken\)/,
  },
  {
    text: "an application",
    events: [{ at: 0, kind: "characterized", verdict: "service failure", rule: "restartsMax", text: "" }],
    helps: /its own log/,
  },
];
for (const { text, events, helps } of prevented) {
  test(`what would have prevented it: ${text}`, () => {
    assert.match(preventionOf(fold(openRecord(1, { kind: "card", card: one }, 1, 0), events)).join("\n"), helps);
  });
}

test("what is missing in a record is said: evidence, verdict, receipt", () => {
  const record = fold(openRecord(1, { kind: "card", card: one }, 1, 0), [{
    at: 3,
    kind: "granted",
    service: "a",
    from: one,
    to: two,
    epoch: 1,
  }]);
  assert.equal(missingOf(record), ["evidence", "a verdict", "a receipt"]);
  const stopped = addEvent(record, { at: 1, kind: "hookEnded", hook: "stop", resource: "x", outcome: "notRunning", reason: "" });
  assert.not(missingOf(stopped).includes("a receipt"), "the holder's own stop is as good");
});

test("aborted before a receipt, never after one", () => {
  const record = openRecord(1, { kind: "card", card: one }, 1, 0);
  assert.is(addEvent(record, { at: 1, kind: "aborted", text: "it answered" }).phase, "aborted");
  const fenced = fold(record, [
    { at: 1, kind: "characterized", verdict: "member failure", rule: "r", text: "" },
    { at: 2, kind: "receipt", receipt: "reset", by: two },
    { at: 3, kind: "aborted", text: "it answered" },
  ]);
  assert.is(fenced.phase, "fenced");
  assert.is(
    fold(fenced, [{ at: 4, kind: "closed", text: "" }, { at: 5, kind: "shielded", by: two }]).events.length,
    4,
    "what comes after the end is no part of it",
  );
});

test("each phase can be reached, and only by legal steps", () => {
  const seen = new Set<FailoverPhase>(["detected"]);
  for (const followers of Object.values(failoverTransitions)) for (const phase of followers) seen.add(phase);
  assert.equal([...seen].sort(), (Object.keys(failoverTransitions) as FailoverPhase[]).sort());
});

test("a record is bounded and says what it dropped", () => {
  let record = openRecord(1, { kind: "card", card: one }, 1, 0);
  for (let at = 0; at < failoverEventsMax + 5; at++) {
    record = addEvent(record, { at, kind: "evidence", by: two, source: "ether", text: "again" });
  }
  assert.is(record.events.length, failoverEventsMax);
  assert.ok(explain(record).some((line) => line.includes("5 events more were not kept")));
});

test.run();
