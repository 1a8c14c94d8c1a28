/** Both drivers of addresses against one suite: the native one on a veth pair in a network namespace of its own. */
import { spawn, spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
import type { InterfaceAddress, NetEvent } from "../../src/io/ports.ts";
import { closing } from "./closing.ts";
import { command, enterNamespaces } from "./namespace.ts";
import { netConformance, type NetWorld } from "./net.ts";
import { makeVethPair } from "./veth.ts";
import { VirtualTime } from "./virtual-time.ts";
import { realWaiting, virtualWaiting } from "./world.ts";

enterNamespaces(import.meta.url);

const left = "left0";
const right = "right0";
const leftMac = Uint8Array.of(2, 0, 0, 0, 0, 1);

async function native(): Promise<NetWorld> {
  const { drivers, closeAll } = closing(nativeDrivers());
  await makeVethPair(left, right, "02:00:00:00:00:01");
  return {
    ...realWaiting,
    drivers,
    left,
    right,
    leftMac,
    setCarrier: (up) => void command("ip", "link", "set", right, up ? "up" : "down"),
    removeInterface: () => void command("ip", "link", "del", left),
    end: async () => {
      await closeAll();
      spawnSync("ip", ["link", "del", left]);
    },
  };
}

function simulated(): Promise<NetWorld> {
  const time = new VirtualTime();
  const machine = simulatedMachine({ scheduler: time, etherDelayMs: 0.05, isPrivileged: true });
  const { drivers, closeAll } = closing(machine.drivers);
  machine.ethernet.addInterface(left, leftMac);
  machine.ethernet.addInterface(right, Uint8Array.of(2, 0, 0, 0, 0, 2));
  return Promise.resolve({
    ...virtualWaiting(time),
    drivers,
    left,
    right,
    leftMac,
    setCarrier: (up) => machine.ethernet.setCarrier(left, up),
    removeInterface: () => machine.ethernet.removeInterface(left),
    end: closeAll,
  });
}

netConformance(test, "native", native, {});
netConformance(test, "simulated", simulated, {});

test("net, native: an IPv6 address is usable at once, and an IPv4 address has its subnet's broadcast address", async () => {
  const world = await native();
  try {
    const net = await world.drivers.net.open(() => {});
    await net.take({ interface: left, address: "2001:db8::7/64" }, 1);
    await net.take({ interface: left, address: "192.0.2.7/26" }, 1);
    const shown = command("ip", "addr", "show", "dev", left);
    assert.match(shown, /2001:db8::7\/64 scope global nodad/);
    assert.not.match(shown, /2001:db8::7.*tentative/);
    assert.match(shown, "brd 192.0.2.63");
  } finally {
    await world.end();
  }
});

test("net, native: an announcement moves an address in a neighbour's table", async () => {
  const world = await native();
  try {
    command("ip", "neigh", "replace", "192.0.2.7", "lladdr", "02:00:00:00:00:99", "dev", right, "nud", "stale");
    command("ip", "neigh", "replace", "2001:db8::7", "lladdr", "02:00:00:00:00:99", "dev", right, "nud", "stale");
    command("ip", "addr", "add", "192.0.2.1/24", "dev", right);
    const tableHas = (host: string) => command("ip", "neigh", "show", host, "dev", right).includes("02:00:00:00:00:01");
    const net = await world.drivers.net.open(() => {});
    await net.announce({ interface: left, address: "192.0.2.7/24" });
    await net.announce({ interface: left, address: "2001:db8::7/64" });
    await world.until("both entries are moved", () => tableHas("192.0.2.7") && tableHas("2001:db8::7"));
  } finally {
    await world.end();
  }
});

test("net, native: many addresses are listed, in more pieces than one", async () => {
  const world = await native();
  try {
    const addresses = Array.from({ length: 2_000 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}/32`);
    const lines = addresses.map((address) => `addr add ${address} dev ${left}\n`).join("");
    assert.is(spawnSync("ip", ["-batch", "-"], { input: lines }).status, 0);
    const net = await world.drivers.net.open(() => {});
    const listed = (await net.list(left)).map(({ address }) => address).filter((address) => !address.startsWith("fe80:"));
    assert.equal(listed.sort(), addresses.sort());
  } finally {
    await world.end();
  }
});

test("net, native: an address is there within a millisecond, and nothing waits for whoever else may have it", async () => {
  const world = await native();
  try {
    const net = await world.drivers.net.open(() => {});
    const taken: number[] = [];
    for (let round = 0; round < 100; round++) {
      for (const address of ["192.0.2.7/24", "2001:db8::7/64"]) {
        taken.push((await net.take({ interface: left, address }, 3)).ms);
        await net.release({ interface: left, address });
      }
    }
    taken.sort((one, other) => one - other);
    const median = taken[taken.length >> 1] as number;
    assert.ok(median < 1, `the median is ${median} ms`);
  } finally {
    await world.end();
  }
});

test("net, native: a listing has every address that was there all the time, though others go meanwhile", async () => {
  const world = await native();
  try {
    const addresses = Array.from({ length: 2_000 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}/32`);
    const lines = (verb: string, some: readonly string[]) => some.map((address) => `addr ${verb} ${address} dev ${left}\n`).join("");
    assert.is(spawnSync("ip", ["-batch", "-"], { input: lines("add", addresses) }).status, 0);
    const [going, staying] = [addresses.slice(0, 1_000), addresses.slice(1_000)];
    const net = await world.drivers.net.open(() => {});
    const removal = spawn("ip", ["-batch", "-"], { stdio: ["pipe", "inherit", "inherit"] });
    const removed = new Promise((resolve) => removal.once("exit", resolve));
    removal.stdin.end(lines("del", going));
    let refused = "";
    while (removal.exitCode === null) {
      const listed = await net.list(left).catch((error: Error) => (refused = error.message, undefined));
      const hosts = new Set(listed?.map(({ address }) => address));
      if (listed !== undefined) assert.equal(staying.filter((address) => !hosts.has(address)), []);
    }
    assert.is(await removed, 0);
    assert.match(refused, /^$|addresses cannot be listed/);
  } finally {
    await world.end();
  }
});

test("net, native: interfaces that come and go leave room for others, and one too many is refused", async () => {
  const world = await native();
  const interfaceMax = 32;
  const names = Array.from({ length: interfaceMax + 1 }, (_, index) => `pair${index}`);
  try {
    const lines = names.map((name) => `link add ${name} type veth peer name ${name}p\nlink set ${name} up\n`).join("");
    assert.is(spawnSync("ip", ["-batch", "-"], { input: lines }).status, 0);
    const events: NetEvent[] = [];
    const net = await world.drivers.net.open((event) => events.push(event));
    const addresses = names.map((name, index) => ({ interface: name, address: `192.0.2.${index + 1}/32` }));
    const [first, last] = [addresses[0] as InterfaceAddress, addresses[interfaceMax] as InterfaceAddress];
    for (const address of addresses.slice(0, interfaceMax)) await net.take(address, 0);
    let refused = "";
    await net.take(last, 0).catch((error: Error) => refused = error.message);
    assert.is(refused, `net: "${last.interface}": addresses are taken on ${interfaceMax} interfaces, and that is the most`);
    await net.release(first);
    await net.take(last, 0);
    command("ip", "addr", "del", last.address, "dev", last.interface);
    await world.until("the loss is told", () => events.some(({ kind }) => kind === "lost"));
    assert.equal(events.filter(({ kind }) => kind === "lost"), [{ kind: "lost", address: last }]);
  } finally {
    spawnSync("ip", ["-batch", "-"], { input: names.map((name) => `link del ${name}\n`).join("") });
    await world.end();
  }
});

test("net, native: removing an address by hand is told", async () => {
  const world = await native();
  try {
    const events: NetEvent[] = [];
    const net = await world.drivers.net.open((event) => events.push(event));
    await net.take({ interface: left, address: "192.0.2.7/24" }, 1);
    command("ip", "addr", "add", "192.0.2.8/24", "dev", left);
    command("ip", "addr", "del", "192.0.2.8/24", "dev", left);
    await world.settle();
    assert.equal(events, []);
    command("ip", "addr", "del", "192.0.2.7/24", "dev", left);
    await world.until("the loss is told", () => events.length > 0);
    assert.equal(events, [{ kind: "lost", address: { interface: left, address: "192.0.2.7/24" } }]);
  } finally {
    await world.end();
  }
});

test("net, native: releasing proves it: an address that another interface has is not gone, and one with another prefix goes too", async () => {
  const world = await native();
  try {
    const net = await world.drivers.net.open(() => {});
    const address = { interface: left, address: "192.0.2.7/24" };
    await net.take(address, 1);
    command("ip", "addr", "add", "192.0.2.7/32", "dev", left);
    command("ip", "addr", "add", "192.0.2.7/32", "dev", right);
    let refused = "";
    await net.release(address).catch((error: Error) => refused = error.message);
    assert.is(refused, `net: 192.0.2.7/24 is on "${right}" still`);
    assert.not.match(command("ip", "addr", "show", "dev", left), "192.0.2.7");
    command("ip", "addr", "flush", "dev", right);
    assert.is(await net.release(address), false);
  } finally {
    await world.end();
  }
});

test("net, native: an interface without IPv6 says so", async () => {
  const world = await native();
  try {
    command("sysctl", "-q", "-w", `net.ipv6.conf.${left}.disable_ipv6=1`);
    const net = await world.drivers.net.open(() => {});
    let refused = "";
    await net.take({ interface: left, address: "2001:db8::7/64" }, 1).catch((error: Error) => refused = error.message);
    assert.is(refused, `net: "${left}" has no IPv6: net.ipv6.conf.${left}.disable_ipv6 is 1 and must be 0`);
  } finally {
    await world.end();
  }
});

test.run();
