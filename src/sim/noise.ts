/** What a link does to frames at random: every chance is of 0 to 1 and drawn for each frame and receiver. */
import type { Prng } from "../base/prng.ts";

export type NoiseRates = {
  readonly loss: number;
  readonly duplicate: number;
  /** The chance that a frame is held back long enough for later ones to overtake it. */
  readonly reorder: number;
  /** The chance that one bit of the frame is flipped. */
  readonly damage: number;
  /** Each frame is delayed by up to this. */
  readonly jitterMs: number;
};

/** How long a frame is held back so that others overtake it. */
export const reorderMs = 120;
/** The second copy of a frame comes up to so much later. */
export const duplicateMs = 400;

export type Copy = { readonly delayMs: number; readonly damaged: Uint8Array };

export class Noise {
  readonly rates: NoiseRates;

  constructor(rates: Partial<NoiseRates>) {
    this.rates = { loss: 0, duplicate: 0, reorder: 0, damage: 0, jitterMs: 0, ...rates };
  }

  /** The copies of a frame that get through to one receiver: none, one or two. */
  copies(prng: Prng, bytes: Uint8Array): Copy[] {
    const { loss, duplicate, reorder, damage, jitterMs } = this.rates;
    if (prng.chance(loss)) return [];
    const damaged = damage > 0 && prng.chance(damage) ? flipped(prng, bytes) : bytes;
    const delayMs = prng.unit() * jitterMs + (reorder > 0 && prng.chance(reorder) ? prng.unit() * reorderMs : 0);
    if (duplicate === 0 || !prng.chance(duplicate)) return [{ delayMs, damaged }];
    return [{ delayMs, damaged }, { delayMs: delayMs + prng.unit() * duplicateMs, damaged }];
  }
}

export const calmNoise: Noise = new Noise({});

export function isCalm(noise: Noise): boolean {
  return noise === calmNoise;
}

function flipped(prng: Prng, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const index = prng.below(copy.length);
  copy[index] = (copy[index] as number) ^ (1 << prng.below(8));
  return copy;
}
