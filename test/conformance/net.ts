/** What every driver of addresses does. Announcements are captured through the Ethernet driver and read byte by byte. */
import * as assert from "uvu/assert";
import type { EtherFrame, InterfaceAddress, NetEvent, NetPort } from "../../src/io/ports.ts";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type NetWorld = World & {
  /** Two interfaces, joined by a wire. */
  readonly left: string;
  readonly right: string;
  readonly leftMac: Uint8Array;
  /** The wire between the two is cut, or joined again. */
  setCarrier(up: boolean): void;
  /** The left interface goes away. */
  removeInterface(): void;
};

const ipv4Type = 0x0806;
const ipv6Type = 0x86dd;
const allNodesMac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

/** The one's complement sum over everything that an ICMPv6 checksum covers; of a right message it is 0xffff. */
function icmpv6Sum(packet: Uint8Array): number {
  const length = packet.length - 40;
  const covered = [...packet.subarray(8, 40), 0, 0, length >> 8, length & 0xff, 0, 0, 0, 58, ...packet.subarray(40)];
  let sum = 0;
  for (let index = 0; index < covered.length; index += 2) sum += ((covered[index] as number) << 8) | (covered[index + 1] as number);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export function netConformance(test: Tester, name: string, make: () => Promise<NetWorld>, skips: Skips): void {
  const suite = new Suite(test, `net, ${name}`, make, skips);

  /** The world's port; what it tells goes into `events`. */
  function open(world: NetWorld, events: NetEvent[] = []): Promise<NetPort> {
    return world.drivers.net.open((event) => events.push(event));
  }

  /** The addresses of the left interface, without those that a kernel gives it by itself. */
  async function addressesOf(world: NetWorld, net: NetPort): Promise<string[]> {
    const all = await net.list(world.left);
    for (const { interface: of } of all) assert.is(of, world.left);
    return all.map(({ address }) => address).filter((address) => !address.startsWith("fe80:")).sort();
  }

  async function capture(world: NetWorld, etherType: number, address: InterfaceAddress, count: number): Promise<EtherFrame[]> {
    const frames: EtherFrame[] = [];
    const options = { interface: world.right, etherTypes: [etherType], groups: [allNodesMac] };
    await world.drivers.ether.open(options, (event) => void (event.kind === "frames" && frames.push(...event.frames)));
    await (await open(world)).announce(address);
    const from = world.leftMac.join();
    const announced = () => frames.filter((frame) => frame.source.join() === from && isAnnouncement(frame));
    await world.until("the announcement", () => announced().length === count);
    return announced();
  }

  /** A kernel's interface also speaks of its own accord, of its routers and of its groups. */
  function isAnnouncement({ etherType, payload }: EtherFrame): boolean {
    return etherType === ipv4Type || (payload[6] === 58 && payload[40] === 136);
  }

  suite.property("HA-3: addresses of both families are taken, listed and released", async (world) => {
    const net = await open(world);
    const ipv4 = { interface: world.left, address: "192.0.2.7/24" };
    const ipv6 = { interface: world.left, address: "2001:db8::7/64" };
    for (const address of [ipv4, ipv6]) assert.is((await net.take(address, 3)).link, "up");
    assert.equal(await addressesOf(world, net), ["192.0.2.7/24", "2001:db8::7/64"]);
    const everywhere = await net.list();
    for (const expected of [ipv4, ipv6]) assert.is(everywhere.filter((other) => other.address === expected.address).length, 1);
    assert.equal((await net.list(world.right)).filter(({ address }) => !address.startsWith("fe80:")), []);
    assert.is(await net.release(ipv4), true);
    assert.equal(await addressesOf(world, net), ["2001:db8::7/64"]);
    assert.is(await net.release(ipv6), true);
    assert.equal(await addressesOf(world, net), []);
  });

  suite.property("taking what is there and releasing what is not there is fine", async (world) => {
    const net = await open(world);
    for (const address of ["192.0.2.7/24", "2001:db8::7/64"]) {
      const given = { interface: world.left, address };
      assert.is(await net.release(given), false);
      await net.take(given, 1);
      await net.take(given, 1);
      assert.equal(await addressesOf(world, net), [address]);
      assert.is(await net.release(given), true);
      assert.is(await net.release(given), false);
      assert.equal(await addressesOf(world, net), []);
    }
  });

  suite.property("an address is listed in its shortest form, however it was given", async (world) => {
    const net = await open(world);
    const given = { interface: world.left, address: "2001:DB8:0:0:0::7/128" };
    await net.take(given, 1);
    assert.equal(await addressesOf(world, net), ["2001:db8::7/128"]);
    await net.release(given);
    assert.equal(await addressesOf(world, net), []);
  });

  suite.property("releasing the first address of a subnet leaves the others", async (world) => {
    const net = await open(world);
    const addresses = ["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24"].map((address) => ({ interface: world.left, address }));
    for (const address of addresses) await net.take(address, 1);
    await net.release(addresses[0] as InterfaceAddress);
    assert.equal(await addressesOf(world, net), ["192.0.2.2/24", "192.0.2.3/24"]);
  });

  suite.property("errors name the interface or the address and what would be right", async (world) => {
    const net = await open(world);
    const absent = { interface: "absent0", address: "192.0.2.7/24" };
    const expected = `net: there is no interface "absent0"`;
    for (const call of [net.list("absent0"), net.take(absent, 1), net.link("absent0"), net.announce(absent)]) {
      assert.is(await messageOf(call), expected);
    }
    for (
      const address of ["192.0.2.7", "192.0.2.7/33", "192.0.2/24", "2001:db8::7/129", "2001:db8::7", "x/24", "", "1.2.3.4/1/2", "::1/-1"]
    ) {
      const message = await messageOf(net.take({ interface: world.left, address }, 1));
      assert.is(message, `net: "${address}" is no address with its prefix, as 192.0.2.7/24 or 2001:db8::7/64`);
    }
    assert.equal(await addressesOf(world, net), []);
  });

  suite.property("HA-3: an address is released also when its interface is gone, and its loss is told", async (world) => {
    const events: NetEvent[] = [];
    const net = await open(world, events);
    const address = { interface: world.left, address: "192.0.2.7/24" };
    await net.take(address, 1);
    world.removeInterface();
    await world.until("the loss is told", () => events.some(({ kind }) => kind === "lost") && events.some(({ kind }) => kind === "link"));
    assert.equal(events.filter(({ kind }) => kind === "lost"), [{ kind: "lost", address }]);
    assert.equal(events.filter(({ kind }) => kind === "link"), [{ kind: "link", interface: world.left, state: "gone" }]);
    assert.is(await net.release(address), false);
  });

  suite.property("the state of an interface with a taken address is told at each change", async (world) => {
    const events: NetEvent[] = [];
    const net = await open(world, events);
    await net.take({ interface: world.left, address: "192.0.2.7/24" }, 1);
    assert.is(await net.link(world.left), "up");
    for (const state of ["down", "up"] as const) {
      events.length = 0;
      world.setCarrier(state === "up");
      await world.until(`the interface is ${state}`, () => events.length > 0);
      assert.equal(events, [{ kind: "link", interface: world.left, state }]);
      assert.is(await net.link(world.left), state);
    }
  });

  suite.property("HA-3: whoever claims a taken address is told as a rival, and our own announcements are none", async (world) => {
    const events: NetEvent[] = [];
    const net = await open(world, events);
    const stranger = await world.drivers.ether.open({ interface: world.right, etherTypes: [0x88b5], groups: [] }, () => {});
    const ipv4 = { interface: world.left, address: "192.0.2.7/24" };
    const ipv6 = { interface: world.left, address: "2001:db8::1:7/64" };
    const everybody = new Uint8Array(6).fill(0xff);
    const mac = [2, 0, 0, 0, 0, 0x99];
    const claimOf = (host: number, from: Iterable<number> = mac) =>
      Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 1, ...from, 192, 0, 2, host, 0, 0, 0, 0, 0, 0, 192, 0, 2, host);
    const advertisement = Uint8Array.of(
      ...[0x60, 0, 0, 0, 0, 32, 58, 255],
      ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7],
      ...[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      ...[136, 0, 0, 0, 0x20, 0, 0, 0],
      ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7],
      ...[2, 1, ...mac],
    );
    for (const address of [ipv4, ipv6]) await net.take(address, 3);
    // Another interface of this machine may speak for it too.
    stranger.send(everybody, ipv4Type, claimOf(7, stranger.mac));
    await world.settle();
    assert.equal(events, []);
    for (const host of [8, 7, 7, 7]) stranger.send(everybody, ipv4Type, claimOf(host));
    for (let count = 0; count < 3; count++) stranger.send(allNodesMac, ipv6Type, advertisement);
    await world.until("both rivals are told", () => events.length >= 2);
    await world.settle();
    const rival = "02:00:00:00:00:99";
    assert.equal(events, [{ kind: "rival", address: ipv4, mac: rival }, { kind: "rival", address: ipv6, mac: rival }]);
    await net.release(ipv4);
    events.length = 0;
    stranger.send(everybody, ipv4Type, claimOf(7));
    await world.settle();
    assert.equal(events, []);
  });

  suite.property("HA-3: an IPv4 address is announced by a gratuitous ARP request and reply", async (world) => {
    const frames = await capture(world, ipv4Type, { interface: world.left, address: "192.0.2.7/24" }, 2);
    const mac = [...world.leftMac];
    const host = [192, 0, 2, 7];
    const padding = new Array<number>(18).fill(0);
    assert.equal(frames.map(({ payload }) => [...payload]), [
      [0, 1, 8, 0, 6, 4, 0, 1, ...mac, ...host, 0, 0, 0, 0, 0, 0, ...host, ...padding],
      [0, 1, 8, 0, 6, 4, 0, 2, ...mac, ...host, ...mac, ...host, ...padding],
    ]);
  });

  suite.property("HA-3: an IPv6 address is announced by an unsolicited neighbour advertisement", async (world) => {
    const [frame] = await capture(world, ipv6Type, { interface: world.left, address: "2001:db8::1:7/64" }, 1);
    const packet = (frame as EtherFrame).payload;
    const host = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7];
    const allNodes = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assert.equal([...packet.subarray(0, 40)], [0x60, 0, 0, 0, 0, 32, 58, 255, ...host, ...allNodes], "IPv6 header, hop limit 255");
    assert.equal([...packet.subarray(40, 42)], [136, 0], "a neighbour advertisement");
    assert.equal([...packet.subarray(44)], [0x20, 0, 0, 0, ...host, 2, 1, ...world.leftMac], "override, target, link-layer address");
    assert.is(icmpv6Sum(packet), 0xffff);
  });

  suite.close();
}
