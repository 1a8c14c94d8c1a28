/**
 * The Ethernet link of a card: the port opened for our EtherType and kept open. When the interface is missing or goes
 * away it is tried again every `retryMs`; the owner is told each change. Frames go to the group of all cards, or to one
 * card's address.
 */
import { etherType, groupAddress, lldpAddress, lldpEtherType } from "../wire/ether.ts";
import type { EtherDriver, EtherEvent, EtherPort, Mac } from "./ports.ts";

export type EtherLinkEvents = {
  readonly onFrame: (frame: Uint8Array, source: Mac) => void;
  /** `mtu` in bytes, of the interface. */
  readonly onUp: (mtu: number) => void;
  readonly onDown: (reason: string) => void;
};

const retryMs = 1_000;

export class EtherLink {
  readonly #driver: EtherDriver;
  readonly #interface: string;
  readonly #events: EtherLinkEvents;
  /** What the driver told before its port was ours. */
  readonly #early: EtherEvent[] = [];
  #port: EtherPort | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** Frames to one card's address. */
  #directFrames = 0;

  constructor(driver: EtherDriver, interfaceName: string, events: EtherLinkEvents) {
    this.#driver = driver;
    this.#interface = interfaceName;
    this.#events = events;
    void this.#open();
  }

  /** The interface's own address, once it is open. */
  get mac(): Mac | undefined {
    return this.#port?.mac;
  }

  send(payload: Uint8Array, address?: Mac): void {
    if (address !== undefined) this.#directFrames++;
    this.#port?.send(address ?? groupAddress, etherType, payload);
  }

  sendLldp(payload: Uint8Array): void {
    this.#port?.send(lldpAddress, lldpEtherType, payload);
  }

  counters(): Record<string, number> {
    return { ...this.#port?.counters(), directFrames: this.#directFrames };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#port?.close();
  }

  async #open(): Promise<void> {
    const options = { interface: this.#interface, etherTypes: [etherType], groups: [groupAddress] };
    let port: EtherPort | undefined;
    try {
      port = await this.#driver.open(options, (event) => this.#onEvent(event));
    } catch (error) {
      return this.#fail((error as Error).message);
    }
    if (this.#isClosed) return port.close();
    this.#port = port;
    for (const event of this.#early.splice(0)) this.#onEvent(event);
  }

  #onEvent(event: EtherEvent): void {
    if (this.#isClosed) return;
    if (this.#port === undefined) {
      this.#early.push(event);
      return;
    }
    switch (event.kind) {
      case "frames":
        for (const frame of event.frames) this.#events.onFrame(frame.payload, frame.source);
        return;
      case "carrier":
        return event.up ? this.#events.onUp(this.#port.mtu) : this.#events.onDown(`${this.#interface} has no carrier`);
      case "failed":
        void this.#port.close();
        this.#port = undefined;
        return this.#fail(event.error);
    }
  }

  #fail(reason: string): void {
    if (this.#isClosed) return;
    this.#events.onDown(reason);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#open(), retryMs);
  }
}
