/** FS-8: the self-test as a service: what it answers, whom it believes, and that no input breaks it. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId, LinkKind } from "../../src/base/ids.ts";
import type { LinkHealth } from "../../src/cluster/heartbeat.ts";
import { SelfTest, type SelfTestInput, type SelfTestOutput, type SelfTestSettings } from "../../src/failover/self-test.ts";
import { type CheckOutcome, gradeOfSelfTest, selfTestCheckOf, selfTestChecks, selfTestRules } from "../../src/failover/self-test-checks.ts";
import { selfTestAnswerMs } from "../../src/failover/self-test-timing.ts";
import { checkCodeBytesMax, relaysMax, selfTestChecksMax, selfTestFrameBytes, selfTestFreshMs } from "../../src/limits.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import type { SelfTestAnswer } from "../../src/wire/message.ts";
import { encodeSerial } from "../../src/wire/serial.ts";
import { keyring } from "../wire/arbitrary.ts";

const settings: SelfTestSettings = { answerMs: { ether: 5, serial: 27 }, doneMs: 2_000, tries: 2, settleMs: 1_000, earlyGapMs: 500 };
const card = (id: number) => id as CardId;
const passed: CheckOutcome = { result: "passed", code: "", text: "", ms: 1 };
const failed: CheckOutcome = { result: "failed", code: "broken", text: "", ms: 1 };

/** A card 1 that hears the others on both links. */
function hearing(...others: number[]): SelfTest {
  const selfTest = new SelfTest(card(1), 100, settings);
  for (const link of ["ether", "serial"] as const) {
    selfTest.step(0, { kind: "port", link, up: true });
    for (const other of others) selfTest.step(0, { kind: "link", card: card(other), link, health: "up" });
  }
  return selfTest;
}

const lose = (selfTest: SelfTest, now: number, other: number, link: LinkKind) =>
  selfTest.step(now, { kind: "link", card: card(other), link, health: "silent" });
const sends = (outputs: readonly SelfTestOutput[]) => outputs.flatMap((output) => output.kind === "send" ? [output] : []);
const verdicts = (outputs: readonly SelfTestOutput[]) =>
  outputs.flatMap((output) => output.kind === "verdict" ? [output.characterization.verdict] : []);

/** Our own checks, which were ordered, find nothing. */
function passOwn(selfTest: SelfTest, now: number, outputs: readonly SelfTestOutput[]): void {
  const run = outputs.flatMap((output) => output.kind === "check" ? [output.run] : [])[0] as number;
  for (const check of selfTestChecks) selfTest.step(now, { kind: "checked", run, check, outcome: passed });
}

function answer(id: number, subject: number, stage: SelfTestAnswer["stage"], result: "passed" | "failed" = "passed"): SelfTestAnswer {
  const results = stage === "done" ? [{ check: 3, result, code: "", ms: 1 }] : [];
  return { kind: "selfTestAnswer", id, subject: card(subject), stage, results };
}

test("FS-8: who is asked says at once that it was, and what came of its checks when the last one has answered", () => {
  const selfTest = hearing(2);
  const question = { kind: "question", from: card(2), link: "serial", message: { kind: "selfTest", id: 7, subject: card(1) } } as const;
  const asked = selfTest.step(10, question);
  assert.equal(sends(asked).map(({ link, to, message }) => [link, to, message.kind === "selfTestAnswer" && message.stage]), [[
    "serial",
    2,
    "received",
  ]]);
  const order = asked.find((output) => output.kind === "check");
  assert.ok(order?.kind === "check");
  assert.equal([...order.checks], [...selfTestChecks]);
  // The second try of the same question gets its receipt and nothing else.
  assert.is(selfTest.step(14, question).length, 1);
  for (const [index, check] of selfTestChecks.entries()) {
    const outputs = selfTest.step(15, { kind: "checked", run: order.run, check, outcome: check === "disk" ? failed : passed });
    if (index < selfTestChecks.length - 1) assert.equal(outputs, []);
    else {
      const [told] = sends(outputs);
      assert.ok(told?.message.kind === "selfTestAnswer" && told.message.stage === "done" && told.message.id === 7);
      assert.equal(told.message.results.filter(({ result }) => result === "failed").map(({ check: number }) => selfTestCheckOf(number)), [
        "disk",
      ]);
    }
  }
});

test("FS-8: a check that hangs has failed when its time is over", () => {
  const selfTest = hearing(2);
  const asked = selfTest.step(0, {
    kind: "question",
    from: card(2),
    link: "ether",
    message: { kind: "selfTest", id: 1, subject: card(1) },
  });
  const order = asked.find((output) => output.kind === "check");
  assert.ok(order?.kind === "check");
  for (const check of selfTestChecks) if (check !== "disk") selfTest.step(1, { kind: "checked", run: order.run, check, outcome: passed });
  assert.is(selfTest.deadline(), selfTestRules.disk.deadlineMs);
  const [told] = sends(selfTest.step(selfTest.deadline(), { kind: "tick" }));
  assert.ok(told?.message.kind === "selfTestAnswer");
  assert.equal(
    told.message.results.filter(({ code, result }) => code === "timeout" && result === "failed").map(({ check }) => selfTestCheckOf(check)),
    ["disk"],
  );
});

test("FS-8: many questions cost one run of the checks, and two frames each", () => {
  const selfTest = hearing(2, 3, 4, 5, 6, 7, 8);
  let runs = 0;
  let frames = 0;
  const count = (outputs: readonly SelfTestOutput[]) => {
    frames += sends(outputs).length;
    for (const output of outputs) {
      if (output.kind !== "check") continue;
      runs++;
      for (const check of output.checks) count(selfTest.step(1, { kind: "checked", run: output.run, check, outcome: passed }));
    }
  };
  for (let id = 0; id < 500; id++) {
    count(
      selfTest.step(1, { kind: "question", from: card(2 + id % 7), link: "ether", message: { kind: "selfTest", id, subject: card(1) } }),
    );
  }
  assert.is(runs, 1);
  assert.ok(frames <= 1_000, `${frames} frames`);
  assert.is(selfTest.deadline(), Infinity);
  count(
    selfTest.step(2 + selfTestFreshMs, {
      kind: "question",
      from: card(2),
      link: "ether",
      message: { kind: "selfTest", id: 501, subject: card(1) },
    }),
  );
  assert.is(runs, 2);
});

test("FS-8: three missed beats on one link send the question over both, as often as the setting says, and to third cards", () => {
  const selfTest = hearing(2, 3, 4, 5, 6);
  const first = sends(lose(selfTest, 100, 2, "ether"));
  assert.equal(first.filter(({ to }) => to === 2).map(({ link }) => link), ["ether", "serial"]);
  assert.equal(first.filter(({ to }) => to !== 2).map(({ to, link, message }) => [to, link, message.subject]), [[3, "ether", 2], [
    4,
    "ether",
    2,
  ], [5, "ether", 2]]);
  assert.is(relaysMax, 3);
  const second = sends(selfTest.step(selfTest.deadline(), { kind: "tick" }));
  assert.equal(
    second.map(({ to, link, message }) => [to, link, message.id]),
    first.filter(({ to }) => to === 2).map(({ to, link, message }) => [to, link, message.id]),
  );
});

test("FS-8: only the answer to the question that was asked counts, and only from whom it was asked", () => {
  const begin = () => {
    const selfTest = hearing(2, 3);
    const sent = sends(lose(selfTest, 100, 2, "ether"));
    const [own, relayed] = [2, 3].map((to) => sent.find((output) => output.to === to)?.message.id) as [number, number];
    return { selfTest, own, relayed };
  };
  const { selfTest, own, relayed } = begin();
  const wrong: readonly [number, SelfTestAnswer][] = [
    [2, answer(own + 9, 2, "done", "failed")],
    [3, answer(own, 2, "done", "failed")],
    [4, answer(own, 2, "done", "failed")],
    [2, answer(relayed, 2, "done", "failed")],
    [4, answer(relayed, 2, "done", "failed")],
    [3, answer(relayed, 4, "done", "failed")],
  ];
  for (const [from, message] of wrong) {
    assert.equal(selfTest.step(101, { kind: "answer", from: card(from), message }), [], JSON.stringify(message));
  }
  assert.equal(verdicts(selfTest.step(102, { kind: "answer", from: card(2), message: answer(own, 2, "done", "failed") })), ["sick member"]);
  const other = begin();
  assert.equal(verdicts(other.selfTest.step(102, { kind: "answer", from: card(3), message: answer(other.relayed, 2, "done", "failed") })), [
    "sick member",
  ]);
});

test("FS-8: a card that may be dead is asked before it is silent, and is dead when it is silent and had time to answer", () => {
  const selfTest = hearing(2);
  const early = selfTest.step(100, { kind: "hush", card: card(2) });
  assert.equal(sends(early).map(({ link, message }) => [link, message.kind === "selfTest" && message.early]), [["ether", true], [
    "serial",
    true,
  ]]);
  // Nobody's checks are asked for yet, and another hush asks nothing.
  assert.ok(early.every(({ kind }) => kind === "send"));
  assert.equal(selfTest.step(101, { kind: "hush", card: card(2) }), []);
  passOwn(selfTest, 115, lose(selfTest, 115, 2, "ether"));
  assert.equal(verdicts(selfTest.step(126, { kind: "tick" })), []);
  assert.equal(verdicts(selfTest.step(127, { kind: "tick" })), ["undecidable"]);
});

test("FS-8: who is heard after an early question on Ethernet was not dead, and one that is heard on serial is asked on", () => {
  const onEther = hearing(2);
  onEther.step(100, { kind: "hush", card: card(2) });
  onEther.step(102, { kind: "heard", card: card(2), link: "ether" });
  assert.is(onEther.deadline(), Infinity);
  // What it may take of the serial line is bounded.
  assert.equal(onEther.step(110, { kind: "hush", card: card(2) }), []);
  assert.ok(onEther.step(600, { kind: "hush", card: card(2) }).length > 0);
  const onSerial = hearing(2);
  onSerial.step(100, { kind: "hush", card: card(2) });
  onSerial.step(110, { kind: "heard", card: card(2), link: "serial" });
  passOwn(onSerial, 115, lose(onSerial, 115, 2, "ether"));
  assert.equal(verdicts(onSerial.step(127, { kind: "tick" })), []);
});

test("FS-8: an early question is answered at once, and nothing is checked for it", () => {
  const selfTest = hearing(2);
  const message = { kind: "selfTest", id: 7, subject: card(1), early: true } as const;
  const outputs = selfTest.step(10, { kind: "question", from: card(2), link: "serial", message });
  assert.equal(outputs, [{ kind: "send", link: "serial", to: 2, message: answer(7, 1, "received") }]);
});

test("FS-8: nobody is dead before our own port has passed its loopback", () => {
  const selfTest = hearing(2);
  lose(selfTest, 100, 2, "ether");
  assert.equal(verdicts(selfTest.step(200, { kind: "tick" })), []);
});

test("FS-8: what this card was late is on nobody's account", () => {
  const selfTest = hearing(2);
  passOwn(selfTest, 100, lose(selfTest, 100, 2, "ether"));
  assert.ok(selfTest.deadline() < 130);
  assert.equal(verdicts(selfTest.step(5_000, { kind: "late", ms: 4_890 })), []);
  assert.equal(verdicts(selfTest.step(5_010, { kind: "tick" })), []);
  assert.equal(verdicts(selfTest.step(5_030, { kind: "tick" })), ["undecidable"]);
});

test("FS-8: a card of a later version may answer with checks that we do not know: they are hints", () => {
  assert.is(gradeOfSelfTest([{ check: undefined, result: "failed" }, { check: "disk", result: "passed" }]), "passed");
  assert.is(gradeOfSelfTest([{ check: "loopback", result: "failed" }, { check: "gateway", result: "failed" }]), "port failed");
  assert.is(gradeOfSelfTest([{ check: "loopback", result: "failed" }, { check: "disk", result: "failed" }]), "failed");
  assert.is(gradeOfSelfTest([{ check: "disk", result: "skipped" }, { check: "gateway", result: "failed" }]), "passed");
});

test("FS-8: numbers of checks are apart and fit the wire, and so do all results in one serial frame", () => {
  assert.is(new Set(selfTestChecks.map((check) => selfTestRules[check].number)).size, selfTestChecks.length);
  assert.ok(selfTestChecks.length <= selfTestChecksMax);
  const results = selfTestChecks.map((check) => ({
    check: selfTestRules[check].number,
    result: "failed" as const,
    code: "x".repeat(checkCodeBytesMax),
    ms: 65_535,
  }));
  const frame = { system: 0xffff, from: card(64), to: card(64), incarnation: 0xffffffff, sequence: 2 ** 40 } as const;
  const bytesOf = (message: Parameters<typeof encodeFrame>[2]["message"]) =>
    encodeSerial(encodeFrame("serial", keyring, { ...frame, message })).length;
  assert.ok(bytesOf({ kind: "selfTestAnswer", id: 0xffffffff, subject: card(64), stage: "done", results }) <= 256);
  // A receipt has to come within a few of these.
  assert.ok(bytesOf({ kind: "selfTestAnswer", id: 0xffffffff, subject: card(64), stage: "received", results: [] }) <= selfTestFrameBytes);
  assert.ok(bytesOf({ kind: "selfTest", id: 0xffffffff, subject: card(64), early: true }) <= selfTestFrameBytes);
});

test("FS-8: a receipt takes as long as the line is slow", () => {
  assert.ok(selfTestAnswerMs(115_200).serial < 30);
  assert.ok(selfTestAnswerMs(9_600).serial > 200);
  assert.is(selfTestAnswerMs(9_600).ether, selfTestAnswerMs(115_200).ether);
});

// ---- whatever comes

const cards = fc.integer({ min: 1, max: 9 }).map(card);
const peers = fc.integer({ min: 2, max: 9 }).map(card);
const links = fc.constantFrom<LinkKind>("ether", "serial");
const ids = fc.integer({ min: 95, max: 130 });
const healths = fc.constantFrom<LinkHealth>("unheard", "up", "oneWay", "silent", "recovering", "down");
const results = fc.array(
  fc.record({
    check: fc.integer({ min: 0, max: 12 }),
    result: fc.constantFrom("passed" as const, "failed" as const, "skipped" as const),
    code: fc.constant(""),
    ms: fc.integer({ min: 0, max: 65_535 }),
  }, { noNullPrototype: true }),
  { maxLength: 16 },
);
const anyInput: fc.Arbitrary<SelfTestInput> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("link" as const), card: peers, link: links, health: healths }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("gone" as const), card: peers }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("heard" as const), card: peers, link: links }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("ticks" as const),
      from: peers,
      ether: fc.array(cards, { maxLength: 4 }),
      serial: fc.array(cards, { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("port" as const), link: links, up: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("question" as const),
      from: peers,
      link: links,
      message: fc.record({ kind: fc.constant("selfTest" as const), id: ids, subject: cards }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      from: peers,
      message: fc.record({
        kind: fc.constant("selfTestAnswer" as const),
        id: ids,
        subject: cards,
        stage: fc.constantFrom("received" as const, "done" as const, "silent" as const, "deaf" as const),
        results,
      }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("checked" as const),
      run: fc.integer({ min: 0, max: 4 }),
      check: fc.constantFrom(...selfTestChecks),
      outcome: fc.constantFrom(passed, failed),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("late" as const), ms: fc.integer({ min: 0, max: 5_000 }) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "tick" as const }) },
);

test("FS-8: no input in any order breaks it: deadlines are to come, outputs are few, and it comes to rest", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })), anyInput), { maxLength: 60 }), (inputs) => {
      const selfTest = hearing(2, 3, 4);
      let now = 0;
      for (const [ms, input] of inputs) {
        const at = Math.max(now, Math.min(now + ms, selfTest.deadline()));
        now = at;
        const outputs = selfTest.step(now, at === selfTest.deadline() ? { kind: "tick" } : input);
        assert.ok(outputs.length <= 128, `${outputs.length} outputs`);
        assert.ok(selfTest.deadline() > now, `deadline ${selfTest.deadline()} at ${now} after ${JSON.stringify(input)}`);
        selfTest.status(now);
      }
      for (let other = 2; other <= 9; other++) selfTest.step(now, { kind: "gone", card: card(other) });
      for (let steps = 0; selfTest.deadline() < Infinity; steps++) {
        assert.ok(steps < 1_000, "it does not come to rest");
        selfTest.step(now = selfTest.deadline(), { kind: "tick" });
      }
    }),
    { numRuns: 2_000 },
  );
});

test("FS-8: without a question that went unanswered nobody has failed", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), anyInput), { maxLength: 60 }), (inputs) => {
      const selfTest = hearing(2, 3, 4);
      const asked = new Set<CardId>();
      let now = 0;
      for (const [ms, input] of inputs) {
        now = Math.max(now, Math.min(now + ms, selfTest.deadline()));
        for (const output of selfTest.step(now, input)) {
          if (output.kind === "send" && output.message.kind === "selfTest" && output.to === output.message.subject) asked.add(output.to);
          if (output.kind !== "verdict") continue;
          const { verdict } = output.characterization;
          if (verdict !== "member failure" && verdict !== "undecidable") continue;
          // With both our own ports down there is nothing to ask over; then we are isolated, and say so.
          assert.ok(asked.has(output.card), `${verdict} of card ${output.card} without a question`);
          assert.is(output.evidence.selfTest, "no answer");
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

test.run();
