// timeout: 400
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * Failover on real cards: the compiled binary on the virtual chassis, an address and a web server that move among three of them, and a client in the
 * namespace of the hosts that asks all the time. It is told by ARP who has the address: two answers to one question are two owners.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Observed } from "../../scripts/bench/failover-client.ts";
import { type FailoverStand, movingAddress, webDocument, withFailover } from "../../scripts/bench/failover-stand.ts";
import type { SetsView } from "../../src/failover/failover-view.ts";

const name = (tail: string) => `ft${process.pid % 10_000}${tail}`;
const three = [1, 2, 3];

function ownersOf(stand: FailoverStand, { owners }: Observed): (number | undefined)[] {
  return owners.map(({ mac }) => stand.cardOf(mac));
}

function gapMs({ gap }: Observed): number {
  return gap.toMs - gap.fromMs;
}

/** The address is on one card, and on no other. */
async function isOnAlone(stand: FailoverStand, card: number): Promise<void> {
  for (const each of stand.cards) {
    const has = (await stand.addresses(each)).includes(movingAddress);
    assert.is(has, each === card, `card ${each} ${has ? "has" : "does not have"} the address`);
  }
}

/** Tells the cards' logs when something fails: their directories do not outlive the chassis. */
async function told(stand: FailoverStand, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    for (const card of stand.cards) console.error((await stand.chassis.log(card, 60)).join("\n"));
    throw error;
  }
}

test("HA-3, HA-12, FS-3: an address goes on when its card crashes, is pulled, hangs or is left in order, with one gap and one owner at a time", async () => {
  await withFailover({ name: name("a"), cards: 3, runtime: "binary", document: webDocument(three) }, (stand) =>
    told(stand, async () => {
      const { chassis } = stand;
      assert.is(await stand.servedBy(three, 20_000), 1, "the first in rank serves");
      const client = await stand.client({ periodMs: 2 });
      let owner = 1;
      const move = async (how: string, gapMsMax: number, act: () => Promise<unknown>) => {
        await client.observe();
        const others = three.filter((card) => card !== owner);
        await act();
        const next = await stand.servedBy(others, 20_000, owner);
        const seen = await client.observe(500);
        console.error(`  ${how}: from card ${owner} to ${next}, a gap of ${gapMs(seen).toFixed(0)} ms`);
        assert.equal(ownersOf(stand, seen), [owner, next], `${how}: the address went from one card to one other`);
        assert.is(seen.doubles, 0, `${how}: never two owners`);
        assert.ok(gapMs(seen) < gapMsMax, `${how}: a gap of ${gapMs(seen)} ms`);
        owner = next;
      };
      const whole = async (card: number) => {
        await chassis.insert(card).catch(() => {});
        await stand.waitUntilWhole();
        await isOnAlone(stand, owner);
      };

      await move("crash", 3_000, () => chassis.crash(1));
      await whole(1);
      await move("pull", 1_000, () => chassis.pull(owner));
      const pulled = three.find((card) => card !== owner && card !== 3) as number;
      await whole(pulled);
      // It is reset while it hangs.
      const hung = owner;
      await move("stall", 3_000, () => chassis.stall(hung, 5_000));
      await whole(hung);
      const left = owner;
      await move("leave", 500, () => chassis.leave(left));
      await whole(left);
      const to = three.find((card) => card !== owner) as number;
      await move("switch", 500, () => stand.cardinal(3, "set", "switch", "web", "--to", `1/${to}`));
      await isOnAlone(stand, owner);

      const records = await stand.cardinal(owner, "failovers");
      assert.match(records, /card 1; web: card 1 -> card 2/);
      client.end();
    }));
});

test("HA-15: what a killed program of a card left running is gone before the card is heard again, and its records are still there", async () => {
  await withFailover({ name: name("b"), cards: 3, runtime: "binary", document: webDocument(three) }, (stand) =>
    told(stand, async () => {
      const { chassis } = stand;
      assert.is(await stand.servedBy(three, 20_000), 1);
      await chassis.crash(1);
      assert.is(await stand.servedBy([2, 3], 20_000, 1), 2);
      await stand.waitUntilWhole();
      await sleep(1_500);
      // All at once: nobody is left who could fence, or tell what is agreed on.
      for (const card of three) process.kill((await chassis.slotStatus(card)).pid as number, "SIGKILL");
      assert.ok((await stand.addresses(2)).includes(movingAddress), "the address outlives the program");
      await chassis.waitFor("all programs run again", ({ cards }) => cards.every(({ status }) => status?.boot.state === "ready"), 60_000);
      const log = (await chassis.log(2, 400)).join("\n");
      assert.match(log, /"stopped what an earlier run left","resource":"web-ip","outcome":"done"/);
      const owner = await stand.servedBy(three, 30_000);
      await isOnAlone(stand, owner);
      assert.match(await stand.cardinal(2, "failovers"), /card 1; web: card 1 -> card 2/, "the record is on its disk");
    }));
});

const scratch = mkdtempSync(join(tmpdir(), "cardinal-failover-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));

const agent = "/usr/lib/ocf/resource.d/heartbeat/nginx";

/** A web server. Cards of one machine share its files, so those that run at the same time have directories of their own. */
function nginx(directory: string, service: string): Record<string, unknown> {
  mkdirSync(directory, { recursive: true });
  const file = `${directory}/nginx.conf`;
  writeFileSync(
    file,
    `pid ${directory}/nginx.pid; error_log ${directory}/error.log; worker_processes 1; user root;
events { worker_connections 256; }
http { access_log off; server { listen 80; location / { return 200 "here\\n"; } } }
`,
  );
  const parameters = { configfile: file, port: "80", httpd: "/usr/sbin/nginx" };
  return { kind: "application", service, agent: "ocf", type: "nginx", parameters, startS: 20, stopS: 20 };
}

// Where Debian's agents and web server are installed: both are this test's subject.
const nginxTest = existsSync(agent) && existsSync("/usr/sbin/nginx") ? test : test.skip;

nginxTest(
  "HA-3, HA-13: a web server through its OCF agent and its address go on after a crash, and by order: the address leaves first and comes last",
  async () => {
    const directory = join(scratch, "one");
    const document = webDocument(three, { resources: { "web-server": nginx(directory, "web") }, addressNeeds: ["web-server"] });
    await withFailover({ name: name("c"), cards: 3, runtime: "binary", document }, (stand) =>
      told(stand, async () => {
        const { chassis } = stand;
        assert.is(await stand.servedBy(three, 30_000), 1);
        const client = await stand.client({ periodMs: 5, http: 80 });
        await client.observe();
        await chassis.crash(1);
        assert.is(await stand.servedBy([2, 3], 30_000, 1), 2);
        const crashed = await client.observe(500);
        console.error(`  crash: a gap of ${gapMs(crashed).toFixed(0)} ms`);
        assert.equal(ownersOf(stand, crashed), [1, 2]);
        assert.is(crashed.doubles, 0);
        assert.ok(gapMs(crashed) < 6_000, `a gap of ${gapMs(crashed)} ms`);

        await stand.waitUntilWhole();
        await client.observe();
        await stand.cardinal(2, "set", "switch", "web", "--to", "1/3");
        assert.is(await stand.servedBy(three, 30_000, 2), 3);
        const switched = await client.observe(500);
        console.error(`  switch: a gap of ${gapMs(switched).toFixed(0)} ms`);
        assert.equal(ownersOf(stand, switched), [2, 3]);
        assert.is(switched.doubles, 0);
        client.end();

        const { sets } = JSON.parse(await stand.cardinal(3, "set", "show", "--json")) as SetsView;
        assert.is(sets[0]?.primary?.card, 3);
        const log = await stand.cardinal(3, "failovers", "--json");
        const records = JSON.parse(log) as { readonly failovers: readonly { readonly id: number }[] };
        const id = Math.max(...records.failovers.map((each) => each.id));
        const told = await stand.cardinal(3, "failover", "explain", String(id));
        assert.match(told, /stop web-ip: done[^]*stop web-server: done[^]*start web-server: done[^]*start web-ip: done/);
      }));
  },
);

nginxTest(
  "HA-13: with a web server on each card the address alone moves by order, and a client misses less than half a second",
  async () => {
    const directory = join(scratch, "each");
    const names = three.map((card) => `1/${card}`);
    const base = webDocument(three, {
      resources: Object.fromEntries(three.map((card) => [`server-${card}`, nginx(`${directory}/${card}`, `http-${card}`)])),
    });
    const document = {
      ...base,
      failoverSets: {
        ...base["failoverSets"] as object,
        servers: { composition: "n-way", members: Object.fromEntries(names.map((card) => [card, {}])) },
      },
      services: {
        ...base["services"] as object,
        ...Object.fromEntries(three.map((card) => [`http-${card}`, { set: "servers", preferred: [`1/${card}`], apart: "server" }])),
      },
    };
    await withFailover({ name: name("d"), cards: 3, runtime: "binary", document }, (stand) =>
      told(stand, async () => {
        const { chassis } = stand;
        assert.is(await stand.servedBy(three, 30_000), 1);
        for (const card of three) {
          const until = performance.now() + 20_000;
          while ((await chassis.exec(card, ["curl", "-sf", "http://127.0.0.1/"])).stdout !== "here\n") {
            if (performance.now() > until) throw new Error(`no web server on card ${card}`);
            await sleep(200);
          }
        }
        const client = await stand.client({ periodMs: 5, http: 80 });
        await client.observe();
        await stand.cardinal(2, "set", "switch", "web", "--to", "1/3");
        assert.is(await stand.servedBy(three, 30_000, 1), 3);
        const seen = await client.observe(500);
        console.error(
          `  switch: a gap of ${gapMs(seen).toFixed(0)} ms, ${seen.failures} of ${seen.answers + seen.failures} requests failed`,
        );
        assert.equal(ownersOf(stand, seen), [1, 3]);
        assert.is(seen.doubles, 0);
        assert.ok(gapMs(seen) < 500, `a gap of ${gapMs(seen)} ms`);
        client.end();
      }));
  },
);

test.run();
