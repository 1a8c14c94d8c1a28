/** File systems on loop devices and in memory, in a mount namespace of the test's own. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import { parseMounts } from "../../../src/io/resources/mounts.ts";
import { command } from "../../conformance/namespace.ts";
import { enterWorld, isRoot, makeWorld, processes, until, type World } from "./world.ts";

enterWorld(import.meta.url);

/** A test that needs what only root has. */
const rootTest = isRoot ? test : test.skip;

type FilesystemSpec = Extract<ResourceSpec, { kind: "filesystem" }>;
type Disk = { readonly device: string; readonly spec: FilesystemSpec; readonly world: World };

function mounted(path: string): boolean {
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8")).some(({ mountPoint }) => mountPoint === path);
}

/** An ext4 file system on a loop device, and what the test does with it. */
async function withDisk(body: (disk: Disk) => Promise<void>): Promise<void> {
  const world = await makeWorld();
  const file = `${world.directory}/disk`;
  writeFileSync(file, "");
  truncateSync(file, 16 * 1024 * 1024);
  command("mkfs.ext4", "-q", "-F", file);
  const device = command("losetup", "--find", "--show", file).trim();
  const mountPoint = `${world.directory}/mounted here`;
  mkdirSync(mountPoint);
  try {
    await body({ device, world, spec: { kind: "filesystem", device, mountPoint, type: "ext4", options: ["noatime"], check: "auto" } });
  } finally {
    for (const pid of users) process.kill(pid, "SIGKILL");
    users.length = 0;
    if (mounted(mountPoint)) command("umount", "--lazy", mountPoint);
    command("losetup", "--detach", device);
    await world.end();
  }
}

const users: number[] = [];

/** A process that uses a mount. */
async function user(script: string): Promise<void> {
  const child = spawn("/bin/sh", ["-c", script], { stdio: "ignore" });
  users.push(child.pid as number);
  child.once("exit", () => users.splice(users.indexOf(child.pid as number), 1));
  await until("it uses the mount", () => processes().some((line) => line.includes("sleep 10")));
}

rootTest("HA-12: a file system is checked, mounted, monitored and unmounted with proof", async () => {
  await withDisk(async ({ world, spec, device }) => {
    assert.equal(await outcomeOf(world, "validate", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "monitor", spec), ["notRunning", `nothing is mounted at ${spec.mountPoint}`]);
    assert.equal(await outcomeOf(world, "stop", spec), ["notRunning", `nothing of ${device} is mounted at ${spec.mountPoint}`]);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""]);
    assert.match(readFileSync("/proc/self/mountinfo", "utf8"), /mounted\\040here .*noatime.* - ext4/);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""], "starting what runs is fine");
    assert.equal(await outcomeOf(world, "monitor", spec), ["done", ""]);
    assert.equal(await outcomeOf(world, "stop", { ...spec, mountPoint: `${spec.mountPoint}/` }), ["done", ""]);
    assert.not(mounted(spec.mountPoint));
    assert.equal(await outcomeOf(world, "start", { ...spec, check: "always" }), ["done", ""]);
    assert.equal(await outcomeOf(world, "stop", spec), ["done", ""]);
  });
});

async function outcomeOf(world: World, hook: "validate" | "start" | "stop" | "monitor", spec: ResourceSpec): Promise<[string, string]> {
  const { outcome, reason } = await world.run(hook, spec);
  return [outcome, reason];
}

const uses: [string, (path: string) => string][] = [
  ["an open file", (path) => `exec 3> '${path}/file'; exec sleep 1000`],
  ["its working directory", (path) => `cd '${path}'; exec sleep 1000`],
  ["SIGTERM ignored", (path) => `trap '' TERM; exec 3> '${path}/file'; while :; do sleep 10; done`],
  ["a program on it", (path) => `cp /bin/sleep '${path}/sleep'; exec '${path}/sleep' 1000`],
];
for (const [name, script] of uses) {
  rootTest(`HA-12: who uses a file system is ended when it is stopped: ${name}`, async () => {
    await withDisk(async ({ world, spec }) => {
      await world.run("start", spec);
      await user(script(spec.mountPoint));
      const { outcome, reason, ms } = await world.run("stop", spec, { deadlineMs: 3_000 });
      assert.equal([outcome, reason], ["done", ""]);
      assert.not(mounted(spec.mountPoint));
      assert.ok(ms < 2_500, `${ms} ms`);
    });
  });
}

rootTest("HA-12: a file system that stays busy is not taken for unmounted, and who keeps it so is named", async () => {
  await withDisk(async ({ world, spec }) => {
    await world.run("start", spec);
    // A loop device on a file of it: the kernel itself is the user.
    const inner = `${spec.mountPoint}/inner`;
    writeFileSync(inner, new Uint8Array(1024 * 1024));
    const loop = command("losetup", "--find", "--show", inner).trim();
    try {
      const { outcome, reason } = await world.run("stop", spec, { deadlineMs: 700 });
      assert.is(outcome, "failed");
      assert.match(
        reason,
        /is still mounted, no process uses it: an export of nfsd, a loop device, swap, or this card itself; umount ended with code 32/,
      );
      assert.ok(mounted(spec.mountPoint));
    } finally {
      command("losetup", "--detach", loop);
    }
    assert.is((await world.run("stop", spec)).outcome, "done");
  });
});

rootTest("HA-12: a file system that another mount namespace has is not taken for unmounted", async () => {
  await withDisk(async ({ world, spec }) => {
    await world.run("start", spec);
    const other = spawn("unshare", ["--mount", "--propagation", "private", "sleep", "1000"], { stdio: "ignore" });
    await until("the other namespace has it", () => processes().includes("sleep 1000"));
    const { outcome, reason } = await world.run("stop", spec, { deadlineMs: 1_000 });
    assert.is(outcome, "failed");
    assert.match(reason, "it is not mounted here, but still in use, perhaps in another mount namespace");
    other.kill("SIGKILL");
    assert.is((await world.run("stop", spec)).outcome, "notRunning");
  });
});

rootTest("what is mounted below goes with it", async () => {
  await withDisk(async ({ world, spec }) => {
    await world.run("start", spec);
    for (const path of ["below", "below/deeper"]) {
      mkdirSync(`${spec.mountPoint}/${path}`);
      command("mount", "-t", "tmpfs", "tmpfs", `${spec.mountPoint}/${path}`);
    }
    assert.is((await world.run("stop", spec)).outcome, "done");
  });
});

rootTest("a file system that became read-only has failed, and one of somebody else is not ours", async () => {
  await withDisk(async ({ world, spec, device }) => {
    await world.run("start", spec);
    command("mount", "-o", "remount,ro", spec.mountPoint);
    assert.equal(await outcomeOf(world, "monitor", spec), [
      "failed",
      `the file system at ${spec.mountPoint} is read-only: the kernel does that after errors`,
    ]);
    assert.equal(await outcomeOf(world, "monitor", { ...spec, options: ["ro"] }), ["done", ""]);
    const elsewhere = `${world.directory}/elsewhere`;
    mkdirSync(elsewhere);
    const there = { ...spec, mountPoint: elsewhere };
    assert.equal(await outcomeOf(world, "start", there), ["failed", `${device} is mounted at ${spec.mountPoint} already`]);
    assert.is((await world.run("stop", spec)).outcome, "done");
    command("mount", "-t", "tmpfs", "strange", spec.mountPoint);
    const strange = `at ${spec.mountPoint} strange (tmpfs) is mounted, not ${device}`;
    assert.equal(await outcomeOf(world, "start", spec), ["failed", strange]);
    assert.equal(await outcomeOf(world, "monitor", spec), ["notRunning", strange]);
    assert.is((await world.run("stop", spec)).outcome, "notRunning");
    command("umount", spec.mountPoint);
  });
});

rootTest("a damaged file system is repaired where that is safe, and refused where it is not", async () => {
  await withDisk(async ({ world, spec, device }) => {
    command("debugfs", "-w", "-R", "set_super_value state 0", device);
    assert.equal(await outcomeOf(world, "start", spec), ["done", ""]);
    await world.run("stop", spec);
    command("debugfs", "-w", "-R", "set_super_value state 0", device);
    command("debugfs", "-w", "-R", "clri <2>", device);
    const { outcome, reason } = await world.run("start", spec);
    assert.is(outcome, "failed");
    assert.match(reason, /^fsck\.ext4 \/dev\/loop\d+ ended with code 4: .*UNEXPECTED INCONSISTENCY/);
  });
});

test("a file system in memory, which has no device", async () => {
  const world = await makeWorld();
  try {
    const mountPoint = `${world.directory}/memory`;
    mkdirSync(mountPoint);
    const spec: ResourceSpec = { kind: "filesystem", device: "tmpfs", mountPoint, type: "tmpfs", options: ["size=1m"], check: "auto" };
    for (const hook of ["validate", "start", "monitor", "stop"] as const) assert.equal(await outcomeOf(world, hook, spec), ["done", ""]);
  } finally {
    await world.end();
  }
});

rootTest("a mistake in a file system is named", async () => {
  await withDisk(async ({ world, spec, device }) => {
    const { directory } = world;
    writeFileSync(`${directory}/file`, "");
    const cases: [Partial<FilesystemSpec>, string][] = [
      [{ mountPoint: `${directory}/absent` }, `the mount point ${directory}/absent is missing: make the directory`],
      [{ mountPoint: `${directory}/file` }, `the mount point ${directory}/file is no directory`],
      [{ mountPoint: "relative" }, 'the mount point "relative" must be an absolute path without . and .. that is not /'],
      [{ mountPoint: "/" }, 'the mount point "/" must be an absolute path without . and .. that is not /'],
      [{ mountPoint: "/tmp/../etc" }, 'the mount point "/tmp/../etc" must be an absolute path without . and .. that is not /'],
      [{ device: "/dev/absent" }, "there is no device /dev/absent (ENOENT)"],
      [{ device: `${directory}/file` }, `${directory}/file is no block device`],
      [{ device: "UUID=00000000-0000-0000-0000-000000000000" }, "there is no device with UUID=00000000-0000-0000-0000-000000000000"],
      [{ type: "ext5", check: "never" }, 'this kernel has no file system "ext5"'],
      [{ type: "--bind" }, '"--bind" is no type of a file system, as ext4'],
      [{ options: ["noatime,ro"] }, 'the mount option "noatime,ro" must be one word'],
      [{ type: "tmpfs", device }, 'fsck.tmpfs is not installed; without it, the check must be "never"'],
    ];
    for (const [wrong, reason] of cases) assert.equal(await outcomeOf(world, "validate", { ...spec, ...wrong }), ["invalid", reason]);
  });
});

test("mounts are read as the kernel writes them", () => {
  const text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\nnonsense\n";
  assert.equal(parseMounts(text), [{
    id: 36,
    device: "98:0",
    mountPoint: "/mnt 2",
    type: "ext3",
    source: "/dev/root",
    options: ["rw", "noatime"],
    superOptions: ["rw", "errors=continue"],
  }]);
});

test.run();
