import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { env } from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseScenario, recordScenario, runScenario } from "../../src/sim/scenario.ts";

const folder = new URL("../scenarios/", import.meta.url);
/** The services whose scenarios the simulator's world of cards can run. */
const services: readonly string[] = ["heartbeat", "discovery", "membership", "order", "exchange", "configuration", "failover"];

for (const service of services) {
  const files = readdirSync(new URL(`${service}/`, folder)).filter((name) => name.endsWith(".txt")).sort();
  test(`${service} has scenarios`, () => assert.ok(files.length > 0));
  for (const name of files) {
    test(`scenario ${service}/${name} is as recorded`, () => {
      const path = new URL(`${service}/${name}`, folder);
      const scenario = parseScenario(readFileSync(path, "utf8"));
      const result = runScenario(scenario);
      if (typeof result === "string") throw new Error(`${service}/${name}: ${result}`);
      if (env["REWRITE"] === "1") writeFileSync(path, recordScenario(scenario, result.concluded));
      else assert.fixture(result.concluded, scenario.recorded);
      assert.is(result.violation, undefined);
    });
  }
}

test("a scenario whose line is wrong says which and why", () => {
  const wrong = (text: string) => runScenario(parseScenario(text));
  assert.is(wrong("cards 3\npull 9"), 'line 2: pull CARD: "9" is not CARD');
  assert.is(wrong("pull"), "line 1: pull CARD: CARD is missing");
  assert.is(wrong("cut serial 1 tx now"), 'line 1: cut ether|serial CARD [tx|rx|both]: "now" is a word too many');
  assert.is(wrong("cards x"), 'line 1: cards is a whole number above zero, not "x"');
  assert.is(wrong("cards 9"), "9 cards do not fit 1 chassis: a chassis has 1 to 8 cards, a system 1 to 8 chassis");
  assert.match(wrong("explode 1") as string, /^line 1: "explode" is no verb; there are pull, crash,/);
});

test.run();
