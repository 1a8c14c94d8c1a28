/** A virtual chassis comes and goes: several at once, every way to end one, and that nothing is left of it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Chassis, down, up, withChassis } from "../../scripts/chassis/chassis.ts";
import { run } from "../../scripts/chassis/command.ts";
import { everyChassis } from "../../scripts/chassis/place.ts";
import { isAlive, processRef } from "../../scripts/chassis/processes.ts";
import { node } from "../../scripts/chassis/repository.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";
import { namespacesLeft } from "../../scripts/chassis/sweep.ts";
import { cardOf, exitOf, linkHealth, nameOf, nothing, pidsOf, program, quick, refused, verified, world } from "../chassis/world.ts";

test("FS-9: two chassis share an Ethernet, each has a serial bus of its own; a second system is kept apart", async () => {
  const [name, other] = [nameOf("two"), nameOf("other")];
  await withChassis({ ...quick, chassis: 2, cards: 2, name }, async (chassis) => {
    await withChassis({ ...quick, cards: 1, name: other }, async (second) => {
      const status = await verified(chassis);
      assert.equal(status.cards.map(({ card }) => card), ["1/1", "1/2", "2/1", "2/2"]);
      assert.is(cardOf(status, "2/1").status?.peers.length, 3);
      assert.not(linkHealth(status, "1/1", "2/1", "serial") === "up");
      assert.equal((await second.status()).cards[0]?.status?.peers, []);
      await refused(/slot 1 is in 2 chassis/, Promise.resolve().then(() => chassis.pull(1)));
      await chassis.cutMux(2);
      const cut = await chassis.waitFor(
        "the bus of chassis 2 is dead",
        (status) => linkHealth(status, "2/1", "2/2", "serial") === "down",
        10_000,
      );
      assert.is(linkHealth(cut, "1/1", "1/2", "serial"), "up");
    });
    assert.equal(await world(other), nothing);
    assert.is((await verifiedEther(chassis)).cards.length, 4);
  });
  assert.equal(await world(name), nothing);
});

/** Runs a part of a test that ends its chassis itself, and ends it all the same when the part fails. */
async function cleaned(name: string, part: () => Promise<void>): Promise<void> {
  try {
    await part();
  } finally {
    await down(name);
  }
}

test("down leaves nothing behind: no process, no namespace, no link, no file", async () => {
  const name = nameOf("down");
  await cleaned(name, async () => {
    const chassis = await up({ ...quick, name, ownerPid: process.pid });
    const refs = pidsOf(await chassis.status()).map((pid) => processRef(pid));
    assert.ok(refs.length === 5 && refs.every((ref) => ref !== undefined));
    await refused(new RegExp(`chassis ${name} is up already: take it down with .*down --name ${name}`), up({ ...quick, name }));
    assert.is(await down(name), "down");
    assert.equal(refs.filter((ref) => ref !== undefined && isAlive(ref)), []);
    assert.equal(await world(name), nothing);
    assert.is(await down(name), "nothing");
    await refused(/no chassis named .* is up/, Promise.resolve().then(() => new Chassis(name)));
  });
});

test("after SIGKILL of its process a chassis can be taken down, and brought up again", async () => {
  const name = nameOf("killed");
  for (const next of ["down", "up"] as const) {
    await cleaned(name, async () => {
      const status = await (await up({ ...quick, name, ownerPid: process.pid })).status();
      // Two that do not end by themselves with the daemon: a guest in a card, and a multiplexor that hears nothing.
      const guest = spawn("ip", ["netns", "exec", status.hostNamespace, "sleep", "60"]);
      process.kill(status.multiplexors[0]?.pid as number, "SIGSTOP");
      const refs = [...pidsOf(status), guest.pid as number].map((pid) => processRef(pid));
      process.kill(status.daemonPid, "SIGKILL");
      const alive = () => refs.filter((ref) => ref !== undefined && isAlive(ref)).length;
      for (let tries = 0; tries < 30 && alive() > 2; tries++) await sleep(100);
      assert.is(alive(), 2);
      assert.is(namespacesLeft(name).length, 5, "there is something to remove");
      if (next === "down") {
        assert.is(await down(name), "swept");
      } else {
        const chassis = await up({ ...quick, name, ownerPid: process.pid });
        assert.ok(chassis.leftBehind);
        await verified(chassis);
        await chassis.down();
      }
      assert.equal(refs.filter((ref) => ref !== undefined && isAlive(ref)), []);
      assert.equal(await world(name), nothing);
    });
  }
});

test("a chassis goes with its owner, and with a failure of the test that uses it", async () => {
  const name = nameOf("owner");
  const owner = spawn("sleep", ["60"]);
  try {
    await up({ ...quick, cards: 1, name, ownerPid: owner.pid as number });
    owner.kill("SIGKILL");
    for (let tries = 0; tries < 100 && everyChassis().some((other) => other.name === name); tries++) await sleep(100);
    assert.equal(await world(name), nothing);
  } finally {
    owner.kill("SIGKILL");
    await down(name);
  }
  const thrown = await withChassis({ ...quick, cards: 1, name }, () => Promise.reject(new Error("the test failed"))).catch((error: Error) =>
    error.message
  );
  assert.is(thrown, "the test failed");
  assert.equal(await world(name), nothing);
});

test("a chassis in the foreground is taken down by SIGINT, SIGTERM and SIGHUP, also while it comes up", async () => {
  const name = nameOf("front");
  for (const [signal, afterMs] of [["SIGINT", undefined], ["SIGTERM", 150], ["SIGHUP", 350]] as const) {
    await cleaned(name, async () => {
      const child = spawn(node, [program, "up", "--name", name, "--cards", "2", "--boot-ms", "0"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const exited = exitOf(child);
      if (afterMs === undefined) await new Promise((resolve) => child.stdout.once("data", resolve));
      else await sleep(afterMs);
      // Not child.kill: with that, Deno tells of the signal whatever the program made of it.
      process.kill(child.pid as number, signal);
      process.kill(child.pid as number, signal);
      const code = await exited;
      // A signal before the program has begun to run ends it at once, with nothing made.
      assert.ok(code === 0 || code === 1 || (afterMs !== undefined && code === signal), `${signal}: ${code}`);
      assert.equal(await world(name), nothing, signal);
    });
  }
});

test("npm start's demo tells when the cards have verified each other, and ends with nothing left", async () => {
  const name = nameOf("demo");
  const { code, stdout } = await run(node, [program, "demo", "--name", name, "--for", "6"], { timeoutMs: 40_000 });
  assert.match(stdout, /3 cards verified each other on both links after [0-4]\.\d s/);
  assert.match(stdout, "1/1 sees 1/3: healthy, verified, ether up, serial up");
  assert.is(code, 0);
  assert.equal(await world(name), nothing);
});

test("mistakes on the command line have their exit codes", async () => {
  const rows: [string[], number, RegExp][] = [
    [["pul", "3"], 2, /Did you mean pull/],
    [["up", "--cards", "9"], 2, /--cards is "9"/],
    [["status", "--name", nameOf("none")], 3, /no chassis named/],
    [["--help"], 0, /^$/],
  ];
  for (const [args, code, message] of rows) {
    const outcome = await run(node, [program, ...args]);
    assert.is(outcome.code, code, args.join(" "));
    assert.match(outcome.stderr, message);
  }
});

function verifiedEther(chassis: Chassis): Promise<ChassisStatus> {
  return chassis.waitFor("all cards answer", ({ cards }) => cards.every(({ status }) => status !== undefined), 5_000);
}

test.run();
