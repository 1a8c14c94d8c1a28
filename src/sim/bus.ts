/**
 * The serial bus of one chassis: the multiplexor, the lines to its slots, and what can go wrong on them. The
 * multiplexor decides; this runs it under the world's scheduler.
 */
import { slotCountMax } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { serialBitsPerByte } from "../limits.ts";
import { Multiplexor, type MultiplexorInput, type MultiplexorOptions } from "./multiplexor.ts";
import { calmNoise, isCalm, type Noise } from "./noise.ts";

/** What the bus needs of the world. */
export type BusWorld = {
  /** Calls `run` at `at`. */
  readonly later: (at: number, run: (at: number) => void) => void;
  readonly onBytes: (at: number, chassis: number, slot: number, bytes: Uint8Array) => void;
  readonly onReset: (at: number, chassis: number, slot: number) => void;
};

/** A babbling slot's noise comes in pieces of this long. */
const babblePieceMs = 20;

export class Bus {
  readonly chassis: number;
  readonly baud: number;
  readonly multiplexor: Multiplexor;
  readonly #world: BusWorld;
  readonly #prng: Prng;
  /** Slots whose card sends noise without end, with the run of the babble. */
  readonly #babbling = new Map<number, number>();
  #babbles = 0;
  /** The slots that another slot's bytes leak into, with the chance for each frame. */
  readonly #crossTalk = new Map<number, { readonly into: number; readonly rate: number }>();
  noise: Noise = calmNoise;
  #dueAt = Infinity;
  readonly #onDue = (at: number): void => this.#run(at);

  constructor(options: MultiplexorOptions, world: BusWorld, prng: Prng, at: number) {
    this.chassis = options.chassis;
    this.baud = options.baud;
    this.multiplexor = new Multiplexor(options, at);
    this.#world = world;
    this.#prng = prng;
    this.#schedule();
  }

  /** A slot's card writes a frame to its line. */
  send(at: number, slot: number, bytes: Uint8Array): void {
    if (this.#crossTalk.size > 0) this.#leak(at, slot, bytes);
    if (isCalm(this.noise)) return this.tell(at, { kind: "bytes", slot, bytes });
    for (const { delayMs, damaged } of this.noise.copies(this.#prng, bytes)) {
      if (delayMs === 0) this.tell(at, { kind: "bytes", slot, bytes: damaged });
      else this.#world.later(at + delayMs, (then) => this.tell(then, { kind: "bytes", slot, bytes: damaged }));
    }
  }

  tell(at: number, input: MultiplexorInput): void {
    for (const output of this.multiplexor.step(at, input)) {
      if (output.kind === "bytes") this.#world.onBytes(at, this.chassis, output.slot, output.bytes);
      else this.#world.onReset(at, this.chassis, output.slot);
    }
    this.#schedule();
  }

  /** The slot's line carries noise at its full speed until `heal`. */
  babble(at: number, slot: number): void {
    this.#babbling.set(slot, ++this.#babbles);
    this.#babbleOn(at, slot, this.#babbles);
  }

  /** Nothing goes from one slot's line to another's any more. */
  part(at: number, from: number | undefined, to: number | undefined): void {
    if (from !== undefined && to !== undefined) this.tell(at, { kind: "part", from, to, parted: true });
  }

  crossTalk(from: number, into: number, rate: number): void {
    this.#crossTalk.set(from, { into, rate });
  }

  heal(at: number): void {
    this.#babbling.clear();
    this.#crossTalk.clear();
    this.noise = calmNoise;
    for (let slot = 1; slot <= slotCountMax; slot++) {
      for (const direction of ["tx", "rx"] as const) this.tell(at, { kind: "cut", slot, direction, cut: false });
      this.tell(at, { kind: "corrupt", slot, rate: 0 });
      for (let to = 1; to <= slotCountMax; to++) this.tell(at, { kind: "part", from: slot, to, parted: false });
    }
    this.tell(at, { kind: "dead", dead: false });
  }

  #run(at: number): void {
    if (at === this.#dueAt) this.#dueAt = Infinity;
    if (this.multiplexor.deadline() <= at) this.tell(at, { kind: "tick" });
    else this.#schedule();
  }

  #schedule(): void {
    const at = this.multiplexor.deadline();
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#world.later(at, this.#onDue);
  }

  #babbleOn(at: number, slot: number, babble: number): void {
    if (this.#babbling.get(slot) !== babble) return;
    const bytes = new Uint8Array(Math.max(1, Math.floor((babblePieceMs * this.baud) / (serialBitsPerByte * 1_000))));
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.#prng.bits();
    this.tell(at, { kind: "bytes", slot, bytes });
    this.#world.later(at + babblePieceMs, (then) => this.#babbleOn(then, slot, babble));
  }

  /** The neighbouring line picks up a frame, now and then only its beginning. */
  #leak(at: number, slot: number, bytes: Uint8Array): void {
    const leak = this.#crossTalk.get(slot);
    if (leak === undefined || !this.#prng.chance(leak.rate)) return;
    const heard = this.#prng.chance(0.5) ? bytes : bytes.slice(0, 1 + this.#prng.below(bytes.length));
    this.tell(at, { kind: "bytes", slot: leak.into, bytes: heard });
  }
}
