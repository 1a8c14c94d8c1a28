// timeout: 150
// runtime: node, because the cards are the compiled binary on either runtime
/** Cards under load keep their nerve, for as long as a run of all tests can wait; `npm run soak` does it for an hour. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { run } from "../../scripts/chassis/command.ts";
import { node, repository } from "../../scripts/chassis/repository.ts";

/** The product is held to an hour without a false failover; this finds what is grossly wrong. */
const minutes = 1;

test("HA-3: with all processors busy nobody is taken for dead, at the fast profile", async () => {
  const words = [`${repository}/scripts/soak.ts`, "--minutes", String(minutes), "--json"];
  const { code, stdout, stderr } = await run(node, words, { timeoutMs: minutes * 60_000 + 60_000 });
  assert.is(code, 0, `${stdout}\n${stderr}`);
  const report = JSON.parse(stdout) as {
    readonly failovers: readonly string[];
    readonly views: number;
    readonly cards: readonly unknown[];
  };
  assert.equal(report.failovers, []);
  assert.is(report.views, 0);
  assert.is(report.cards.length, 3);
});

test("what the command is told is checked before anything is started", async () => {
  const soak = async (...words: string[]) => await run(node, [`${repository}/scripts/soak.ts`, ...words], { timeoutMs: 20_000 });
  const wrong = await soak("--minutes", "0");
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, "--minutes is 0, must be from 0.1 to 10080");
  assert.match((await soak("--help")).stdout, "npm run soak -- --minutes 5 --json");
});

test.run();
