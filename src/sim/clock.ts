import type { Prng } from "../base/prng.ts";

/** How far a card's clock may run from true time, either way: 200 parts in a million. */
export const driftMax = 200e-6;

/** A card's monotonic clock: it started at some instant of its own and runs a little fast or slow. */
export class Clock {
  readonly #offset: number;
  readonly #rate: number;

  constructor(prng: Prng) {
    this.#offset = Math.floor(prng.unit() * 1e6);
    this.#rate = 1 + prng.between(-driftMax, driftMax);
  }

  /** The card's milliseconds at the world's instant `at`. */
  localAt(at: number): number {
    return this.#offset + at * this.#rate;
  }

  /** The world's instant at which the card's clock shows `local`. */
  worldAt(local: number): number {
    return (local - this.#offset) / this.#rate;
  }
}
