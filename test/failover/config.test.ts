/** The configuration as failover reads it: from rows that validation let through, into cards, sets, services, resources and policy. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Setting, type SettingName, settings } from "../../src/config/settings.ts";
import { assign, nothingAssigned } from "../../src/failover/assignment.ts";
import { cardName, cardOf, readFailoverConfig, startOrder } from "../../src/failover/config.ts";
import { policyOf, settingNames, settingText } from "../../src/failover/policy.ts";
import { rootsOf, seatsOf } from "../../src/failover/seats.ts";
import { checkSets } from "../../src/failover/set-check.ts";
import { exampleTables } from "../config/example-tables.ts";
import { freshCard, PlanWorld } from "./plan-world.ts";

const example = readFailoverConfig(exampleTables());

test("the example system: cards, sets with their members by rank, services with their resources by need", () => {
  assert.equal([...example.cards.keys()], [1, 2, 9, 10]);
  const both = example.sets.get("both");
  assert.is(both?.composition, "hierarchical");
  assert.is(both?.failback, "automatic");
  assert.equal(both?.members.map(({ body }) => body), [{ kind: "set", set: "upper" }, { kind: "set", set: "lower" }]);
  assert.is(example.sets.get("web")?.members.find(({ spare }) => spare)?.id, "web/2/2");
  assert.equal(example.services.get("intranet")?.preferred, [2, 9]);
  const files = example.services.get("files");
  assert.ok((files?.resources.indexOf("data") ?? 9) === 0, "a filesystem comes after its device");
  assert.is(example.services.get("scans")?.priority, -10);
});

test("the example system is sound, and everything of it is served", () => {
  assert.equal(checkSets(example).filter(({ severity }) => severity === "error"), []);
  const cards = new Map([...example.cards.keys()].map((card) => [card, freshCard(0)]));
  const assignment = assign(
    example,
    { now: 0, cards, units: new Map(), activities: [], ownersKnown: true, epochsFrom: 0 },
    nothingAssigned,
  );
  for (const { service, state, reasons } of assignment.services.values()) {
    assert.is(state, example.services.get(service)?.enabled ? "placed" : "disabled", `${service}: ${JSON.stringify(reasons)}`);
  }
});

test("places of a hierarchical set are paths", () => {
  assert.equal(seatsOf("both", example).map(({ key, card, index }) => `${index} ${key} (${card})`), [
    "0 upper > card 1 (1)",
    "1 upper > card 2 (2)",
    "2 lower > card 9 (9)",
    "3 lower > card 10 (10)",
  ]);
  assert.not(rootsOf(example).some(({ id }) => id === "upper"));
});

test("names of cards", () => {
  assert.is(cardOf("2/3"), 11);
  assert.is(cardName(11 as never), "2/3");
  for (const wrong of ["", "9/1", "1/9", "11", "1/1/x", 11, null]) assert.is(cardOf(wrong as never), undefined);
});

test("resources start after what they need, of other services too, and stop in the reverse order", () => {
  const world = new PlanWorld();
  for (
    const line of [
      "cards 1-2",
      "set s single 1 2",
      "service files s",
      "service web s",
      "resource nginx application web needs=home,web-ip",
      "resource web-ip address web",
      "resource home filesystem files device=disk",
      "resource disk device files",
    ]
  ) world.run(line);
  assert.equal(startOrder(["web", "files"], world.config), ["web-ip", "disk", "home", "nginx"]);
  assert.equal(world.config.services.get("web")?.reaches, ["web-ip", "nginx"]);
});

test("a cycle of needs has an order all the same, and a cycle of sets no root", () => {
  const world = new PlanWorld();
  for (
    const line of [
      "cards 1-2",
      "set s single 1 2",
      "service web s",
      "resource a application web needs=b",
      "resource b application web needs=a",
      "set x hierarchical set:y",
      "set y hierarchical set:x",
    ]
  ) world.run(line);
  assert.equal(startOrder(["web"], world.config).sort(), ["a", "b"]);
  assert.equal(rootsOf(world.config).map(({ id }) => id), ["s"]);
});

test("every setting has a unit in its name, a default within its bounds, and says why", () => {
  for (const name of settingNames) {
    const rule: Setting = settings[name];
    assert.ok(rule.about.endsWith(".") && rule.why.length > 10 && !rule.why.endsWith("."), name);
    if (rule.kind === "whole") {
      const value = rule.default as number;
      assert.ok(value >= rule.min && value <= rule.max, name);
      assert.is(
        /(S|Ms|Percent|MiBPerS)$/.test(name),
        ["seconds", "milliseconds", "percent", "MiB/s"].includes(rule.unit ?? "") && name !== "resyncHostShare",
        name,
      );
    }
    if (rule.kind === "choice") assert.ok(rule.choices.includes(rule.default as string), name);
  }
});

test("bounds of health are in their order", () => {
  const policy = policyOf();
  const pairs: readonly (readonly [SettingName, SettingName])[] = [
    ["stallWarnMs", "stallFailMs"],
    ["memoryWarnPercent", "memoryFailPercent"],
    ["diskWarnPercent", "diskFailPercent"],
    ["diskErrorsWarn", "diskErrorsFail"],
    ["temperatureWarn", "temperatureFail"],
  ];
  for (const [warn, fail] of pairs) assert.ok(policy[warn] < policy[fail], `${warn} < ${fail}`);
  assert.ok(policy.healthClearS > policy.healthRaiseS);
});

test("the defaults are those of the design: 3 in 15 min, 3 in 60 min, 2 h, controlled, 600 s", () => {
  const { restartsMax, restartWindowS, failoversMax, failoverWindowS, quarantineS, failback, failbackAfterS } = policyOf();
  assert.equal(
    { restartsMax, restartWindowS, failoversMax, failoverWindowS, quarantineS, failback, failbackAfterS },
    {
      restartsMax: 3,
      restartWindowS: 900,
      failoversMax: 3,
      failoverWindowS: 3_600,
      quarantineS: 7_200,
      failback: "controlled",
      failbackAfterS: 600,
    },
  );
});

test("a setting that is given counts, and stands with its reason beside a decision", () => {
  const policy = policyOf(new Map<string, unknown>([["restartsMax", 7], ["degradedLast", false], ["unheard", 1]]));
  assert.is(policy.restartsMax, 7);
  assert.is(policy.degradedLast, false);
  assert.is(policy.rebalance, true);
  assert.is(settingText("quarantineS", policy).startsWith("quarantineS 7200 seconds: long enough"), true);
});

test.run();
