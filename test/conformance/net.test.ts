/** Both drivers of addresses against one suite: the native one on a veth pair in a network namespace of its own. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
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
    end: async () => {
      await closeAll();
      command("ip", "link", "del", left);
    },
  };
}

function simulated(): Promise<NetWorld> {
  const time = new VirtualTime();
  const machine = simulatedMachine({ scheduler: time, etherDelayMs: 0.05, isPrivileged: true });
  const { drivers, closeAll } = closing(machine.drivers);
  machine.ethernet.addInterface(left, leftMac);
  machine.ethernet.addInterface(right, Uint8Array.of(2, 0, 0, 0, 0, 2));
  return Promise.resolve({ ...virtualWaiting(time), drivers, left, right, leftMac, end: closeAll });
}

netConformance(test, "native", native, {});
netConformance(test, "simulated", simulated, {});

test("net, native: an IPv6 address is usable at once, and an IPv4 address has its subnet's broadcast address", async () => {
  const world = await native();
  try {
    await world.drivers.net.add({ interface: left, address: "2001:db8::7/64" });
    await world.drivers.net.add({ interface: left, address: "192.0.2.7/26" });
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
    await world.drivers.net.announce({ interface: left, address: "192.0.2.7/24" });
    await world.drivers.net.announce({ interface: left, address: "2001:db8::7/64" });
    await world.until("both entries are moved", () => tableHas("192.0.2.7") && tableHas("2001:db8::7"));
  } finally {
    await world.end();
  }
});

test.run();
