/** FS-6, FS-8 on real programs and cables: how cards start, by what happened to them, and the rows of the table of a link's or a member's failure. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Chassis, withChassis } from "../../scripts/chassis/chassis.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";
import { cardOf, nameOf, quick } from "../chassis/world.ts";

const boundMs = 20_000;

const isReady = (status: ChassisStatus, card: string) => cardOf(status, card).status?.boot?.state === "ready";
const allReady = (status: ChassisStatus) => status.cards.every(({ card }) => isReady(status, card));

/** What a card says is wrong with each other one: "2 serial line". */
const verdicts = (status: ChassisStatus, card: string) =>
  (cardOf(status, card).status?.selfTest?.peers ?? []).map(({ card: peer, verdict }) => `${peer} ${verdict}`).sort();

function waitForVerdicts(chassis: Chassis, what: string, wanted: Readonly<Record<string, readonly string[]>>): Promise<ChassisStatus> {
  return chassis.waitFor(what, (status) => {
    return Object.entries(wanted).every(([card, said]) => JSON.stringify(verdicts(status, card)) === JSON.stringify(said));
  }, boundMs);
}

async function healed(chassis: Chassis): Promise<void> {
  await chassis.heal();
  await waitForVerdicts(chassis, "nothing is wrong any more", { "1/1": [], "1/2": [], "1/3": [] });
}

test("FS-6: a chassis that is powered on starts cold; what is done to a card makes its next start another one", async () => {
  await withChassis({ ...quick, name: nameOf("boot") }, async (chassis) => {
    const status = await chassis.waitFor("all cards are ready", allReady, boundMs);
    for (const { card } of status.cards) {
      const boot = cardOf(status, card).status?.boot;
      assert.is(boot?.type, "cold");
      assert.equal(boot?.checks.filter(({ result }) => result === "failed"), []);
      assert.equal(boot?.peers.map(({ state }) => state), ["ready", "ready"]);
    }
    const startsAgain = async (what: string, order: () => Promise<void>, type: string) => {
      const before = (await chassis.slotStatus(3)).starts;
      await order();
      const again = await chassis.waitFor(
        `card 3 is ready after ${what}`,
        (now) => cardOf(now, "1/3").starts > before && isReady(now, "1/3"),
        boundMs,
      );
      const boot = cardOf(again, "1/3").status?.boot;
      assert.is(boot?.type, type, `${what}: ${boot?.because}`);
    };
    await startsAgain("it crashed", async () => {
      await chassis.crash(3);
      await chassis.insert(3);
    }, "warm");
    await startsAgain("it was pulled and inserted", async () => {
      await chassis.pull(3);
      await chassis.insert(3);
    }, "hot-insert");
    await startsAgain("it left and came back", async () => {
      await chassis.leave(3);
      await chassis.waitFor("card 3 has left", (now) => cardOf(now, "1/3").program === "stopped", boundMs);
      await chassis.insert(3);
    }, "warm");
  });
});

test("FS-8: the table of a link's or a member's failure, row by row", async () => {
  await withChassis({ ...quick, name: nameOf("rows") }, async (chassis) => {
    await chassis.waitFor("all cards are ready", allReady, boundMs);

    await chassis.cutEther(2);
    const unplugged = await waitForVerdicts(chassis, "card 2 has no carrier, and all know whose port it is", {
      "1/1": ["2 peer's public port"],
      "1/2": ["1 own public port", "3 own public port"],
      "1/3": ["2 peer's public port"],
    });
    const [peer] = cardOf(unplugged, "1/1").status?.selfTest.peers ?? [];
    assert.equal([peer?.action, peer?.failed?.includes("carrier")], ["peer hands over", true]);
    await healed(chassis);

    await chassis.cutEther(2, ["rx"]);
    await waitForVerdicts(chassis, "card 2 hears nobody while the others hear each other: its own port", {
      "1/1": ["2 one-way fault"],
      "1/2": ["1 own public port", "3 own public port"],
      "1/3": ["2 one-way fault"],
    });
    await healed(chassis);

    await chassis.cutSerial(2);
    await waitForVerdicts(chassis, "card 2 has lost serial, and the others only card 2", {
      "1/1": ["2 serial line"],
      "1/2": ["1 own serial port", "3 own serial port"],
      "1/3": ["2 serial line"],
    });
    await healed(chassis);

    await chassis.cutMux();
    await waitForVerdicts(chassis, "all have lost serial to all: the multiplexor", {
      "1/1": ["2 multiplexor", "3 multiplexor"],
      "1/2": ["1 multiplexor", "3 multiplexor"],
      "1/3": ["1 multiplexor", "2 multiplexor"],
    });
    await healed(chassis);

    await chassis.cutPath(1, 2);
    await waitForVerdicts(chassis, "cards 1 and 2 do not hear each other on Ethernet, and card 3 hears both", {
      "1/1": ["2 path between two cards"],
      "1/2": ["1 path between two cards"],
      "1/3": [],
    });
    await chassis.cutSerial(2);
    await waitForVerdicts(chassis, "nor on serial: a third card passes their questions on", {
      "1/1": ["2 two path faults"],
      "1/2": ["1 two path faults", "3 own serial port"],
      "1/3": ["2 serial line"],
    });
    await healed(chassis);

    // It serves nothing, so nobody fences it.
    await chassis.crash(3);
    await waitForVerdicts(chassis, "card 3 has failed", { "1/1": ["3 member failure"], "1/2": ["3 member failure"] });
    await chassis.insert(3);
    await waitForVerdicts(chassis, "card 3 is back", { "1/1": [], "1/2": [], "1/3": [] });
  });
});

test.run();
