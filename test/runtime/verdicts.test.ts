// timeout: 400
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * FS-8 on real programs, cables and disks: what follows from each verdict for the card that serves. Whose port is broken gives up its address and stays a member;
 * a lost serial line or multiplexor moves nothing; a card whose disk fails hands over, and is well again once that is mended. The verdicts themselves, of all
 * cards about each other, are in `proving.test.ts`.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type FailoverClient, type FailoverStand, movingAddress, webDocument, withFailover } from "../../scripts/bench/failover-stand.ts";
import { outerUser } from "../../scripts/chassis/place.ts";
import { cardOf } from "../chassis/world.ts";

const name = (tail: string) => `fv${process.pid % 10_000}${tail}`;
const three = [1, 2, 3];
const document = { ...webDocument(three), policies: { healthClearS: 1, failoversMax: 100, failoverWindowS: 1 } };

async function told(stand: FailoverStand, use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    for (const card of stand.cards) console.error((await stand.chassis.log(card, 60)).join("\n"));
    throw error;
  }
}

/** Waits until a card says this of another one. */
async function verdict(stand: FailoverStand, from: number, about: number, wanted: string): Promise<void> {
  await stand.chassis.waitFor(`card ${from} finds of card ${about}: ${wanted}`, (status) => {
    const peers = cardOf(status, `1/${from}`).status?.selfTest?.peers ?? [];
    return peers.some(({ card, verdict }) => card === about && verdict === wanted);
  }, 20_000);
}

async function isMember(stand: FailoverStand, card: number): Promise<boolean> {
  const other = three.find((each) => each !== card) as number;
  const status = await stand.chassis.cardStatus(other);
  return status?.membership.view?.members.some((member) => member.card === card) === true;
}

async function starts(stand: FailoverStand): Promise<number[]> {
  return (await stand.chassis.status()).cards.map((card) => card.starts);
}

/** Nothing moves, and nobody notices, for a while. */
async function staysPut(stand: FailoverStand, client: FailoverClient, owner: number, what: string): Promise<void> {
  await sleep(2_000);
  const seen = await client.observe();
  assert.equal(seen.owners.map(({ mac }) => stand.cardOf(mac)), [owner], `${what}: it stays where it is`);
  assert.is(seen.doubles, 0, what);
}

async function healed(stand: FailoverStand): Promise<void> {
  await stand.chassis.heal();
  await stand.waitUntilWhole();
  await stand.chassis.waitFor("no card finds anything wrong", ({ cards }) => {
    return cards.every(({ status }) => status?.selfTest?.peers.length === 0);
  }, 20_000);
}

test("whose port is broken hands over and stays a member; a lost serial line, and a dead multiplexor, move nothing", async () => {
  await withFailover({ name: name("p"), cards: 3, runtime: "binary", document }, (stand) =>
    told(stand, async () => {
      const { chassis } = stand;
      assert.is(await stand.servedBy(three, 20_000), 1);
      await healed(stand);
      const client = await stand.client({ periodMs: 5 });
      await client.observe();

      await chassis.cutSerial(1);
      await verdict(stand, 2, 1, "serial line");
      await verdict(stand, 1, 2, "own serial port");
      await staysPut(stand, client, 1, "a lost serial line");
      await healed(stand);

      await chassis.cutMux();
      for (const card of three) await verdict(stand, card, card === 1 ? 2 : 1, "multiplexor");
      await staysPut(stand, client, 1, "a dead multiplexor");
      await healed(stand);

      const move = async (what: string, owner: number, cut: () => Promise<void>): Promise<number> => {
        await client.observe();
        await cut();
        const next = await stand.servedBy(three.filter((card) => card !== owner), 20_000, owner);
        await verdict(stand, owner, next, "own public port");
        const seen = await client.observe(300);
        assert.equal(seen.owners.map(({ mac }) => stand.cardOf(mac)), [owner, next], `${what}: it went to one other card`);
        assert.is(seen.doubles, 0, what);
        assert.not.ok((await stand.addresses(owner)).includes(movingAddress), `${what}: card ${owner} has given it up`);
        assert.ok(await isMember(stand, owner), `${what}: card ${owner} stays a member`);
        await healed(stand);
        await staysPut(stand, client, next, `${what}, healed`);
        return next;
      };
      const second = await move("no carrier", 1, () => chassis.cutEther(1));
      await move("it hears nobody", second, () => chassis.cutEther(second, ["rx"]));
      assert.equal(await starts(stand), [1, 1, 1], "no card was reset");
      client.end();
    }));
});

// A disk that takes no writes is made of a mount in the namespace of the card's program.
const testAsRoot = outerUser() === 0 ? test : test.skip;

testAsRoot("a sick member, whose disk takes no write, hands over in order and stays a member; mended, it is well again", async () => {
  await withFailover({ name: name("s"), cards: 3, runtime: "binary", document }, (stand) =>
    told(stand, async () => {
      const { chassis } = stand;
      assert.is(await stand.servedBy(three, 20_000), 1);
      const { pid, directory } = await chassis.slotStatus(1);
      const state = `${directory}/state`;
      const inside = (...command: readonly string[]) => {
        const { status, stderr } = spawnSync("nsenter", ["--target", String(pid), "--mount", "--", ...command], { encoding: "utf8" });
        assert.is(status, 0, `${command.join(" ")}: ${stderr}`);
      };
      const client = await stand.client({ periodMs: 5 });
      inside("mount", "--bind", state, state);
      inside("mount", "-o", "remount,bind,ro", state);
      // A link that is lost has the others ask for a self-test.
      await chassis.cutSerial(1);
      await verdict(stand, 2, 1, "sick member");
      const next = await stand.servedBy([2, 3], 20_000, 1);
      const seen = await client.observe(300);
      assert.equal(seen.owners.map(({ mac }) => stand.cardOf(mac)), [1, next]);
      assert.is(seen.doubles, 0);
      assert.ok(await isMember(stand, 1));
      const { sets } = await stand.view(next);
      const seat = sets[0]?.seats.find(({ card }) => card === 1);
      assert.equal(seat?.reasons.map(({ code }) => code), ["failing"]);
      assert.match(seat?.reasons[0]?.text ?? "", /self-test/);

      inside("umount", state);
      await healed(stand);
      const until = performance.now() + 30_000;
      for (;;) {
        const found = (await stand.view(next)).sets[0]?.seats.find(({ card }) => card === 1);
        if (found?.reasons.length === 0) break;
        if (performance.now() > until) throw new Error(`card 1 is not well again: ${JSON.stringify(found?.reasons)}`);
        await sleep(500);
      }
      assert.equal(await starts(stand), [1, 1, 1], "no card was reset");
      client.end();
    }));
});

test.run();
