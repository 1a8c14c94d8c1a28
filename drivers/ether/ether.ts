/** Ethernet interfaces; ether.h tells how the native side works. */
import type { EtherCounters, EtherDriver, EtherEvent, EtherFrame, EtherOptions, EtherPort, Mac } from "../../src/io/ports.ts";
import { receiveQueueMax } from "../../src/limits.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

const macBytes = 6;
const factCarrier = 0;
const factFailed = 1;
const carrierUp = 2;
/** ENODEV of every Linux. */
const noSuchDevice = 19;

/** A record is a frame from its source address on. */
function frameAt(bytes: Uint8Array, start: number, end: number): EtherFrame {
  const typeAt = start + macBytes;
  return {
    source: bytes.slice(start, typeAt),
    etherType: ((bytes[typeAt] as number) << 8) | (bytes[typeAt + 1] as number),
    payload: bytes.slice(typeAt + 2, end),
  };
}

class NativeEtherPort implements EtherPort {
  readonly mac: Mac;
  readonly mtu: number;
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  readonly #interface: string;
  readonly #onEvent: (event: EtherEvent) => void;
  #open = true;
  #carrier = 0;
  #failed = 0;
  #lastCounters: EtherCounters | undefined;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, options: EtherOptions, onEvent: (event: EtherEvent) => void) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.#interface = options.interface;
    this.#onEvent = onEvent;
    // Each type has a socket of its own: one that is named twice would receive twice.
    const etherTypes = [...new Set(options.etherTypes)];
    const opened = addon.etherOpen(options.interface, etherTypes, options.groups, receiveQueueMax, () => this.#take());
    this.#native = opened.port;
    this.mac = opened.mac;
    this.mtu = opened.mtu;
  }

  #take(): void {
    if (!this.#open) return;
    const inbox = this.#inbox;
    const taken = this.#addon.etherTake(this.#native, inbox.bytes);
    const carrier = inbox.fact(factCarrier);
    const failed = inbox.left === 0 ? inbox.fact(factFailed) : 0;
    const frames: EtherFrame[] = [];
    inbox.forEach(taken, (start, end) => frames.push(frameAt(inbox.bytes, start, end)));

    const carrierChanged = carrier !== this.#carrier;
    const hasFailed = failed !== this.#failed;
    this.#carrier = carrier;
    this.#failed = failed;
    if (frames.length > 0) this.#tell({ kind: "frames", frames });
    if (carrierChanged) this.#tell({ kind: "carrier", up: carrier === carrierUp });
    if (hasFailed) this.#tell({ kind: "failed", error: this.#failure(failed) });
  }

  #tell(event: EtherEvent): void {
    if (this.#open) this.#onEvent(event);
  }

  #failure(error: number): string {
    return error === noSuchDevice
      ? `ether: the interface "${this.#interface}" is gone`
      : `ether: "${this.#interface}" failed: error ${error}`;
  }

  send(destination: Mac, etherType: number, payload: Uint8Array): boolean {
    return this.#open && this.#addon.etherSend(this.#native, destination, etherType, payload);
  }

  counters(): EtherCounters {
    return this.#lastCounters ?? this.#addon.etherCount(this.#native);
  }

  close(): Promise<void> {
    this.#lastCounters ??= this.counters();
    this.#open = false;
    this.#closed ??= this.#addon.etherClose(this.#native);
    return this.#closed;
  }
}

export function nativeEther(addon: Addon): EtherDriver {
  const inbox = new Inbox();
  return {
    open: (options, onEvent) => Promise.resolve().then(() => new NativeEtherPort(addon, inbox, options, onEvent)),
  };
}
