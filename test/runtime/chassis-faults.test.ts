/** The faults of the virtual chassis: what each does is looked for in the kernel, at the multiplexor and in what the cards say. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { cardAt, multiplexor } from "../../src/base/ids.ts";
import { systemNumberOf } from "../../src/io/config.ts";
import { readKeyFile, type SystemKeys } from "../../src/io/key-file.ts";
import { decodeLine } from "../../src/sim/multiplexor.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { encodeFrame, isMalformed } from "../../src/wire/frame.ts";
import { encodeSerial } from "../../src/wire/serial.ts";
import type { Bus } from "../../scripts/chassis/bus.ts";
import { settingsOf, withChassis } from "../../scripts/chassis/chassis.ts";
import { runScript } from "../../scripts/chassis/command.ts";
import type { MultiplexorOrder } from "../../scripts/chassis/multiplexor-messages.ts";
import { cablingScript } from "../../scripts/chassis/network.ts";
import { outerUser } from "../../scripts/chassis/place.ts";
import { isAlive, processRef } from "../../scripts/chassis/processes.ts";
import { node } from "../../scripts/chassis/repository.ts";
import { Slot } from "../../scripts/chassis/slot.ts";
import { sweep } from "../../scripts/chassis/sweep.ts";
import { cardOf, health, link, linkHealth, nameOf, quick, refused, verified } from "../chassis/world.ts";

test("cut ether takes the carrier, or one direction of frames; heal gives them back", async () => {
  await withChassis({ ...quick, name: nameOf("ether") }, async (chassis) => {
    await verified(chassis);
    await chassis.cutEther(2);
    assert.match(await link(chassis, 2), "NO-CARRIER");
    const unplugged = await chassis.waitFor(
      "card 1 misses card 2 on Ethernet",
      (status) => linkHealth(status, "1/1", "1/2", "ether") === "down",
      5_000,
    );
    assert.is(linkHealth(unplugged, "1/1", "1/2", "serial"), "up");
    assert.is(health(unplugged, "1/1", "1/2"), "degraded");
    assert.is(cardOf(unplugged, "1/2").status?.links.ether.port, "down");
    assert.equal(cardOf(unplugged, "1/2").cuts, ["ether"]);
    await chassis.heal(2);
    await verified(chassis);

    await chassis.cutEther(2, ["tx"]);
    await chassis.waitFor("card 2 is not heard, and hears that it is not", (status) => {
      return linkHealth(status, "1/1", "1/2", "ether") === "down" && linkHealth(status, "1/2", "1/1", "ether") === "oneWay";
    }, 5_000);
    assert.match(await link(chassis, 2), "LOWER_UP", "the carrier stays");

    await chassis.heal();
    await verified(chassis);
    await chassis.cutEther(2, ["rx"]);
    const deaf = await chassis.waitFor("card 2 does not hear, and the others hear that", (status) => {
      return linkHealth(status, "1/2", "1/1", "ether") === "down" && linkHealth(status, "1/1", "1/2", "ether") === "oneWay";
    }, 5_000);
    assert.is(linkHealth(deaf, "1/1", "1/3", "ether"), "up");
    await chassis.heal(2);
    assert.equal((await chassis.slotStatus(2)).cuts, []);
    await verified(chassis);
  });
});

test("cards that are apart reach each other and nobody else on Ethernet; part takes the serial line from them as well", async () => {
  await withChassis({ ...quick, cards: 4, name: nameOf("apart") }, async (chassis) => {
    await verified(chassis);
    await chassis.part([3, 4]);
    assert.equal((await chassis.slotStatus(3)).cuts, ["ether apart", "serial"]);
    const apart = await chassis.waitFor("two and two", (status) => {
      return ["1/1", "1/2"].every((one) => ["1/3", "1/4"].every((other) => health(status, one, other) === "down"));
    }, 5_000);
    assert.is(health(apart, "1/1", "1/2"), "healthy");
    assert.is(health(apart, "1/3", "1/4"), "degraded");
    assert.is(linkHealth(apart, "1/3", "1/4", "ether"), "up");
    assert.match(await link(chassis, 3), "LOWER_UP", "the carrier stays");
    await chassis.heal();
    assert.equal((await chassis.slotStatus(3)).cuts, []);
    await verified(chassis);
  });
});

test("HA-2: cut serial, corrupt serial and a dead multiplexor fault the serial line and nothing else", async () => {
  await withChassis({ ...quick, name: nameOf("serial") }, async (chassis) => {
    await verified(chassis);
    await chassis.cutSerial(2);
    const cut = await chassis.waitFor("card 2's serial line is down on all", (status) => {
      return linkHealth(status, "1/1", "1/2", "serial") === "down" && linkHealth(status, "1/3", "1/2", "serial") === "down";
    }, 10_000);
    assert.equal(["1/1", "1/3"].map((observer) => [health(cut, observer, "1/2"), linkHealth(cut, observer, "1/2", "ether")]), [[
      "degraded",
      "up",
    ], ["degraded", "up"]]);
    assert.is(linkHealth(cut, "1/1", "1/3", "serial"), "up");
    await chassis.heal(2);
    await verified(chassis);

    await chassis.cutSerial(2, ["tx"]);
    const { line: atCut } = await chassis.slotStatus(2);
    await sleep(600);
    const { line: later } = await chassis.slotStatus(2);
    assert.is(later?.framesIn, atCut?.framesIn, "nothing of what card 2 sends comes in");
    assert.ok((later?.framesOut as number) > (atCut?.framesOut as number), "and it still hears");
    await chassis.heal(2);

    await chassis.corruptSerial(2, 0.2);
    await sleep(1_000);
    assert.ok(((await chassis.slotStatus(2)).line?.corrupted as number) > 0);
    await chassis.heal(2);
    assert.is((await chassis.slotStatus(2)).corruptRate, 0);
    await verified(chassis);

    await chassis.cutMux();
    const dead = await chassis.waitFor(
      "nobody hears anybody on serial",
      (status) => linkHealth(status, "1/1", "1/2", "serial") === "down" && linkHealth(status, "1/3", "1/1", "serial") === "down",
      10_000,
    );
    assert.is(health(dead, "1/1", "1/2"), "degraded");
    assert.is(dead.multiplexors[0]?.dead, true);
    await chassis.heal();
    await verified(chassis);
  });
});

test("stall stops every thread of the program for its time", async () => {
  await withChassis({ ...quick, name: nameOf("stall") }, async (chassis) => {
    const { pid, starts } = cardOf(await verified(chassis), "1/1");
    await chassis.stall(1, 2_000);
    assert.is((await chassis.slotStatus(1)).program, "stalled");
    for (const thread of readdirSync(`/proc/${pid}/task`)) assert.match(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8"), /\) T /);
    await chassis.waitFor("it goes on", (status) => cardOf(status, "1/1").program === "running", 5_000);
    const awake = await verified(chassis);
    assert.equal([cardOf(awake, "1/1").pid, cardOf(awake, "1/1").starts], [pid, starts]);

    await chassis.stall(1, 600_000);
    await chassis.reset(1);
    await chassis.waitFor("a reset ends a stall", (status) => cardOf(status, "1/1").starts === 2, 5_000);
  });
});

test("the sense of a slot and the receipt of a reset come when everything in the card has ended", async () => {
  const settings = settingsOf({ ...quick, cards: 1, name: nameOf("order") });
  const place = { chassis: 1, slot: 1 };
  const directory = mkdtempSync(`${tmpdir()}/cardinal-test-`);
  const pids: number[] = [];
  const atOrder: [string, number][] = [];
  // The multiplexor's part is to be told; what counts is who still runs at that very moment.
  const bus = {
    status: { alive: true },
    order: (order: MultiplexorOrder) => {
      if (order.kind === "power" || order.kind === "resetDone") {
        atOrder.push([order.kind, pids.filter((pid) => isAlive({ pid, start: startOf.get(pid) as number })).length]);
      }
      return Promise.resolve([{ device: "/dev/null" }]);
    },
  } as unknown as Bus;
  const startOf = new Map<number, number>();
  const slot = new Slot({
    settings,
    place,
    bus,
    directory,
    chassisDirectory: directory,
    logFile: `${directory}/log`,
    // A program that takes a while to end: all its memory has to be given back.
    command: [node, "-e", "globalThis.kept = new Uint8Array(150e6).fill(1); setInterval(() => {}, 1e6); console.log('filled')"],
    env: process.env,
    log: (event, fields) => {
      if (event !== "started") return;
      const pid = fields?.["pid"] as number;
      pids.push(pid);
      startOf.set(pid, processRef(pid)?.start as number);
    },
  });
  const isFilled = async (times: number) => {
    for (let tries = 0; tries < 200; tries++) {
      if (readFileSync(`${directory}/log`, "utf8").split("filled").length > times) return;
      await sleep(50);
    }
    throw new Error("the program does not come up");
  };
  try {
    await runScript(cablingScript(settings));
    await slot.start();
    await isFilled(1);
    await slot.reset("multiplexor");
    for (let tries = 0; tries < 100 && pids.length < 2; tries++) await sleep(50);
    await isFilled(2);
    await slot.pull();
    assert.equal(atOrder, [["resetDone", 0], ["power", 0]]);
  } finally {
    await slot.close();
    await sweep(settings.name, directory);
    rmSync(directory, { recursive: true, force: true });
  }
});

// The card holds its tty for itself (TIOCEXCL), which only the machine's own root may pass over.
const testAsRoot = outerUser() === 0 ? test : test.skip;

testAsRoot("HA-2: a frame to the multiplexor resets a card, and the receipt comes when it has stopped for certain", async () => {
  const name = nameOf("reset");
  await withChassis({ ...quick, cards: 2, bootMs: 1_000, name }, async (chassis) => {
    const victim = cardOf(await verified(chassis), "1/2");
    const keyring = new Keyring((readKeyFile(`${chassis.directory}/system.key`) as SystemKeys).map(({ secret }) => secret));
    const system = systemNumberOf(name);
    const order = encodeSerial(encodeFrame("serial", keyring, {
      system,
      from: cardAt(1, 1),
      to: multiplexor,
      incarnation: 4_000_000_000,
      sequence: 1,
      message: { kind: "muxReset", id: 77, slot: 2, incarnation: 4_000_000_000 },
    }));
    // Card 1 is stopped, so that we can speak and listen on its line in its place.
    await chassis.stall(1, 60_000);
    const listening = chassis.exec(1, ["sh", "-c", "timeout 1.5 cat tty | base64 -w0"]);
    await sleep(300);
    await chassis.exec(1, ["sh", "-c", `echo ${base64(order)} | base64 -d > tty`]);
    await sleep(400);
    assert.not(existsSync(`/proc/${victim.pid}`));
    assert.equal([(await chassis.slotStatus(2)).program, (await chassis.slotStatus(2)).power], ["booting", "on"]);

    const receipts = frames(unbase64((await listening).stdout)).map((line) => decodeLine(keyring, system, line))
      .flatMap((frame) => (!isMalformed(frame) && frame.message.kind === "muxReceipt" ? [frame.message] : []));
    assert.equal(receipts, [{ kind: "muxReceipt", id: 77, slot: 2, outcome: "reset", incarnation: 4_000_000_000 }]);
    await chassis.waitFor("card 2 boots again", (status) => cardOf(status, "1/2").starts === 2, 5_000);
    await refused(/there is nothing to stall/, chassis.crash(2).then(() => chassis.stall(2, 1)));
  });
});

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function unbase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The bytes of each frame on a line, closing zero included. */
function frames(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let start = 0, end = bytes.indexOf(0); end >= 0; start = end + 1, end = bytes.indexOf(0, start)) {
    found.push(bytes.slice(start, end + 1));
  }
  return found;
}

test.run();
