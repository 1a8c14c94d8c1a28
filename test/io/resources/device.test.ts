/** Devices that are held: loop devices, pseudo terminals, and what is none. */
import { closeSync, openSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../../drivers/native.ts";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import { command } from "../../conformance/namespace.ts";
import { enterWorld, isRoot, makeWorld, processes, until, type World } from "./world.ts";

enterWorld(import.meta.url);

/** A test that needs what only root has. */
const rootTest = isRoot ? test : test.skip;

function device(path: string, exclusive = true): ResourceSpec {
  return { kind: "device", path, exclusive };
}

async function outcomeOf(world: World, hook: "validate" | "start" | "stop" | "monitor", spec: ResourceSpec): Promise<[string, string]> {
  const { outcome, reason } = await world.run(hook, spec);
  return [outcome, reason];
}

async function withLoop(body: (world: World, path: string) => Promise<void>): Promise<void> {
  const world = await makeWorld();
  const file = `${world.directory}/disk`;
  writeFileSync(file, "");
  truncateSync(file, 1024 * 1024);
  const path = command("losetup", "--find", "--show", file).trim();
  try {
    await body(world, path);
  } finally {
    await world.resources.close();
    command("losetup", "--detach", path);
    await world.end();
  }
}

rootTest("HA-12: a block device is held exclusively, asked, and let go", async () => {
  await withLoop(async (world, path) => {
    const spec = device(path);
    assert.equal(await outcomeOf(world, "validate", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "monitor", spec), ["notRunning", `${path} is not held`]);
    assert.equal(await outcomeOf(world, "stop", spec), ["notRunning", `${path} is not held`]);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""], "starting what is held is fine");
    assert.equal(await outcomeOf(world, "monitor", spec), ["done", ""]);
    const busy = `device: ${path} is mounted, part of another device, or held by another program`;
    const second = await world.run("start", spec, { resource: "second" });
    assert.equal([second.outcome, second.reason], ["failed", busy]);
    assert.is((await world.run("start", device(path, false), { resource: "shared" })).outcome, "done");
    assert.equal(await outcomeOf(world, "stop", spec), ["done", ""]);
    assert.is((await world.run("start", spec, { resource: "second" })).outcome, "done");
    assert.is((await world.run("stop", spec, { resource: "second" })).outcome, "done");
  });
});

rootTest("a link to a device is followed, and a device that went away is missed", async () => {
  await withLoop(async (world, path) => {
    const link = `${world.directory}/by-name`;
    symlinkSync(path, link);
    assert.equal(await outcomeOf(world, "start", device(link)), ["done", ""]);
    const file = `${world.directory}/disk`;
    truncateSync(file, 0);
    command("losetup", "--set-capacity", path);
    const [outcome, reason] = await outcomeOf(world, "monitor", device(link));
    assert.is(outcome, "failed");
    assert.match(reason, `device: ${path} does not answer`);
    assert.equal(await outcomeOf(world, "stop", device(link)), ["done", ""]);
  });
});

test("a terminal is kept from others, and one that another process has is refused", async () => {
  const world = await makeWorld();
  const pty = await nativeDrivers().pty.open(() => {});
  try {
    const spec = device(pty.path);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "monitor", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "stop", spec), ["done", ""]);
    closeSync(openSync(pty.path, "r+"));
    const other = spawn("/bin/sh", ["-c", `exec 3<>${pty.path}; exec sleep 1000`], { stdio: "ignore" });
    await until("the other has it", () => processes().includes("sleep 1000"));
    assert.equal(await outcomeOf(world, "start", spec), [
      "failed",
      `device: ${pty.path} is open already in the process ${other.pid} sleep`,
    ]);
    assert.equal(await outcomeOf(world, "start", device(pty.path, false)), ["done", ""]);
    other.kill("SIGKILL");
    await world.run("stop", spec);
  } finally {
    await world.resources.close();
    await pty.close();
    await world.end();
  }
});

test("what is no device is named", async () => {
  const world = await makeWorld();
  try {
    const file = `${world.directory}/file`;
    writeFileSync(file, "");
    for (const hook of ["validate", "start"] as const) {
      assert.equal(await outcomeOf(world, hook, device(file)), ["invalid", `${file} is no device`]);
      assert.equal(await outcomeOf(world, hook, device("/dev/absent")), ["invalid", "there is no device /dev/absent (ENOENT)"]);
      assert.equal(await outcomeOf(world, hook, device("relative")), ["invalid", 'the device "relative" must be an absolute path']);
    }
    assert.equal(await outcomeOf(world, "start", device("/dev/null", false)), ["done", ""]);
    assert.equal(await outcomeOf(world, "monitor", device("/dev/null", false)), ["done", ""]);
  } finally {
    await world.end();
  }
});

test.run();
