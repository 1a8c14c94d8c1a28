/**
 * The Ethernet switch that joins all cards of a world: multicast to all ports, unicast by card, never back to the
 * port that a frame came from. Without faults a frame reaches everybody at the same instant.
 */
import { type Address, type CardId, everybody } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { calmNoise, isCalm, type Noise } from "./noise.ts";
import type { Heard } from "./reader.ts";

/** From one port through the switch to another, for a frame that meets no other. */
export const etherDelayMs = 0.05;

export type Port = {
  readonly index: number;
  readonly card: CardId;
  /** The card has power and its cable carries. */
  attached: boolean;
  cutTx: boolean;
  cutRx: boolean;
};

/** A frame on its way. What it says is worked out once, for all who hear it undamaged. */
export type Transmission = {
  readonly bytes: Uint8Array;
  /** As a card of this system has signed it: its tag is not proven again. */
  readonly isSigned: boolean;
  heard: Heard | undefined;
};

export function transmissionOf(bytes: Uint8Array, isSigned = false): Transmission {
  return { bytes, isSigned, heard: undefined };
}

export class Switch {
  readonly #prng: Prng;
  readonly #deliver: (at: number, sent: Transmission, ports: readonly Port[]) => void;
  readonly #ports: Port[] = [];
  /** Pairs of ports, as from * 1024 + to, between which nothing passes. */
  readonly #blocked = new Set<number>();
  noise: Noise = calmNoise;

  constructor(prng: Prng, deliver: (at: number, sent: Transmission, ports: readonly Port[]) => void) {
    this.#prng = prng;
    this.#deliver = deliver;
  }

  addPort(index: number, card: CardId): Port {
    const port = { index, card, attached: false, cutTx: false, cutRx: false };
    this.#ports.push(port);
    return port;
  }

  block(from: Port, to: Port): void {
    this.#blocked.add(from.index * 1024 + to.index);
  }

  heal(): void {
    this.#blocked.clear();
    this.noise = calmNoise;
    for (const port of this.#ports) port.cutTx = port.cutRx = false;
  }

  /** A frame from a card's port; it is lost on the way to the ports in `lost`. */
  transmit(at: number, from: Port, to: Address, bytes: Uint8Array, lost?: readonly Port[]): void {
    if (from.attached && !from.cutTx) this.#forward(at, from, to, transmissionOf(bytes, true), lost);
  }

  /** A frame from a port that is no card's. */
  inject(at: number, to: Address, bytes: Uint8Array): void {
    this.#forward(at, undefined, to, transmissionOf(bytes), undefined);
  }

  #forward(at: number, from: Port | undefined, to: Address, sent: Transmission, lost: readonly Port[] | undefined): void {
    const together: Port[] = [];
    const calm = isCalm(this.noise);
    for (const port of this.#ports) {
      if (port === from || !port.attached || port.cutRx || (to !== everybody && port.card !== to)) continue;
      if (lost?.includes(port) === true) continue;
      if (from !== undefined && this.#blocked.size > 0 && this.#blocked.has(from.index * 1024 + port.index)) continue;
      if (calm) together.push(port);
      else this.#forwardNoisily(at, port, sent);
    }
    if (together.length > 0) this.#deliver(at + etherDelayMs, sent, together);
  }

  #forwardNoisily(at: number, port: Port, sent: Transmission): void {
    for (const { delayMs, damaged } of this.noise.copies(this.#prng, sent.bytes)) {
      this.#deliver(at + etherDelayMs + delayMs, damaged === sent.bytes ? sent : transmissionOf(damaged), [port]);
    }
  }
}
