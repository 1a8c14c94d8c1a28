/** What native ports leave behind: no descriptors, no threads, no settings, no process that cannot end. */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers, nativeResourceDrivers } from "../../drivers/native.ts";
import { command, enterNamespaces, runCommand } from "../conformance/namespace.ts";
import { makeVethPair } from "../conformance/veth.ts";

enterNamespaces(import.meta.url);

const drivers = nativeDrivers();
const resourceDrivers = nativeResourceDrivers();
const program = runCommand(fileURLToPath(new URL("lifetime-process.ts", import.meta.url)));

/** The runtimes have descriptors and threads of their own that come and go; ours have names. */
function held(): { descriptors: number; threads: string[] } {
  const names = readdirSync("/proc/self/task").map((thread) => readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim());
  return { descriptors: readdirSync("/proc/self/fd").length, threads: names.filter((name) => name.startsWith("cardinal-")) };
}

async function openAndClose(): Promise<void> {
  const pty = await drivers.pty.open(() => {});
  const uart = await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
  const ether = await drivers.ether.open({ interface: "left0", etherTypes: [0x88b5, 0x88cc], groups: [] }, () => {});
  const net = await drivers.net.open(() => {});
  await net.list();
  const address = { interface: "left0", address: "192.0.2.7/24" };
  await net.take(address, 1);
  await net.release(address);
  const child = await resourceDrivers.child.open({ groups: "", mark: "lifetime", onEmptied: () => {} });
  await child.run({ program: "/bin/true", arguments: [], environment: {}, group: "", deadlineMs: 5_000, remains: false });
  const device = await resourceDrivers.device.open("/dev/zero", { exclusive: false });
  await device.probe();
  await Promise.all([ether.close(), uart.close(), net.close(), pty.close(), child.close(), device.close()]);
}

async function failToOpen(): Promise<void> {
  const net = await drivers.net.open(() => {});
  const failures = [
    drivers.ether.open({ interface: "absent0", etherTypes: [0x88b5], groups: [] }, () => {}),
    drivers.ether.open({ interface: "lo", etherTypes: [0x88b5], groups: [] }, () => {}),
    drivers.uart.open({ path: "/dev/absent0", baudRate: 9_600 }),
    drivers.uart.open({ path: "/dev/null", baudRate: 9_600 }),
    net.take({ interface: "absent0", address: "192.0.2.7/24" }, 1),
    resourceDrivers.device.open("/dev/absent0", { exclusive: true }),
    Promise.resolve().then(() => drivers.watchdog.open("/dev/null", 10)),
  ];
  for (const { status } of await Promise.allSettled(failures)) assert.is(status, "rejected");
  await net.close();
}

test("opening and closing, and failing to open, hold nothing afterwards", async () => {
  await makeVethPair("left0", "right0");
  const roundCount = 50;
  const round = async () => {
    for (let count = 0; count < roundCount; count++) {
      await openAndClose();
      await failToOpen();
    }
    await setTimeout(50);
    return held();
  };
  try {
    const before = await round();
    const after = await round();
    assert.equal(after.threads, []);
    const grownBy = after.descriptors - before.descriptors;
    assert.ok(grownBy < roundCount / 5, `${grownBy} descriptors more after ${roundCount} more rounds`);
  } finally {
    command("ip", "link", "del", "left0");
  }
});

test("a closed tty has its former settings and is nobody's", async () => {
  const pty = await drivers.pty.open(() => {});
  try {
    command("stty", "-F", pty.path, "cs8", "9600", "echo", "icanon", "-parmrk");
    const before = command("stty", "-F", pty.path, "--save");
    const shared = await drivers.uart.open({ path: pty.path, baudRate: 115_200, lock: false });
    assert.is.not(command("stty", "-F", pty.path, "--save"), before);
    await shared.close();
    assert.is(command("stty", "-F", pty.path, "--save"), before);
    await (await drivers.uart.open({ path: pty.path, baudRate: 115_200 })).close();
    assert.is(command("stty", "-F", pty.path, "--save"), before);
    assert.match(command("setpriv", "--bounding-set=-sys_admin", "stty", "-F", pty.path), "9600");
  } finally {
    await pty.close();
  }
});

test("a pseudo terminal's reader gets bytes as they are, also after a program that marks errors had it", async () => {
  const pty = await drivers.pty.open(() => {});
  try {
    await (await drivers.uart.open({ path: pty.path, baudRate: 115_200 })).close();
    const file = openSync(pty.path, "r");
    pty.write(Uint8Array.of(0xff, 1));
    await setTimeout(20);
    const buffer = new Uint8Array(8);
    const count = readSync(file, buffer, 0, 8, null);
    closeSync(file);
    assert.equal([...buffer.subarray(0, count)], [0xff, 1]);
  } finally {
    await pty.close();
  }
});

test("what programs write to a pseudo terminal while we are busy waits for us, whole and in order", async () => {
  const received: Uint8Array[] = [];
  const pty = await drivers.pty.open((bytes) => received.push(bytes));
  try {
    const length = 2_000_000;
    // It writes faster than it is read, far more than any buffer on the way holds.
    const writer = spawn("sh", ["-c", `yes 0123456 | head -c ${length} > ${pty.path}`]);
    const end = new Promise((resolve) => writer.once("exit", resolve));
    let total = 0;
    while (total < length) {
      const until = performance.now() + 20;
      while (performance.now() < until);
      await setTimeout(0);
      total = received.reduce((sum, bytes) => sum + bytes.length, 0);
    }
    await end;
    const text = new TextDecoder().decode(Buffer.concat(received));
    assert.is(text, "0123456\n".repeat(length / 8));
  } finally {
    await pty.close();
  }
});

for (const kind of ["pty", "uart", "ether"]) {
  test(`an error that a listener of ${kind} throws ends the process and is told`, async () => {
    if (kind === "ether") await makeVethPair("left0", "right0");
    const child = spawnSync(program[0], [...program.slice(1), "throw", kind], { encoding: "utf8", timeout: 20_000 });
    if (kind === "ether") command("ip", "link", "del", "left0");
    assert.is.not(child.status, 0);
    assert.is.not(child.status, null);
    assert.match(child.stderr, "thrown by the listener");
    assert.is(child.stdout, "");
  });
}

test("a process with open ports ends at once when it exits, and keeps running while it does not", () => {
  const exiting = spawnSync(program[0], [...program.slice(1), "exit"], { encoding: "utf8", timeout: 20_000 });
  assert.equal([exiting.status, exiting.stderr], [7, ""]);
  const waiting = spawnSync(program[0], [...program.slice(1), "wait"], { timeout: 1_500 });
  assert.is(waiting.signal, "SIGTERM");
});

test("a worker with open ports can be ended", () => {
  const child = spawnSync(program[0], [...program.slice(1), "worker"], { encoding: "utf8", timeout: 20_000 });
  assert.equal([child.status, child.stderr, child.stdout], [0, "", "ended\n"]);
});

test("promises settle within the call that a driver makes", () => {
  const child = spawnSync(program[0], [...program.slice(1), "promise"], { encoding: "utf8", timeout: 20_000 });
  assert.equal([child.status, child.stderr, child.stdout], [0, "", "settled\n"]);
});

test.run();
