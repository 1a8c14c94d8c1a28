/** What every driver of addresses does. Announcements are captured through the Ethernet driver and read byte by byte. */
import * as assert from "uvu/assert";
import type { EtherFrame, InterfaceAddress } from "../../src/io/ports.ts";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type NetWorld = World & {
  /** Two interfaces, joined by a wire. */
  readonly left: string;
  readonly right: string;
  readonly leftMac: Uint8Array;
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

  /** The addresses of the left interface, without those that a kernel gives it by itself. */
  async function addressesOf(world: NetWorld): Promise<string[]> {
    const all = await world.drivers.net.list(world.left);
    for (const { interface: of } of all) assert.is(of, world.left);
    return all.map(({ address }) => address).filter((address) => !address.startsWith("fe80:")).sort();
  }

  async function capture(world: NetWorld, etherType: number, address: InterfaceAddress, count: number): Promise<EtherFrame[]> {
    const frames: EtherFrame[] = [];
    const options = { interface: world.right, etherTypes: [etherType], groups: [allNodesMac] };
    await world.drivers.ether.open(options, (event) => void (event.kind === "frames" && frames.push(...event.frames)));
    await world.drivers.net.announce(address);
    const from = world.leftMac.join();
    const announced = () => frames.filter((frame) => frame.source.join() === from && isAnnouncement(frame));
    await world.until("the announcement", () => announced().length === count);
    return announced();
  }

  /** A kernel's interface also speaks of its own accord, of its routers and of its groups. */
  function isAnnouncement({ etherType, payload }: EtherFrame): boolean {
    return etherType === ipv4Type || (payload[6] === 58 && payload[40] === 136);
  }

  suite.property("HA-3: addresses of both families are added, listed and removed", async (world) => {
    const { net } = world.drivers;
    const ipv4 = { interface: world.left, address: "192.0.2.7/24" };
    const ipv6 = { interface: world.left, address: "2001:db8::7/64" };
    await net.add(ipv4);
    await net.add(ipv6);
    assert.equal(await addressesOf(world), ["192.0.2.7/24", "2001:db8::7/64"]);
    const everywhere = await net.list();
    for (const expected of [ipv4, ipv6]) assert.is(everywhere.filter((other) => other.address === expected.address).length, 1);
    assert.equal((await net.list(world.right)).filter(({ address }) => !address.startsWith("fe80:")), []);
    await net.remove(ipv4);
    assert.equal(await addressesOf(world), ["2001:db8::7/64"]);
    await net.remove(ipv6);
    assert.equal(await addressesOf(world), []);
  });

  suite.property("adding what is there and removing what is not there is fine", async (world) => {
    for (const address of ["192.0.2.7/24", "2001:db8::7/64"]) {
      const given = { interface: world.left, address };
      await world.drivers.net.remove(given);
      await world.drivers.net.add(given);
      await world.drivers.net.add(given);
      assert.equal(await addressesOf(world), [address]);
      await world.drivers.net.remove(given);
      await world.drivers.net.remove(given);
      assert.equal(await addressesOf(world), []);
    }
  });

  suite.property("an address is listed in its shortest form, however it was given", async (world) => {
    const given = { interface: world.left, address: "2001:DB8:0:0:0::7/128" };
    await world.drivers.net.add(given);
    assert.equal(await addressesOf(world), ["2001:db8::7/128"]);
    await world.drivers.net.remove(given);
    assert.equal(await addressesOf(world), []);
  });

  suite.property("removing the first address of a subnet leaves the others", async (world) => {
    const addresses = ["192.0.2.1/24", "192.0.2.2/24", "192.0.2.3/24"].map((address) => ({ interface: world.left, address }));
    for (const address of addresses) await world.drivers.net.add(address);
    await world.drivers.net.remove(addresses[0] as InterfaceAddress);
    assert.equal(await addressesOf(world), ["192.0.2.2/24", "192.0.2.3/24"]);
  });

  suite.property("many addresses are listed", async (world) => {
    const addresses = Array.from({ length: 300 }, (_, index) => `10.0.${index >> 8}.${index & 0xff}/32`);
    for (const address of addresses) await world.drivers.net.add({ interface: world.left, address });
    assert.equal(await addressesOf(world), addresses.sort());
  });

  suite.property("errors name the interface or the address and what would be right", async (world) => {
    const { net } = world.drivers;
    const absent = { interface: "absent0", address: "192.0.2.7/24" };
    const expected = `net: there is no interface "absent0"`;
    for (const call of [net.list("absent0"), net.add(absent), net.remove(absent), net.announce(absent)]) {
      assert.is(await messageOf(call), expected);
    }
    for (
      const address of ["192.0.2.7", "192.0.2.7/33", "192.0.2/24", "2001:db8::7/129", "2001:db8::7", "x/24", "", "1.2.3.4/1/2", "::1/-1"]
    ) {
      const message = await messageOf(net.add({ interface: world.left, address }));
      assert.is(message, `net: "${address}" is no address with its prefix, as 192.0.2.7/24 or 2001:db8::7/64`);
    }
    assert.equal(await addressesOf(world), []);
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
