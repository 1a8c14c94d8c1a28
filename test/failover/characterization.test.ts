/** FS-8: a communications-link failure is told from a real member failure. The table has an answer to every combination, and the rows of the design have the verdict that it says. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type Characterization,
  characterizationTable,
  characterize,
  type Evidence,
  evidenceValues,
  fits,
} from "../../src/failover/characterization.ts";

const healthy: Evidence = {
  serial: "up",
  ether: "up",
  ticks: "all",
  selfTest: "not asked",
  relay: "not asked",
  loopback: "not asked",
  third: "hears it",
  serialLoss: "this one",
};

function* everyEvidence(): Generator<Evidence> {
  const names = Object.keys(evidenceValues) as (keyof Evidence)[];
  const walk = function* (at: number, chosen: Partial<Record<keyof Evidence, string>>): Generator<Evidence> {
    const name = names[at];
    if (name === undefined) return void (yield chosen as Evidence);
    for (const value of evidenceValues[name]) yield* walk(at + 1, { ...chosen, [name]: value });
  };
  yield* walk(0, {});
}

const rows: readonly {
  readonly text: string;
  readonly evidence: Partial<Evidence>;
  readonly verdict: Characterization["verdict"];
  readonly action: Characterization["action"];
}[] = [
  { text: "up, up", evidence: {}, verdict: "healthy", action: "none" },
  { text: "up, up, a missing tick", evidence: { ticks: "ether missing" }, verdict: "one-way fault", action: "alarm" },
  {
    text: "up, down, peer's port fails its loopback",
    evidence: { ether: "down", selfTest: "port failed", loopback: "passed" },
    verdict: "peer's public port",
    action: "peer hands over",
  },
  {
    text: "up, down, peer fine, my loopback fails",
    evidence: { ether: "down", selfTest: "passed", loopback: "failed" },
    verdict: "own public port",
    action: "hand over own",
  },
  {
    text: "up, down, both fine",
    evidence: { ether: "down", selfTest: "passed", loopback: "passed" },
    verdict: "path between two cards",
    action: "alarm",
  },
  { text: "down, up, passes", evidence: { serial: "down", selfTest: "passed" }, verdict: "serial line", action: "alarm" },
  { text: "down, up, all lost by all", evidence: { serial: "down", serialLoss: "all" }, verdict: "multiplexor", action: "alarm" },
  { text: "down, up, all lost by us alone", evidence: { serial: "down", serialLoss: "ours" }, verdict: "own serial port", action: "alarm" },
  {
    text: "down, down, relay through a third card passes",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", relay: "passed" },
    verdict: "two path faults",
    action: "alarm",
  },
  {
    text: "down, down, no answer",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", relay: "no answer", third: "silent", loopback: "passed" },
    verdict: "member failure",
    action: "shield, fence, take over",
  },
  {
    text: "down, down, no third card",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", third: "none", loopback: "passed" },
    verdict: "undecidable",
    action: "shield, fence, wait for proof",
  },
  {
    text: "down, down, and our own port is dead",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", third: "none", loopback: "failed" },
    verdict: "isolated",
    action: "hand over own",
  },
  {
    text: "any, any, answers and fails its specification",
    evidence: { selfTest: "failed" },
    verdict: "sick member",
    action: "demote and restart",
  },
  {
    text: "the same through a third card",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", relay: "failed" },
    verdict: "sick member",
    action: "demote and restart",
  },
  { text: "up, down, not asked yet", evidence: { ether: "down" }, verdict: "open", action: "send self-test" },
  {
    text: "up, down, peer passes, our port not tested",
    evidence: { ether: "down", selfTest: "passed" },
    verdict: "open",
    action: "test own port",
  },
  {
    text: "down, down, not asked yet",
    evidence: { serial: "down", ether: "down", third: "none" },
    verdict: "open",
    action: "send self-test",
  },
  {
    text: "down, down, a third card hears it",
    evidence: { serial: "down", ether: "down", selfTest: "no answer" },
    verdict: "open",
    action: "ask third cards",
  },
  {
    text: "down, down, third cards are silent and not asked",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", third: "silent", loopback: "passed" },
    verdict: "open",
    action: "ask third cards",
  },
  {
    text: "heard on serial, deaf to the self-test",
    evidence: { ether: "down", selfTest: "no answer" },
    verdict: "sick member",
    action: "demote and restart",
  },
  {
    text: "heard on Ethernet, deaf to the self-test",
    evidence: { serial: "down", selfTest: "no answer" },
    verdict: "sick member",
    action: "demote and restart",
  },
  {
    text: "heard by a third card, deaf to its self-test",
    evidence: { serial: "down", ether: "down", selfTest: "no answer", relay: "no answer" },
    verdict: "sick member",
    action: "demote and restart",
  },
];

for (const { text, evidence, verdict, action } of rows) {
  test(`S, E: ${text}`, () => {
    const found = characterize({ ...healthy, ...evidence });
    assert.is(found.verdict, verdict);
    assert.is(found.action, action);
  });
}

test("total: every combination of evidence has a row with a reason, and every row is the answer to some", () => {
  const used = new Set<string>();
  let count = 0;
  for (const evidence of everyEvidence()) {
    const { row, reason } = characterize(evidence);
    assert.ok(reason.length > 10);
    used.add(row);
    count++;
  }
  assert.is(count, 2 * 2 * 3 * 5 * 5 * 3 * 3 * 3);
  assert.equal(characterizationTable.map(({ name }) => name).filter((name) => !used.has(name)), []);
});

test("no card is taken for dead that was heard on any way, that answered, or that was not asked", () => {
  for (const evidence of everyEvidence()) {
    const { action, row } = characterize(evidence);
    if (action !== "shield, fence, take over" && action !== "shield, fence, wait for proof") continue;
    assert.is(evidence.serial, "down", row);
    assert.is(evidence.ether, "down", row);
    assert.is(evidence.selfTest, "no answer", row);
    assert.not(evidence.third === "hears it", row);
    assert.not(evidence.relay === "passed" || evidence.relay === "port failed", row);
    assert.not(evidence.loopback === "failed", row);
    if (action === "shield, fence, take over") assert.not(evidence.relay === "not asked", row);
  }
});

test("an alarm never moves anything, and an open verdict asks for what is missing", () => {
  const asks = new Set(["send self-test", "ask third cards", "test own port"]);
  for (const evidence of everyEvidence()) {
    const { action, verdict, isFailover } = characterize(evidence);
    if (action === "alarm" || action === "none") assert.is(isFailover, false);
    assert.is(verdict === "open", asks.has(action));
    if (action === "send self-test") assert.is(evidence.selfTest, "not asked");
    if (action === "ask third cards") assert.is(evidence.relay, "not asked");
    if (action === "test own port") assert.is(evidence.loopback, "not asked");
  }
});

test("names of rows are different, and every row but a catch-all is needed: without it some evidence has another verdict", () => {
  assert.is(new Set(characterizationTable.map(({ name }) => name)).size, characterizationTable.length);
  for (const row of characterizationTable) {
    let isNeeded = false;
    for (const evidence of everyEvidence()) {
      if (characterize(evidence).row !== row.name) continue;
      const next = characterizationTable.find((other) => other !== row && fits(other, evidence));
      if (next === undefined || next.verdict !== row.verdict || next.reason !== row.reason) isNeeded = true;
      if (isNeeded) break;
    }
    assert.ok(isNeeded, row.name);
  }
});

test.run();
