/**
 * Ethernet interfaces on one switch, as the native driver would see them: what is addressed to an interface, to
 * everybody or to a joined group arrives, in order, after the wire's delay, in batches, through a bounded queue.
 */
import type { EtherCounters, EtherDriver, EtherEvent, EtherFrame, EtherOptions, EtherPort, Mac } from "../../src/io/ports.ts";
import { etherFrameBytesMax, receiveQueueMax } from "../../src/limits.ts";
import type { Scheduler } from "./scheduler.ts";

const headerBytes = 14;
/** A shorter payload is padded with zeros, by the native driver as by every network card. */
const payloadBytesMin = 46;
const etherTypeMin = 0x600;

/** What the switch carries: a frame with its destination. */
type Carried = EtherFrame & { readonly destination: Mac };

type Interface = {
  readonly name: string;
  readonly mac: Mac;
  readonly mtu: number;
  /** Up by the operator's will, with carrier. */
  up: boolean;
  readonly ports: Set<SimulatedEtherPort>;
};

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function isGroup(mac: Mac): boolean {
  return ((mac[0] as number) & 1) === 1;
}

function isBroadcast(mac: Mac): boolean {
  return mac.every((byte) => byte === 0xff);
}

function padded(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.max(payload.length, payloadBytesMin));
  bytes.set(payload);
  return bytes;
}

class SimulatedEtherPort implements EtherPort {
  readonly mac: Mac;
  readonly mtu: number;
  readonly #network: SimulatedEthernet;
  readonly #interface: Interface;
  readonly #options: EtherOptions;
  readonly #scheduler: Scheduler;
  readonly #onEvent: (event: EtherEvent) => void;
  #queue: EtherFrame[] = [];
  #open = true;
  #failed = false;
  #told: boolean | undefined;
  #counters = { receivedFrames: 0, receivedBytes: 0, sentFrames: 0, sentBytes: 0, droppedFrames: 0, sendErrors: 0 };

  constructor(
    network: SimulatedEthernet,
    on: Interface,
    options: EtherOptions,
    scheduler: Scheduler,
    onEvent: (event: EtherEvent) => void,
  ) {
    this.mac = on.mac.slice();
    this.mtu = on.mtu;
    this.#network = network;
    this.#interface = on;
    this.#options = options;
    this.#scheduler = scheduler;
    this.#onEvent = onEvent;
    this.carrierChanged();
  }

  /** The interface's carrier is, or may be, another one. */
  carrierChanged(): void {
    this.#scheduler.schedule(0, () => {
      if (this.#failed || this.#told === this.#interface.up) return;
      this.#told = this.#interface.up;
      this.#tell({ kind: "carrier", up: this.#told });
    });
  }

  removed(): void {
    this.#scheduler.schedule(0, () => {
      this.#failed = true;
      this.#tell({ kind: "failed", error: `ether: the interface "${this.#interface.name}" is gone` });
    });
  }

  /** A frame has come off the wire. */
  arrived(frame: Carried): void {
    if (!this.#open || this.#failed || !this.#accepts(frame)) return;
    this.#counters.receivedFrames++;
    this.#counters.receivedBytes += headerBytes + frame.payload.length;
    if (this.#queue.length === 0) this.#scheduler.schedule(0, () => this.#deliver());
    if (this.#queue.length >= receiveQueueMax) {
      this.#queue.shift();
      this.#counters.droppedFrames++;
    }
    this.#queue.push({ source: frame.source.slice(), etherType: frame.etherType, payload: frame.payload.slice() });
  }

  send(destination: Mac, etherType: number, payload: Uint8Array): boolean {
    const sent = this.#open && !this.#failed && payload.length <= this.mtu && this.#interface.up;
    if (!sent) {
      this.#counters.sendErrors++;
      return false;
    }
    const frame = { destination: destination.slice(), source: this.mac, etherType, payload: padded(payload) };
    this.#counters.sentFrames++;
    this.#counters.sentBytes += headerBytes + frame.payload.length;
    this.#network.carry(this.#interface.name, frame);
    return true;
  }

  counters(): EtherCounters {
    return { ...this.#counters };
  }

  close(): Promise<void> {
    this.#open = false;
    this.#queue = [];
    this.#interface.ports.delete(this);
    return Promise.resolve();
  }

  #accepts(frame: Carried): boolean {
    if (!this.#options.etherTypes.includes(frame.etherType)) return false;
    if (!isGroup(frame.destination)) return sameBytes(frame.destination, this.mac);
    return isBroadcast(frame.destination) || this.#options.groups.some((group) => sameBytes(group, frame.destination));
  }

  #deliver(): void {
    const frames = this.#queue;
    this.#queue = [];
    if (frames.length > 0) this.#tell({ kind: "frames", frames });
  }

  #tell(event: EtherEvent): void {
    if (this.#open) this.#onEvent(event);
  }
}

export class SimulatedEthernet implements EtherDriver {
  readonly #scheduler: Scheduler;
  readonly #delayMs: number;
  readonly #interfaces = new Map<string, Interface>();
  readonly #forbidden = new Set<string>();

  /** `delayMs` is how long a frame is under way. */
  constructor(scheduler: Scheduler, delayMs: number) {
    this.#scheduler = scheduler;
    this.#delayMs = delayMs;
  }

  addInterface(name: string, mac: Mac, mtu: number = etherFrameBytesMax): void {
    this.#interfaces.set(name, { name, mac: mac.slice(), mtu, up: true, ports: new Set() });
  }

  removeInterface(name: string): void {
    for (const port of this.#interfaces.get(name)?.ports ?? []) port.removed();
    this.#interfaces.delete(name);
  }

  setCarrier(name: string, up: boolean): void {
    const on = this.#interfaces.get(name);
    if (on === undefined) return;
    on.up = up;
    for (const port of on.ports) port.carrierChanged();
  }

  /** Opening the interface is refused from now on, as without CAP_NET_RAW. */
  forbid(name: string): void {
    this.#forbidden.add(name);
  }

  macOf(name: string): Mac | undefined {
    return this.#interfaces.get(name)?.mac;
  }

  hasMac(mac: Mac): boolean {
    return [...this.#interfaces.values()].some((on) => sameBytes(on.mac, mac));
  }

  isUp(name: string): boolean {
    return this.#interfaces.get(name)?.up === true;
  }

  /** Puts a frame on the wire at an interface; every other interface of the switch that is up may take it. */
  carry(from: string, frame: Carried): void {
    this.#scheduler.schedule(this.#delayMs, () => {
      for (const on of this.#interfaces.values()) {
        if (on.name === from || !on.up) continue;
        for (const port of on.ports) port.arrived(frame);
      }
    });
  }

  open(options: EtherOptions, onEvent: (event: EtherEvent) => void): Promise<EtherPort> {
    const name = options.interface;
    const on = this.#interfaces.get(name);
    if (on === undefined) return Promise.reject(new Error(`ether: there is no interface "${name}"`));
    if (this.#forbidden.has(name)) return Promise.reject(new Error(`ether: no permission to open "${name}": CAP_NET_RAW is needed`));
    if (options.etherTypes.length === 0 || options.etherTypes.some((type) => type < etherTypeMin || type > 0xffff)) {
      return Promise.reject(new Error("ether: an EtherType is from 0x0600 to 0xffff"));
    }
    const port = new SimulatedEtherPort(this, on, options, this.#scheduler, onEvent);
    on.ports.add(port);
    return Promise.resolve(port);
  }
}
