// timeout: 400
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * The policy on real cards (FS-7, HA-7, HA-15): an application that crashes again and again walks from restart over failover to quarantine and comes back when that is
 * lifted; a card whose program hangs is fenced like one that crashed, and one that cannot be fenced gives up by itself when it wakes.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Document, type FailoverStand, movingAddress, webDocument, withFailover } from "../../scripts/bench/failover-stand.ts";
import { interfaceName, prefixLength } from "../../scripts/chassis/names.ts";
import type { ReadinessView, ServiceView, SetsView } from "../../src/failover/failover-view.ts";

const name = (tail: string) => `fp${process.pid % 10_000}${tail}`;
const three = [1, 2, 3];
const scratch = mkdtempSync(join(tmpdir(), "cardinal-policy-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

/** An application that ends by itself soon after its start, until there is a file `well`. Only one card at a time runs it, so its files are shared. */
function crashing(service: string): Document {
  const program = join(scratch, "application");
  const end = 'kill "$(cat pid)" 2>/dev/null';
  writeFileSync(
    program,
    `#!/bin/sh
cd ${scratch}
case $1 in
  start) if [ -e well ]; then for=1000; else for=0.2; fi
    sleep $for </dev/null >/dev/null 2>&1 & echo $! >pid ;;
  stop) ${end}; exit 0 ;;
  monitor) kill -0 "$(cat pid)" 2>/dev/null || exit 7 ;;
esac
`,
  );
  chmodSync(program, 0o755);
  const hook = (verb: string) => [program, verb];
  return { kind: "application", service, start: hook("start"), stop: hook("stop"), monitor: hook("monitor"), monitorPeriodS: 1 };
}

/** Besides "web" a service "calm" of its own set, on the last card. */
function document(): Document {
  const base = webDocument(three, { resources: { loop: crashing("web") }, addressNeeds: ["loop"] });
  return {
    ...base,
    failoverSets: {
      ...base["failoverSets"] as object,
      calm: { members: Object.fromEntries(three.map((card) => [`1/${card}`, { rank: 4 - card }])) },
    },
    services: { ...base["services"] as object, calm: { set: "calm" } },
    resources: {
      ...base["resources"] as object,
      "calm-ip": { kind: "address", service: "calm", address: "10.77.9.10", prefix: prefixLength, interface: interfaceName },
    },
    policies: { restartsMax: 1, restartDelayMs: 100, failoversMax: 2 },
  };
}

async function serviceOf(stand: FailoverStand, service: string): Promise<ServiceView> {
  const { sets } = await stand.view(3);
  const found = sets.flatMap(({ services }) => services).find((each) => each.service === service);
  assert.ok(found, `${service} is configured`);
  return found;
}

async function until<Value>(what: string, withinMs: number, look: () => Promise<Value | undefined>): Promise<Value> {
  const end = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(100);
  }
}

/** The lines of all cards' logs with this event, each as its card knows it. */
async function logged(stand: FailoverStand, card: number, event: string): Promise<Record<string, unknown>[]> {
  const lines = (await stand.chassis.log(card, 2_000)).filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line["event"] === event);
}

async function told(stand: FailoverStand, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    for (const card of stand.cards) console.error((await stand.chassis.log(card, 60)).join("\n"));
    throw error;
  }
}

test("FS-7: an application that crashes in a loop is restarted, fails over, rests, and runs again once that is lifted; nothing else moves", async () => {
  await withFailover({ name: name("a"), cards: 3, runtime: "binary", document: document() }, (stand) =>
    told(stand, async () => {
      const calm = await until("calm runs on card 3", 20_000, async () => {
        const service = await serviceOf(stand, "calm");
        return service.grant === "running" ? service : undefined;
      });
      assert.is(calm.owner?.card, 3);
      await until("web is in quarantine", 60_000, async () => (await serviceOf(stand, "web")).state === "quarantined" || undefined);

      const failures = await logged(stand, 3, "service failed");
      assert.equal(failures.map(({ peer, decision }) => `${String(peer)} ${String(decision)}`), [
        "1 restart",
        "1 failover",
        "2 restart",
        "2 failover",
        "3 restart",
        "3 quarantine",
      ]);
      assert.match(String(failures[0]?.["reason"]), /loop: .*: started again on card 1 at once, restart 1 of 1/);
      assert.match(
        String(failures[5]?.["reason"]),
        /1 restart in 15 min did not help, nor did 2 failovers in 1 h; it rests for 2 h/,
      );
      for (const card of three) assert.not.ok((await stand.addresses(card)).includes(movingAddress), `card ${card} has no address of it`);

      const { code, stdout } = await stand.chassis.exec(2, ["cardinal", "ready", "--json"]);
      assert.is(code, 1);
      const ready = JSON.parse(stdout) as ReadinessView;
      assert.ok(ready.reasons.some(({ service, code }) => service === "web" && code === "quarantined-service"), "readiness says so");
      const alarms = (await stand.chassis.cardStatus(1))?.alarms ?? [];
      assert.ok(alarms.some(({ code }) => code === "service-quarantined"), "an alarm says so");

      // The cause is found.
      writeFileSync(join(scratch, "well"), "");
      assert.match(await stand.cardinal(2, "set", "lift-quarantine", "web", "--dry-run"), /web/);
      assert.is((await serviceOf(stand, "web")).state, "quarantined", "a dry run lifts nothing");
      await stand.cardinal(2, "set", "lift-quarantine", "web", "--comment", "the file was missing");
      const card = await stand.servedBy(three, 20_000);
      assert.ok((await stand.addresses(card)).includes(movingAddress));
      await sleep(1_500);
      assert.is((await serviceOf(stand, "web")).grant, "running", "and goes on");

      const after = await serviceOf(stand, "calm");
      assert.equal([after.owner?.card, after.epoch], [3, calm.epoch], "calm has not moved");
      for (const { card: at, starts } of (await stand.chassis.status()).cards) assert.is(starts, 1, `card ${at} was not reset`);
    }));
});

test("HA-3, HA-15: a card that hangs is fenced like one that crashed; one that cannot be reached by the fence demotes itself when it wakes", async () => {
  await withFailover({ name: name("h"), cards: 3, runtime: "binary", document: webDocument(three) }, (stand) =>
    told(stand, async () => {
      const { chassis } = stand;
      assert.is(await stand.servedBy(three, 20_000), 1);
      const client = await stand.client({ periodMs: 2 });
      await client.observe();
      await chassis.stall(1, 60_000);
      assert.is(await stand.servedBy([2, 3], 10_000, 1), 2);
      const fenced = await client.observe(300);
      assert.is(fenced.doubles, 0, "one owner at a time");
      assert.equal(fenced.owners.map(({ mac }) => stand.cardOf(mac)), [1, 2]);
      await stand.waitUntilWhole();
      assert.is((await chassis.slotStatus(1)).starts, 2, "it was reset");

      // Without the multiplexor nobody can fence it: what it has stays where it is until it speaks, or its lease is over.
      await chassis.cutMux();
      await sleep(1_500);
      await client.observe();
      await chassis.stall(2, 4_000);
      await until("card 2 goes on", 10_000, async () => (await chassis.slotStatus(2)).program === "running" || undefined);
      const owner = await until("the service runs again", 20_000, async () => {
        const service = (JSON.parse(await stand.cardinal(3, "set", "show", "--json")) as SetsView).sets[0]?.services[0];
        return service?.grant === "running" ? service.owner?.card : undefined;
      });
      const seen = await client.observe(300);
      assert.is(seen.doubles, 0, "never two owners");
      const [stop] = (await logged(stand, 2, "hook")).filter(({ hook, outcome }) => hook === "stop" && outcome === "done");
      assert.ok(stop, "it has stopped what it had by itself");
      const start = (await logged(stand, owner, "hook")).findLast(({ hook, outcome }) => hook === "start" && outcome === "done");
      assert.ok(Number(stop["endedMs"]) <= Number(start?.["startedMs"]), "and nobody started it before");
      for (const card of three) assert.is((await stand.addresses(card)).includes(movingAddress), card === owner, `card ${card}`);
      assert.is((await chassis.slotStatus(2)).starts, 1, "nobody reset it");
      client.end();
    }));
});

test.run();
