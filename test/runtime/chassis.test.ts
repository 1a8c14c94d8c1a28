/** The virtual chassis against the world: what bringing up, power and processes do is looked for in the kernel and in /proc. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spawn } from "node:child_process";
import { existsSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { withChassis } from "../../scripts/chassis/chassis.ts";
import { run } from "../../scripts/chassis/command.ts";
import { node, repository } from "../../scripts/chassis/repository.ts";
import { namespacesLeft } from "../../scripts/chassis/sweep.ts";
import { cardOf, exitOf, health, link, nameOf, nothing, peerOf, program, quick, refused, verified, world } from "../chassis/world.ts";

test("FS-2: three cards verify each other on both links within 5 s, each in a namespace of its own", async () => {
  const name = nameOf("up");
  await withChassis({ ...quick, name }, async (chassis) => {
    const status = await verified(chassis);
    assert.ok(status.cardsForMs < 5_000, `after ${status.cardsForMs} ms`);
    assert.equal((await world(name)).links, []);
    assert.is(namespacesLeft(name).length, 5);

    const inside = new Set(status.cards.map(({ pid }) => readlinkSync(`/proc/${pid}/ns/net`)));
    assert.is(inside.size, 3);
    assert.not(inside.has(readlinkSync("/proc/self/ns/net")));
    for (const { card, slot } of status.cards) {
      const shown = (await chassis.exec(slot, ["ip", "-o", "addr"])).stdout;
      assert.match(shown, /1: lo +inet 127\.0\.0\.1/);
      assert.match(shown, `eth0    inet 10.77.1.${slot}/16`);
      assert.not.match(shown, "fe80:", `card ${card} has no link-local address that would make noise`);
    }

    assert.is(statSync(`${chassis.directory}/control`).mode & 0o777, 0o600);
    assert.is(statSync(`${chassis.directory}/cards/1-1/system.key`).mode & 0o777, 0o600);
    assert.is(statSync(`${chassis.directory}/cards/1-2/disks/disk2`).size, 64 * 1024 * 1024);
    assert.is(statSync(`${chassis.directory}/disks/disk2`).blocks, 0);
    assert.ok(cardOf(status, "1/2").line?.framesIn as number > 0);
  });
  assert.equal(await world(name), nothing);
});

test("exec and host run commands in the namespaces, and pass on what comes of them", async () => {
  await withChassis({ ...quick, cards: 2, name: nameOf("exec") }, async (chassis) => {
    const outcome = await chassis.exec(2, ["sh", "-c", "pwd; exit 7"]);
    assert.equal([outcome.code, outcome.stdout], [7, `${chassis.directory}/cards/1-2\n`]);
    assert.match((await chassis.exec(2, ["scripts/chassis/main.ts"])).stderr, `${repository}/scripts`);
    assert.match((await chassis.exec(1, ["sh", "-c", "echo $PATH"])).stdout, `${repository}/build:`);

    const line = await run(node, [program, "exec", "1", "--name", chassis.name, "--", "sh", "-c", "kill -TERM $$"]);
    assert.is(line.code, 128 + 15);
    for (const slot of [1, 2]) {
      const request = `exec 3<>/dev/tcp/10.77.1.${slot}/8421; printf 'GET /v1/status HTTP/1.0\\r\\nHost: card\\r\\n\\r\\n' >&3; cat <&3`;
      assert.match((await chassis.host(["bash", "-c", request])).stdout, `"slot":${slot}`);
    }
    await refused(/no slot 3/, Promise.resolve().then(() => chassis.exec(3, ["true"])));
  });
});

test("HA-2: pull takes power, processes and interface, and the multiplexor tells; insert brings a new incarnation", async () => {
  await withChassis({ ...quick, name: nameOf("pull") }, async (chassis) => {
    const before = cardOf(await verified(chassis), "1/3");
    const stays = spawn("ip", ["netns", "exec", before.namespace, "sleep", "60"]);
    await chassis.exec(3, ["ip", "addr", "add", "10.77.9.9/32", "dev", "eth0"]);

    await chassis.pull(3);
    assert.not(existsSync(`/proc/${before.pid}`), "the card's program is gone");
    assert.ok(
      stays.exitCode !== null || stays.signalCode !== null || !existsSync(`/proc/${stays.pid}/ns/net`) || await exitOf(stays) === "SIGKILL",
    );
    assert.match(await link(chassis, 3), "state DOWN");
    assert.not.match((await chassis.exec(3, ["ip", "addr"])).stdout, "10.77.9.9");
    const after = await chassis.waitFor(
      "the others say that card 3 is down",
      (status) => health(status, "1/1", "1/3") === "down" && health(status, "1/2", "1/3") === "down",
      5_000,
    );
    assert.equal([cardOf(after, "1/3").power, cardOf(after, "1/3").program], ["off", "stopped"]);
    for (const link of ["ether", "serial"] as const) {
      assert.match(peerOf(after, "1/1", "1/3")?.links[link]?.reason ?? "", "lost power", "the sense of the slot tells, not silence");
    }
    assert.is(health(after, "1/1", "1/2"), "healthy");
    await refused(/has no power already/, chassis.pull(3));
    await refused(/no power: insert it/, chassis.reset(3));

    await chassis.insert(3);
    const again = cardOf(await verified(chassis), "1/3");
    assert.is(again.starts, 2);
    assert.is.not(again.pid, before.pid);
    assert.ok((again.status?.incarnation as number) > (before.status?.incarnation as number));
    await refused(/runs already/, chassis.insert(3));
  });
});

test("crash leaves the power on, so only silence tells; reset and the program's own end boot it again", async () => {
  await withChassis({ ...quick, name: nameOf("crash") }, async (chassis) => {
    const first = cardOf(await verified(chassis), "1/2");
    await chassis.crash(2);
    assert.not(existsSync(`/proc/${first.pid}`));
    assert.equal([(await chassis.slotStatus(2)).power, (await chassis.slotStatus(2)).program], ["on", "stopped"]);
    await chassis.waitFor("card 2 is down for want of a sign of life", (status) => health(status, "1/1", "1/2") === "down", 10_000);
    await sleep(400);
    assert.is((await chassis.slotStatus(2)).program, "stopped", "it does not boot by itself");

    await chassis.reset(2);
    const second = cardOf(await verified(chassis), "1/2");
    assert.is(second.starts, 2);
    assert.match(await link(chassis, 2), "LOWER_UP");

    // The program ends, the card does not: its interface keeps what it has.
    await chassis.exec(2, ["ip", "addr", "add", "10.77.9.9/32", "dev", "eth0"]);
    process.kill(second.pid as number, "SIGKILL");
    const third = await chassis.waitFor("the program is started again", (status) => cardOf(status, "1/2").starts === 3, 5_000);
    assert.equal([cardOf(third, "1/2").restarts, cardOf(third, "1/2").ended], [1, "SIGKILL"]);
    assert.match((await chassis.exec(2, ["ip", "addr"])).stdout, "10.77.9.9");
    await verified(chassis);

    await chassis.leave(2);
    assert.is((await chassis.slotStatus(2)).program, "stopped");
    await chassis.waitFor("card 2 said goodbye", (status) => health(status, "1/1", "1/2") === "left", 2_000);
    await chassis.insert(2);
    await verified(chassis);
  });
});

test("a program that ends again and again is given up, until it is told to start", async () => {
  await withChassis({ ...quick, cards: 1, bootMs: 0, name: nameOf("budget") }, async (chassis) => {
    for (let end = 1; end <= 6; end++) {
      const { pid } = await chassis.slotStatus(1);
      process.kill(pid as number, "SIGKILL");
      await chassis.waitFor(`it is started again, or given up, after end ${end}`, ({ cards: [card] }) => {
        return card?.program === "givenUp" || (card?.starts === end + 1 && card.pid !== undefined);
      }, 5_000);
    }
    assert.is((await chassis.slotStatus(1)).program, "givenUp");
    await chassis.insert(1);
    assert.is((await chassis.slotStatus(1)).program, "running");
  });
});

test.run();
