// timeout: 150
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * A planned switch of a web server that stands by on all cards, while two hundred clients ask. Judged is what fails and what runs where, not how long it took: that
 * is the benchmark's (`npm run bench -- failover --how switch --clients 200`).
 */
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { missingForWebServers, withWebServers } from "../../scripts/bench/switch-stand.ts";
import { movingAddress } from "../../scripts/bench/failover-stand.ts";

const clients = 200;
const three = [1, 2, 3];

// Where Debian's agent and web server are installed: both are this test's subject.
const nginxTest = missingForWebServers() === undefined ? test : test.skip;

nginxTest("HA-13: a switch of a web server that stands by fails no request but on connections to the card that it left", async () => {
  const name = `so${process.pid % 10_000}`;
  await withWebServers({ name, cards: 3, runtime: "binary", standby: "hot" }, async (servers) => {
    const { stand } = servers;
    const crowd = await servers.crowd(clients);
    const witness = await stand.client({ periodMs: 10 });
    try {
      for (const to of [2, 3, 1]) {
        const { seen, unexcused, gapMs } = await servers.switchTo(to, crowd, witness);
        console.error(
          `  to card ${to}: a gap of ${gapMs.toFixed(0)} ms, ${seen.failureCount} requests on open connections failed, of ${seen.answers}`,
        );
        assert.equal(unexcused, [], `to card ${to}`);
        assert.ok(
          seen.failureCount <= clients,
          `to card ${to}: ${seen.failureCount} requests failed, of ${clients} clients each once at most`,
        );
        assert.ok(seen.answers > clients, `to card ${to}: they were answered afterwards`);
        for (const card of three) {
          assert.is((await stand.addresses(card)).includes(movingAddress), card === to, `the address is on card ${to} alone`);
        }
      }
      await servers.waitForServers(three, 1_000);
      const log = (await Promise.all(three.map((card) => stand.chassis.log(card, 1_000)))).flat();
      const hooks = log.filter((line) => line.includes('"event":"hook"') && line.includes('"resource":"web-server"'));
      assert.is(hooks.filter((line) => line.includes('"hook":"start"')).length, 3, "the web server was started once on each card");
      assert.equal(hooks.filter((line) => line.includes('"hook":"stop"')), [], "and stopped nowhere");
    } catch (error) {
      for (const card of three) console.error((await stand.chassis.log(card, 40)).join("\n"));
      throw error;
    } finally {
      crowd.end();
      witness.end();
    }
  });
});

test.run();
