/** FS-7: the study of readiness, a card at each step. What it finds is told by the plans in `plans/readiness*.txt`. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assign, nothingAssigned } from "../../src/failover/assignment.ts";
import type { CardId } from "../../src/base/ids.ts";
import type { CardFacts, Facts } from "../../src/failover/facts.ts";
import { noSurroundings, readinessOf, ReadinessStudy } from "../../src/failover/readiness.ts";
import { noFailoverRows, PlacedConfig } from "../../src/failover/service-config.ts";
import { ReportedReadiness } from "../../src/failover/service-readiness.ts";

const cards = ["1/1", "1/2", "1/3"];
const { failover: config } = new PlacedConfig({ epoch: 1, sequence: 1 }, {
  ...noFailoverRows,
  cards: cards.map((id) => ({ id, enabled: 1, capacity: 20 })),
  failoverSets: [{ id: "all", composition: "n-way" }],
  setMembers: cards.map((card) => ({ id: `all/${card}`, set: "all", card, rank: 100, spare: 0 })),
  // Of each card one and a half would fit: with a card less there is no room.
  services: cards.map((_, index) => ({ id: `s${index}`, set: "all", enabled: 1, weight: 14, priority: 0 })),
});
const up: CardFacts = {
  state: "up",
  joined: true,
  readiness: { kind: "ready" },
  health: "good",
  healthReasons: [],
  healthySince: 0,
  software: "1.0.0",
  model: undefined,
  configuration: "current",
  ports: new Map(),
  unfit: new Map(),
  leaseMs: undefined,
  quarantine: undefined,
  maintenance: undefined,
  drained: undefined,
};
const factsAt = (now: number): Facts => ({
  now,
  cards: new Map(([1, 2, 3] as CardId[]).map((card) => [card, up])),
  units: new Map(),
  activities: [],
  ownersKnown: true,
  epochsFrom: 0,
});

test("one card at each step, and then what all at once would be", () => {
  const facts = factsAt(1_000);
  const assignment = assign(config, facts, nothingAssigned);
  const study = new ReadinessStudy(config, facts, assignment, noSurroundings, undefined);
  assert.equal([study.step(), study.report, study.step()], [undefined, undefined, undefined]);
  const report = study.step();
  assert.equal(report, readinessOf(config, facts, assignment, noSurroundings, undefined));
  // What speaks against each of the others.
  assert.equal(report?.reasons.map(({ service, code, card }) => `${service} ${code} ${card}`), [
    "s0 no-room 2",
    "s0 no-room 3",
    "s1 no-room 1",
    "s1 no-room 3",
    "s2 no-room 1",
    "s2 no-room 2",
  ]);
  assert.is(study.step(), report);
});

test("who looks has the same study until something is decided, and a reason keeps its age over a study that nobody finished", () => {
  const reported = new ReportedReadiness();
  const first = assign(config, factsAt(1_000), nothingAssigned);
  const study = reported.study(config, factsAt(1_000), first);
  assert.is(reported.study(config, factsAt(1_500), first), study);
  assert.is(study.finish().reasons[0]?.since, 1_000);
  const second = assign(config, factsAt(2_000), first);
  reported.study(config, factsAt(2_000), second).step();
  const third = assign(config, factsAt(3_000), second);
  const [reason] = reported.study(config, factsAt(3_000), third).finish().reasons;
  assert.equal([reason?.code, reason?.since], ["no-room", 1_000]);
  reported.onSurroundings({ ...noSurroundings, noQuorumWithout: new Map([[2 as CardId, "1 of 3 cards: no quorum"]]) });
  const codes = reported.study(config, factsAt(3_000), third).finish().reasons.map(({ code }) => code);
  assert.equal(codes.filter((code) => code === "no-quorum").length, 1);
});

test.run();
