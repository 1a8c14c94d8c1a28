import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createSocket } from "node:dgram";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LinkKind } from "../../src/base/ids.ts";
import { CardChecks, type CardChecksOptions } from "../../src/io/card-checks.ts";
import { defaultGateway, interfaceCounters, isNeighborKnown } from "../../src/io/interface-facts.ts";

type Place = { directory: string };
const test = suite<Place>("card checks");

test.before.each((place) => {
  place.directory = mkdtempSync(join(tmpdir(), "cardinal-checks-"));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

const up = { up: true, reason: "" };

function checks(directory: string, options: Partial<CardChecksOptions> = {}): CardChecks {
  return new CardChecks({ stateDirectory: directory, interface: "lo", port: () => up, watchdog: () => undefined, ...options });
}

test("FS-6: on a machine that is well each check of the start passes, or has nothing to test", async ({ directory }) => {
  const own = checks(directory);
  for (const check of ["clock", "memory", "state", "ether", "serial"] as const) {
    const { result, text } = await own.post(check);
    assert.is(result, "passed", `${check}: ${text}`);
  }
  assert.is((await own.post("watchdog")).result, "skipped");
  assert.is((await checks(directory, { watchdog: () => true }).post("watchdog")).result, "passed");
  assert.equal(readdirSync(directory), []);
});

test("FS-6: what is wrong has a code and words", async ({ directory }) => {
  const down = (link: LinkKind) => ({ up: false, reason: `${link} is unplugged` });
  const broken = checks(join(directory, "missing"), { port: down, watchdog: () => false });
  const found = await Promise.all((["state", "ether", "serial", "watchdog"] as const).map((check) => broken.post(check)));
  assert.equal(found.map(({ result, code }) => [result, code]), [["failed", "enoent"], ["failed", "down"], ["failed", "down"], [
    "failed",
    "closed",
  ]]);
  assert.is(found[1]?.text, "ether is unplugged");
});

test("FS-6: a port that is opened late is waited for", async ({ directory }) => {
  let said: typeof up | undefined;
  const waiting = checks(directory, { port: () => said }).post("ether");
  setTimeout(() => said = up, 60);
  const { result, ms } = await waiting;
  assert.is(result, "passed");
  assert.ok(ms >= 50);
});

test("FS-8: the disk's check leaves nothing behind and finds a directory that is gone", async ({ directory }) => {
  assert.is((await checks(directory).selfTest("disk")).result, "passed");
  assert.equal(readdirSync(directory), []);
  const path = join(directory, "state");
  mkdirSync(path);
  chmodSync(path, 0o700);
  rmSync(path, { recursive: true });
  assert.is((await checks(path).selfTest("disk")).code, "enoent");
});

test("FS-8: peers that ask at the same time, and the card itself, disturb each other's test of the disk in nothing", async ({ directory }) => {
  const own = checks(directory);
  for (let round = 0; round < 20; round++) {
    const found = await Promise.all([1, 2, 3, 4].map(() => own.selfTest("disk")));
    for (const { result, text } of found) assert.is(result, "passed", text);
  }
  assert.equal(readdirSync(directory), []);
});

test("FS-8: frames that come in prove the port, silence proves nothing", async ({ directory }) => {
  const socket = createSocket("udp4");
  const talking = setInterval(() => socket.send(new Uint8Array(1), 9, "127.0.0.1"), 20);
  try {
    assert.is((await checks(directory).selfTest("loopback")).result, "passed");
  } finally {
    clearInterval(talking);
    socket.close();
  }
  assert.is((await checks(directory, { interface: "none0" }).selfTest("loopback")).code, "missing");
  const unplugged = checks(directory, { port: () => ({ up: false, reason: "no carrier" }) });
  for (const check of ["carrier", "loopback"] as const) assert.is((await unplugged.selfTest(check)).code, "no-carrier");
  assert.is((await checks(directory).selfTest("gateway")).result, "skipped");
});

test("what the kernel says of an interface is read", () => {
  const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 5402594   35209    0    0    0     0          0         0  5402594   35209    0    0    0     0       0          0
  eth0:123 45 0 0 0 0 0 0 678 90 1 5 2 0 3 0
`;
  assert.equal(interfaceCounters(dev, "eth0"), { received: 45, sent: 90, sendErrors: 6 });
  assert.equal(interfaceCounters(dev, "lo"), { received: 35_209, sent: 35_209, sendErrors: 0 });
  assert.is(interfaceCounters(dev, "eth"), undefined);
  assert.is(interfaceCounters("", "eth0"), undefined);
  const route = `Iface\tDestination\tGateway \tFlags
eth0\t000200C0\t00000000\t0001
eth1\t00000000\t0100A8C0\t0003
eth0\t00000000\t010200C0\t0003
`;
  assert.is(defaultGateway(route, "eth0"), "192.0.2.1");
  assert.is(defaultGateway(route, "eth1"), "192.168.0.1");
  assert.is(defaultGateway(route, "eth2"), undefined);
  const arp = `IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:42:c0:00:02:01     *        eth0
192.0.2.7        0x1         0x0         00:00:00:00:00:00     *        eth0
`;
  assert.is(isNeighborKnown(arp, "192.0.2.1", "eth0"), true);
  assert.is(isNeighborKnown(arp, "192.0.2.1", "eth1"), false);
  assert.is(isNeighborKnown(arp, "192.0.2.7", "eth0"), false);
});

test.run();
