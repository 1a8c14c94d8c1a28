/** The addresses of simulated interfaces; announcements go out on the simulated Ethernet as real frames. */
import type { InterfaceAddress, NetDriver } from "../../src/io/ports.ts";
import { splitAddress } from "../net/net.ts";
import type { SimulatedEthernet } from "./ether.ts";

const everybodyMac = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const allNodesMac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const allNodes = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

function ipv4Bytes(host: string): number[] {
  return host.split(".").map(Number);
}

/** `host` is known to be an IPv6 address; the last 32 bits may be written as an IPv4 address. */
function ipv6Bytes(host: string): number[] {
  const plain = host.replace(/\d+\.\d+\.\d+\.\d+$/, (ipv4) => {
    const [a = 0, b = 0, c = 0, d = 0] = ipv4Bytes(ipv4);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":").map((group) => parseInt(group, 16)));
  const front = groupsOf(head);
  const back = groupsOf(tail ?? "");
  const middle = new Array<number>(8 - front.length - back.length).fill(0);
  return [...front, ...middle, ...back].flatMap((group) => [group >> 8, group & 0xff]);
}

/** The shortest form, in which the kernel lists an address (RFC 5952). */
function canonical(host: string): string {
  return host.includes(":") ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}

function arp(mac: Uint8Array, host: string, operation: 1 | 2): Uint8Array {
  const address = ipv4Bytes(host);
  const target = operation === 1 ? new Uint8Array(6) : mac;
  return Uint8Array.from([0, 1, 8, 0, 6, 4, 0, operation, ...mac, ...address, ...target, ...address]);
}

function checksum(bytes: readonly number[]): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 2) sum += ((bytes[index] as number) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function neighbourAdvertisement(mac: Uint8Array, host: string): Uint8Array {
  const address = ipv6Bytes(host);
  const message = [136, 0, 0, 0, 0x20, 0, 0, 0, ...address, 2, 1, ...mac];
  const sum = checksum([...address, ...allNodes, 0, 0, 0, message.length, 0, 0, 0, 58, ...message]);
  message[2] = sum >> 8;
  message[3] = sum & 0xff;
  return Uint8Array.from([0x60, 0, 0, 0, 0, message.length, 58, 255, ...address, ...allNodes, ...message]);
}

export class SimulatedNet implements NetDriver {
  readonly #network: SimulatedEthernet;
  readonly #addresses: InterfaceAddress[] = [];

  constructor(network: SimulatedEthernet) {
    this.#network = network;
  }

  list(interfaceName?: string): Promise<InterfaceAddress[]> {
    return Promise.resolve().then(() => {
      if (interfaceName !== undefined) this.#macOf(interfaceName);
      return this.#addresses.filter((address) => interfaceName === undefined || address.interface === interfaceName);
    });
  }

  add(address: InterfaceAddress): Promise<void> {
    return Promise.resolve().then(() => {
      const wanted = this.#checked(address);
      if (this.#indexOf(wanted) < 0) this.#addresses.push(wanted);
    });
  }

  remove(address: InterfaceAddress): Promise<void> {
    return Promise.resolve().then(() => {
      const index = this.#indexOf(this.#checked(address));
      if (index >= 0) this.#addresses.splice(index, 1);
    });
  }

  announce(address: InterfaceAddress): Promise<void> {
    return Promise.resolve().then(() => {
      const mac = this.#macOf(address.interface);
      const { host } = splitAddress(address.address);
      const carry = (destination: Uint8Array, etherType: number, payload: Uint8Array) => {
        this.#network.carry(address.interface, { destination, source: mac, etherType, payload });
      };
      if (host.includes(":")) return carry(allNodesMac, 0x86dd, neighbourAdvertisement(mac, host));
      for (const operation of [1, 2] as const) {
        const payload = new Uint8Array(46);
        payload.set(arp(mac, host, operation));
        carry(everybodyMac, 0x0806, payload);
      }
    });
  }

  #macOf(interfaceName: string): Uint8Array {
    const mac = this.#network.macOf(interfaceName);
    if (mac === undefined) throw new Error(`net: there is no interface "${interfaceName}"`);
    return mac;
  }

  #checked(address: InterfaceAddress): InterfaceAddress {
    const { host, prefix } = splitAddress(address.address);
    this.#macOf(address.interface);
    return { interface: address.interface, address: `${canonical(host)}/${prefix}` };
  }

  #indexOf(wanted: InterfaceAddress): number {
    return this.#addresses.findIndex((present) => present.interface === wanted.interface && present.address === wanted.address);
  }
}
