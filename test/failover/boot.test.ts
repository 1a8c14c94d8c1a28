/** FS-6: the boot service coordinates the role of a card during its start, by the type of the boot. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Boot } from "../../src/failover/boot.ts";
import { holdCodes, holdRules } from "../../src/failover/boot-hold.ts";
import { type BootEvidence, type LastRun, type SlotSense, typeOfBoot } from "../../src/failover/boot-type.ts";
import { bootLoopStarts, bootPostRetryMs, holdCodeBytesMax } from "../../src/limits.ts";
import { BootChassis, type Booting, failed, lastRun, passed, sense } from "./boot-chassis.ts";

const warm = { evidence: { lastRun, machineBoot: "a" } };

function of<Kind extends string>(booting: Booting, kind: Kind) {
  return booting.outputs.flatMap(({ at, output }) =>
    output.kind === kind ? [{ at, output: output as Extract<typeof output, { kind: Kind }> }] : []
  );
}

const readinesses = (booting: Booting) =>
  of(booting, "readiness").map(({ output: { readiness } }) => {
    return readiness.kind === "booting" ? readiness.phase : readiness.kind === "hold" ? `hold ${readiness.code}` : readiness.kind;
  });

const types: readonly {
  readonly text: string;
  readonly evidence?: Partial<BootEvidence>;
  readonly last?: Partial<LastRun> | undefined;
  readonly sense?: Partial<SlotSense> | undefined;
  readonly type: string;
}[] = [
  { text: "the first run of a card in a chassis that was powered on with it", type: "cold", sense: {} },
  { text: "the first run, and no multiplexor is heard", type: "cold" },
  { text: "the first run in a slot that got its power later", type: "hot-insert", sense: { powerOns: 1 } },
  { text: "the multiplexor started after the last run", type: "cold", last: {}, sense: { incarnation: 2, powerOns: 0, resets: 3 } },
  { text: "the slot was without power, the chassis was not", type: "hot-insert", last: {}, sense: { powerOns: 1 } },
  { text: "a peer pulled the reset line", type: "fenced", last: {}, sense: { resets: 1 } },
  { text: "counts wrap", type: "fenced", last: { sense: { ...sense, resets: 255 } }, sense: { resets: 0 } },
  {
    text: "a peer pulled the reset line, and the machine started anew",
    type: "fenced",
    evidence: { machineBoot: "b" },
    last: {},
    sense: { resets: 1 },
  },
  { text: "it had itself reset", type: "warm", last: { ended: "reset" }, sense: { resets: 1 } },
  { text: "the program ended without a word", type: "warm", last: {}, sense: {} },
  { text: "the machine started anew, the multiplexor knows of nothing", type: "warm", evidence: { machineBoot: "b" }, last: {}, sense: {} },
  { text: "the machine started anew, and no multiplexor is heard", type: "cold", evidence: { machineBoot: "b" }, last: {} },
  {
    text: "the machine was told to restart, and no multiplexor is heard",
    type: "warm",
    evidence: { machineBoot: "b" },
    last: { ended: "restart" },
  },
  { text: "the machine was stopped, and no multiplexor is heard", type: "cold", evidence: { machineBoot: "b" }, last: { ended: "stop" } },
  {
    text: "the machine does not tell its starts apart, and no multiplexor is heard",
    type: "cold",
    evidence: { machineBoot: "" },
    last: { machineBoot: "" },
  },
  { text: "the program alone started anew, and no multiplexor is heard", type: "warm", last: {} },
  { text: "the multiplexor was not heard in the last run", type: "warm", last: { sense: undefined }, sense: { powerOns: 4 } },
  { text: "other software", type: "upgrade", evidence: { software: "1.1.0" }, last: {}, sense: {} },
  { text: "it left for an upgrade that brought the same software", type: "upgrade", last: { ended: "upgrade" }, sense: {} },
  {
    text: "all cards were upgraded with the chassis off",
    type: "cold",
    evidence: { software: "1.1.0" },
    last: { ended: "upgrade" },
    sense: { incarnation: 9 },
  },
  {
    text: "in maintenance, whatever else",
    type: "maintenance",
    evidence: { maintenance: true, software: "2.0.0" },
    last: {},
    sense: { incarnation: 2 },
  },
  { text: "it left for maintenance, which is over", type: "warm", last: { ended: "maintenance" }, sense: {} },
];

for (const { text, evidence, last, sense: told, type } of types) {
  test(`FS-6: the type of a boot: ${text}`, () => {
    const known: BootEvidence = {
      machineBoot: "a",
      software: "1.0.0",
      maintenance: false,
      lastRun: last === undefined ? undefined : { ...lastRun, ...last },
      ...evidence,
    };
    assert.is(typeOfBoot(known, told === undefined ? undefined : { ...sense, ...told }).type, type);
  });
}

test("FS-6: a chassis powered on at once: all announce themselves on the way and are ready together", () => {
  const chassis = new BootChassis(3);
  const cards = [1, 2, 3].map((id) => chassis.start(id));
  chassis.run(5_000);
  assert.equal(chassis.states(), ["ready", "ready", "ready"]);
  for (const card of cards) {
    assert.equal(readinesses(card), ["listen", "announce", "catch-up", "arbitrate", "ready"]);
    const words = of(card, "announce").map(({ output: { message } }) => `${message.bootType} ${message.state}`);
    assert.equal(words.slice(0, 1), ["cold announce"]);
    assert.ok(words.includes("cold ready"));
  }
  const readyAt = cards.map((card) => of(card, "readiness").at(-1)?.at as number);
  assert.ok(Math.max(...readyAt) - Math.min(...readyAt) < 20, `ready at ${readyAt.join(", ")}`);
});

test("FS-6: of a role nothing is said before two periods of each link were listened to", () => {
  const chassis = new BootChassis(2);
  const card = chassis.start(1);
  chassis.run(5_000);
  const speaking = of(card, "speaking");
  assert.is(speaking.length, 1);
  assert.ok((speaking[0]?.at as number) >= 400, `at ${speaking[0]?.at}`);
  assert.ok((of(card, "announce")[0]?.at as number) >= 400);
  assert.is(card.boot.speaks, true);
});

test("FS-6: a link that comes up late is listened to as long", () => {
  const chassis = new BootChassis(2);
  const boot = chassis.start(1).boot;
  chassis.tell(1, { kind: "port", link: "serial", up: false });
  chassis.run(150);
  chassis.tell(1, { kind: "port", link: "serial", up: true });
  chassis.run(350);
  assert.is(boot.speaks, false);
  chassis.run(100);
  assert.is(boot.speaks, true);
});

test("FS-6: one card after the other: each holds until all are heard, and the last one brings all to ready", () => {
  const chassis = new BootChassis(3);
  chassis.start(1);
  chassis.run(20_000);
  assert.equal(chassis.states(), ["hold cards-missing", "off", "off"]);
  chassis.start(2);
  chassis.run(20_000);
  assert.equal(chassis.states(), ["hold cards-missing", "hold cards-missing", "off"]);
  chassis.start(3);
  chassis.run(3_000);
  assert.equal(chassis.states(), ["ready", "ready", "ready"]);
});

test("FS-6: with a card missing the others wait for the operator's word, and one word is enough", () => {
  const chassis = new BootChassis(3);
  const [one, two] = [chassis.start(1), chassis.start(2)];
  chassis.run(30_000);
  assert.equal(chassis.states(), ["hold cards-missing", "hold cards-missing", "off"]);
  chassis.tell(2, { kind: "proceed", client: 7, by: "ann" });
  assert.equal(of(two, "answered").map(({ output }) => [output.client, output.answer.kind]), [[7, "proceeds"]]);
  assert.equal(of(two, "proceeded").map(({ output }) => output.by), ["ann"]);
  chassis.run(1_000);
  assert.equal(chassis.states(), ["ready", "ready", "off"]);
  assert.is(of(one, "proceeded").length, 0);
  // The third one joins those who are ready.
  chassis.start(3);
  chassis.run(3_000);
  assert.is(chassis.state(3), "ready");
});

test("FS-6: with a card missing the others go on by themselves after the time-out", () => {
  const chassis = new BootChassis(3, { coldWaitMs: 60_000 });
  chassis.start(1);
  chassis.start(2);
  chassis.run(59_000);
  assert.equal(chassis.states(), ["hold cards-missing", "hold cards-missing", "off"]);
  chassis.run(2_000);
  assert.equal(chassis.states(), ["ready", "ready", "off"]);
});

test("FS-6: without a time-out they wait for ever", () => {
  const chassis = new BootChassis(3, { coldWaitMs: Infinity });
  chassis.start(1);
  chassis.start(2);
  chassis.run(86_400_000);
  assert.equal(chassis.states(), ["hold cards-missing", "hold cards-missing", "off"]);
});

test("FS-6: a word where nothing waits, or where none helps, is refused", () => {
  const chassis = new BootChassis(1);
  const card = chassis.start(1);
  chassis.run(5_000);
  chassis.tell(1, { kind: "proceed", client: 1, by: "ann" });
  const other = chassis.start(1, { check: (check) => check === "state" ? failed : passed });
  chassis.run(5_000);
  chassis.tell(1, { kind: "proceed", client: 2, by: "ann" });
  const codeOf = (booting: Booting) =>
    of(booting, "answered").map(({ output: { answer } }) => answer.kind === "refused" ? answer.code : answer.kind);
  assert.equal([codeOf(card), codeOf(other)], [["not-waiting"], ["not-yours"]]);
  assert.is(chassis.state(1), "hold post-failed");
});

test("FS-6: a card that starts beside cards that are ready waits for nobody", () => {
  const chassis = new BootChassis(4);
  for (const id of [1, 2, 3]) chassis.start(id, warm);
  chassis.run(5_000);
  assert.equal(chassis.states(), ["ready", "ready", "ready", "off"]);
  const late = chassis.start(4, { sense: { ...sense, powerOns: 1 } });
  chassis.run(3_000);
  assert.is(chassis.state(4), "ready");
  assert.is(late.boot.status(chassis.now).type, "hot-insert");
  chassis.end(2);
  chassis.start(2, { evidence: { lastRun, machineBoot: "b" }, sense: { incarnation: 5, powerOns: 0, resets: 0 } });
  chassis.run(3_000);
  assert.is(chassis.cards.get(2 as CardId)?.boot.status(chassis.now).type, "cold");
  assert.is(chassis.state(2), "ready");
});

test("FS-6: cards that start anew with a majority do not wait for one that is gone for good", () => {
  const chassis = new BootChassis(3);
  chassis.start(1, warm);
  chassis.start(2, warm);
  chassis.run(5_000);
  assert.equal(chassis.states(), ["ready", "ready", "off"]);
});

test("FS-6: two boots that race: nobody is ready while the other is on its way", () => {
  for (let apartMs = 0; apartMs <= 1_200; apartMs += 25) {
    const chassis = new BootChassis(2);
    const one = chassis.start(1);
    chassis.run(apartMs);
    const two = chassis.start(2);
    chassis.run(10_000);
    assert.equal(chassis.states(), ["ready", "ready"], `${apartMs} ms apart`);
    const [first, second] = [one, two].map((card) => of(card, "readiness").at(-1)?.at as number) as [number, number];
    assert.ok(Math.abs(first - second) < 20, `${apartMs} ms apart: ready at ${first} and ${second}`);
  }
});

test("FS-6: a slow check or a slow configuration of one card keeps those that start with it together", () => {
  const chassis = new BootChassis(2);
  const one = chassis.start(1);
  const two = chassis.start(2, { configuration: "joining" });
  chassis.run(20_000);
  assert.equal(chassis.states(), ["arbitrate", "catch-up"]);
  chassis.tell(2, { kind: "configuration", configuration: { state: "current", sequence: 4, epoch: 2 } });
  chassis.run(100);
  assert.equal(chassis.states(), ["ready", "ready"]);
  assert.equal(one.boot.status(chassis.now).peers.map(({ card, state }) => [card, state]), [[2, "ready"]]);
  assert.equal(of(two, "announce").at(-1)?.output.message.sequence, 4);
});

test("FS-6: a card that holds is waited for by nobody", () => {
  const chassis = new BootChassis(3);
  chassis.start(1);
  chassis.start(2);
  chassis.start(3, { evidence: { maintenance: true } });
  chassis.run(5_000);
  assert.equal(chassis.states(), ["ready", "ready", "hold maintenance"]);
});

test("FS-6: what does not come in time holds with a code, and goes on when it comes", () => {
  const chassis = new BootChassis(3);
  chassis.start(1, { ...warm, configuration: "joining" });
  chassis.run(70_000);
  assert.is(chassis.state(1), "hold no-quorum");
  chassis.start(2, warm);
  chassis.run(5_000);
  assert.is(chassis.state(1), "hold catching-up");
  chassis.tell(1, { kind: "configuration", configuration: { state: "hold", reason: "the disk is full", sequence: 0, epoch: 0 } });
  assert.is(chassis.state(1), "hold configuration");
  chassis.tell(1, { kind: "configuration", configuration: { state: "current", sequence: 0, epoch: 0 } });
  chassis.run(1_000);
  assert.is(chassis.state(1), "ready");
});

test("FS-6: without a quorum a card holds at arbitration", () => {
  const chassis = new BootChassis(3);
  chassis.start(1, warm);
  chassis.run(20_000);
  assert.is(chassis.state(1), "hold no-quorum");
  chassis.start(2, warm);
  chassis.run(5_000);
  assert.equal(chassis.states(), ["ready", "ready", "off"]);
});

test("FS-6: until it knows what the others have agreed on a card is not ready", () => {
  const chassis = new BootChassis(1);
  chassis.start(1, warm);
  chassis.tell(1, { kind: "known", known: false });
  chassis.run(5_000);
  assert.is(chassis.state(1), "arbitrate");
  chassis.run(60_000);
  assert.is(chassis.state(1), "hold catching-up");
  chassis.tell(1, { kind: "known", known: true });
  assert.is(chassis.state(1), "ready");
});

const standing: readonly {
  readonly code: string;
  readonly begin: Parameters<Boot["step"]>[1];
  readonly end: Parameters<Boot["step"]>[1];
}[] = [
  { code: "duplicate-identity", begin: { kind: "twin", evidence: "a second card" }, end: { kind: "twin", evidence: undefined } },
  { code: "incompatible", begin: { kind: "incompatible", reason: "they speak 2" }, end: { kind: "incompatible", reason: undefined } },
  { code: "quarantined", begin: { kind: "quarantine", reason: "it failed" }, end: { kind: "quarantine", reason: undefined } },
  { code: "maintenance", begin: { kind: "maintenance", on: true }, end: { kind: "maintenance", on: false } },
  { code: "disabled", begin: settingsWith(2), end: settingsWith(1, 2) },
  { code: "configuration", begin: configurationIs("hold"), end: configurationIs("current") },
  { code: "links-down", begin: { kind: "port", link: "ether", up: false }, end: { kind: "port", link: "ether", up: true } },
];

function settingsWith(...electorate: number[]): Parameters<Boot["step"]>[1] {
  const settings = {
    electorate: electorate.map((id) => id as CardId),
    periodMs: { ether: 100, serial: 200 },
    coldWaitMs: 300_000,
    announceMs: 0,
  };
  return { kind: "settings", settings };
}

function configurationIs(state: "hold" | "current"): Parameters<Boot["step"]>[1] {
  return { kind: "configuration", configuration: { state, sequence: 0, epoch: 0 } };
}

for (const { code, begin, end } of standing) {
  test(`FS-6: a card holds for ${code} and goes on once that is over`, () => {
    const chassis = new BootChassis(2);
    const card = chassis.start(1, warm);
    chassis.start(2, warm);
    chassis.tell(1, begin);
    if (code === "links-down") chassis.tell(1, { kind: "port", link: "serial", up: false });
    chassis.run(20_000);
    assert.is(chassis.state(1), `hold ${code}`);
    const alarms = () => of(card, "alarm").filter(({ output }) => output.code === "boot-hold");
    assert.is(alarms().at(-1)?.output.text !== undefined, code !== "maintenance" && code !== "disabled");
    assert.is.not(card.boot.status(chassis.now).hold?.hint, "");
    chassis.tell(1, end);
    chassis.run(5_000);
    assert.is(chassis.state(1), "ready");
    assert.is(alarms().at(-1)?.output.text, undefined);
    // Ready is final: what comes later is not boot's business.
    chassis.tell(1, begin);
    chassis.run(5_000);
    assert.is(chassis.state(1), "ready");
  });
}

test("FS-6: a critical check that fails holds the card and is tried again; another one is an alarm", () => {
  const chassis = new BootChassis(1);
  let isBroken = true;
  const asked: string[] = [];
  const card = chassis.start(1, {
    check: (check) => {
      asked.push(check);
      return check === "clock" || (check === "state" && isBroken) ? failed : passed;
    },
  });
  chassis.run(1_000);
  assert.is(chassis.state(1), "hold post-failed");
  const checks = card.boot.status(chassis.now).checks;
  assert.equal(checks.filter(({ result }) => result === "failed").map(({ check, critical }) => [check, critical]), [["clock", false], [
    "state",
    true,
  ]]);
  isBroken = false;
  asked.length = 0;
  chassis.run(bootPostRetryMs + 1_000);
  assert.equal(asked, ["clock", "state"]);
  assert.is(chassis.state(1), "ready");
  const alarm = of(card, "alarm").filter(({ output }) => output.code === "boot-check");
  assert.equal(
    alarm.filter(({ output }) => output.text === undefined).map(({ output }) => output.about).filter((about) => about === "state"),
    ["state"],
  );
});

test("FS-6: a check that does not answer has failed", () => {
  const chassis = new BootChassis(1);
  const card = chassis.start(1, { check: (check) => check === "serial" || check === "state" ? undefined : passed });
  chassis.run(5_000);
  assert.is(chassis.state(1), "post");
  chassis.run(6_000);
  assert.is(chassis.state(1), "hold post-failed");
  const late = card.boot.status(chassis.now).checks.filter(({ code }) => code === "timeout").map(({ check }) => check);
  assert.equal(late, ["state", "serial"]);
});

test("FS-6: a card that was never ready in many starts waits, or goes on by the operator's word", () => {
  const loop = { evidence: { lastRun: { ...lastRun, unreadyStarts: bootLoopStarts }, machineBoot: "a" } };
  const chassis = new BootChassis(1);
  const card = chassis.start(1, loop);
  chassis.run(10_000);
  assert.is(chassis.state(1), "hold reboot-loop");
  assert.equal(of(card, "record").at(-1)?.output.record.unreadyStarts, bootLoopStarts + 1);
  chassis.tell(1, { kind: "proceed", client: 1, by: "ann" });
  assert.is(chassis.state(1), "ready");
  assert.equal(of(card, "record").at(-1)?.output.record.unreadyStarts, 0);
  const other = new BootChassis(1);
  other.start(1, loop);
  other.run(601_000);
  assert.is(other.state(1), "ready");
});

test("FS-6: what is left for the next run tells it how this one ended", () => {
  const chassis = new BootChassis(1);
  const card = chassis.start(1, { sense: { incarnation: 3, powerOns: 1, resets: 2 } });
  chassis.run(3_000);
  chassis.tell(1, { kind: "role", role: "secondary" });
  const record = () => of(card, "record").at(-1)?.output.record;
  assert.equal(record(), {
    machineBoot: "b",
    software: "1.0.0",
    ended: "open",
    role: "secondary",
    maintenance: false,
    unreadyStarts: 0,
    sense: { incarnation: 3, powerOns: 1, resets: 2 },
  });
  chassis.tell(1, { kind: "leave", ended: "upgrade" });
  assert.is(record()?.ended, "upgrade");
  assert.is(card.boot.deadline(), Infinity);
});

test("FS-6: a role that changes is announced at once", () => {
  const chassis = new BootChassis(1);
  const card = chassis.start(1, warm);
  chassis.run(5_000);
  const before = of(card, "announce").length;
  chassis.tell(1, { kind: "role", role: "alternate" });
  const said = of(card, "announce").slice(before).map(({ output }) => output.message.role);
  assert.equal(said, ["alternate"]);
  assert.equal(of(card, "announce")[0]?.output.message.role, "primary");
});

test("FS-6: a card that was stopped while it listened listens as long as any", () => {
  const boot = new Boot(1 as CardId, { machineBoot: "a", software: "1", maintenance: false, lastRun }, {
    electorate: [1 as CardId, 2 as CardId],
    periodMs: { ether: 100, serial: 200 },
    coldWaitMs: 0,
    announceMs: 0,
  }, 0);
  boot.step(0, { kind: "port", link: "ether", up: true });
  for (const check of ["clock", "memory", "state", "ether", "serial", "watchdog"] as const) {
    boot.step(1, { kind: "checked", check, outcome: passed });
  }
  boot.step(5_000, { kind: "late", ms: 4_900 });
  assert.is(boot.speaks, false);
  boot.step(5_099, { kind: "tick" });
  assert.is(boot.speaks, false);
  boot.step(5_105, { kind: "tick" });
  assert.is(boot.speaks, true);
});

test("FS-6: each code fits the wire and has somebody who can end it", () => {
  for (const code of holdCodes) {
    assert.ok(code.length <= holdCodeBytesMax);
    assert.ok(holdRules[code].hint.length > 0);
  }
});

test("a step gives a deadline in the future", () => {
  const chassis = new BootChassis(3);
  chassis.start(1);
  chassis.start(2, { check: (check) => check === "state" ? failed : passed });
  for (let ms = 0; ms < 120_000; ms += 250) {
    chassis.run(250);
    for (const { boot } of chassis.cards.values()) assert.ok(boot.deadline() > chassis.now);
  }
});

test.run();
