/** The addresses of simulated interfaces; announcements go out on the simulated Ethernet as real frames. */
import type { EtherEvent, EtherFrame, EtherPort, InterfaceAddress, LinkState, NetDriver, NetEvent, NetPort } from "../../src/io/ports.ts";
import { splitAddress } from "../net/net.ts";
import type { SimulatedEthernet } from "./ether.ts";

const arpType = 0x0806;
const ipv6Type = 0x86dd;
/** The shortest gap between two rivals of one address, as the native driver has it. */
const rivalGapMs = 1_000;
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

/** Whose address a frame says is where: an ARP message's sender, a neighbour advertisement's target. */
function claimOf({ source, etherType, payload }: EtherFrame): { readonly host: number[]; readonly mac: Uint8Array } | undefined {
  if (etherType === arpType) {
    const host = [...payload.subarray(14, 18)];
    return host.every((byte) => byte === 0) ? undefined : { host, mac: payload.subarray(8, 14) };
  }
  if (payload[6] !== 58 || payload[40] !== 136) return undefined;
  const mac = payload[64] === 2 ? payload.subarray(66, 72) : source;
  return { host: [...payload.subarray(48, 64)], mac };
}

function hostBytes(host: string): number[] {
  return host.includes(":") ? ipv6Bytes(host) : ipv4Bytes(host);
}

function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

class SimulatedNetPort implements NetPort {
  readonly #net: SimulatedNet;
  readonly #onEvent: (event: NetEvent) => void;
  /** The addresses taken, and when a rival of each was told last. */
  readonly #taken = new Map<string, { readonly address: InterfaceAddress; rivalAt: number }>();
  readonly #watched = new Map<string, EtherPort>();
  #open = true;

  constructor(net: SimulatedNet, onEvent: (event: NetEvent) => void) {
    this.#net = net;
    this.#onEvent = onEvent;
  }

  list(interfaceName?: string): Promise<InterfaceAddress[]> {
    return Promise.resolve().then(() => {
      if (interfaceName !== undefined) this.#net.macOf(interfaceName);
      return this.#net.addresses.filter((address) => interfaceName === undefined || address.interface === interfaceName);
    });
  }

  async take(address: InterfaceAddress, announcements: number): Promise<{ link: LinkState; ms: number }> {
    const wanted = checked(address);
    this.#net.macOf(wanted.interface);
    await this.#watch(wanted.interface);
    this.#taken.set(keyOf(wanted), { address: wanted, rivalAt: -Infinity });
    if (!this.#net.addresses.some((present) => keyOf(present) === keyOf(wanted))) this.#net.addresses.push(wanted);
    await this.announce(wanted, announcements);
    return { link: this.#net.linkOf(wanted.interface), ms: 0 };
  }

  release(address: InterfaceAddress): Promise<boolean> {
    return Promise.resolve().then(() => {
      const wanted = checked(address);
      this.#taken.delete(keyOf(wanted));
      const here = this.#net.addresses.findIndex((present) => keyOf(present) === keyOf(wanted));
      if (here >= 0) this.#net.addresses.splice(here, 1);
      const { host } = splitAddress(wanted.address);
      const other = this.#net.addresses.find((present) => splitAddress(present.address).host === host);
      if (other !== undefined) throw new Error(`net: ${wanted.address} is on "${other.interface}" still`);
      return here >= 0;
    });
  }

  announce(address: InterfaceAddress, times = 1): Promise<void> {
    return Promise.resolve().then(() => {
      const { interface: interfaceName, address: text } = checked(address);
      for (let count = 0; count < times; count++) this.#net.announce(interfaceName, splitAddress(text).host);
    });
  }

  link(interfaceName: string): Promise<LinkState> {
    return Promise.resolve().then(() => {
      this.#net.macOf(interfaceName);
      return this.#net.linkOf(interfaceName);
    });
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const port of this.#watched.values()) await port.close();
  }

  async #watch(interfaceName: string): Promise<void> {
    if (this.#watched.has(interfaceName)) return;
    let told = this.#net.linkOf(interfaceName);
    const tellLink = (state: LinkState) => {
      if (state === told || !this.#open) return;
      told = state;
      this.#onEvent({ kind: "link", interface: interfaceName, state });
    };
    const port = await this.#net.watch(interfaceName, (event) => {
      if (!this.#open) return;
      if (event.kind === "frames") { for (const frame of event.frames) this.#hear(interfaceName, frame); }
      if (event.kind === "carrier") tellLink(event.up ? "up" : "down");
      if (event.kind !== "failed") return;
      tellLink("gone");
      this.#watched.delete(interfaceName);
      for (const [key, { address }] of this.#taken) {
        if (address.interface !== interfaceName) continue;
        this.#taken.delete(key);
        this.#onEvent({ kind: "lost", address });
      }
    });
    this.#watched.set(interfaceName, port);
  }

  #hear(interfaceName: string, frame: EtherFrame): void {
    const claim = claimOf(frame);
    if (claim === undefined || this.#net.ownsMac(claim.mac)) return;
    for (const taken of this.#taken.values()) {
      const { address } = taken;
      if (address.interface !== interfaceName || hostBytes(splitAddress(address.address).host).join() !== claim.host.join()) continue;
      if (this.#net.now() - taken.rivalAt < rivalGapMs) continue;
      taken.rivalAt = this.#net.now();
      this.#onEvent({ kind: "rival", address, mac: macText(claim.mac) });
    }
  }
}

/** An address of an interface, whatever its prefix is. */
function keyOf({ interface: interfaceName, address }: InterfaceAddress): string {
  return `${interfaceName} ${splitAddress(address).host}`;
}

function checked(address: InterfaceAddress): InterfaceAddress {
  const { host, prefix } = splitAddress(address.address);
  return { interface: address.interface, address: `${canonical(host)}/${prefix}` };
}

export class SimulatedNet implements NetDriver {
  readonly #network: SimulatedEthernet;
  readonly now: () => number;
  /** Those of the machine, whoever has added them. */
  readonly #addresses: InterfaceAddress[] = [];

  constructor(network: SimulatedEthernet, now: () => number) {
    this.#network = network;
    this.now = now;
  }

  open(onEvent: (event: NetEvent) => void): Promise<NetPort> {
    return Promise.resolve(new SimulatedNetPort(this, onEvent));
  }

  /** Those of interfaces that are there. */
  get addresses(): InterfaceAddress[] {
    for (let index = this.#addresses.length - 1; index >= 0; index--) {
      if (this.#network.macOf((this.#addresses[index] as InterfaceAddress).interface) === undefined) this.#addresses.splice(index, 1);
    }
    return this.#addresses;
  }

  macOf(interfaceName: string): Uint8Array {
    const mac = this.#network.macOf(interfaceName);
    if (mac === undefined) throw new Error(`net: there is no interface "${interfaceName}"`);
    return mac;
  }

  ownsMac(mac: Uint8Array): boolean {
    return this.#network.hasMac(mac);
  }

  linkOf(interfaceName: string): LinkState {
    return this.#network.isUp(interfaceName) ? "up" : "down";
  }

  watch(interfaceName: string, onEvent: (event: EtherEvent) => void): Promise<EtherPort> {
    return this.#network.open({ interface: interfaceName, etherTypes: [arpType, ipv6Type], groups: [allNodesMac] }, onEvent);
  }

  announce(interfaceName: string, host: string): void {
    const mac = this.macOf(interfaceName);
    const carry = (destination: Uint8Array, etherType: number, payload: Uint8Array) => {
      this.#network.carry(interfaceName, { destination, source: mac, etherType, payload });
    };
    if (host.includes(":")) return carry(allNodesMac, ipv6Type, neighbourAdvertisement(mac, host));
    for (const operation of [1, 2] as const) {
      const payload = new Uint8Array(46);
      payload.set(arp(mac, host, operation));
      carry(everybodyMac, arpType, payload);
    }
  }
}
