/** Random requests upon a block device, with the oracle beside them. */
import type { BlockDevice } from "../../src/io/block-ports.ts";
import { BlockHistory, historyBlockBytes, stamp } from "./block-history.ts";

export type Random = (bound: number) => number;

/** Whole numbers from 0 below a bound, by a seed. */
export function randomOf(seed: number): Random {
  let state = (Math.imul(seed, 0x9e3779b9) ^ 0x85ebca6b) >>> 0 || 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return Math.floor(state / 4_294_967_296 * bound);
  };
}

const blocksMax = 64;

/** What a request does to the model; `say` is told of it in words that `replay()` of the crash test understands. */
export class RandomLoad {
  readonly history: BlockHistory;
  readonly #device: BlockDevice;
  readonly #random: Random;
  readonly #blockCount: number;
  /** The first thing that was wrong. */
  wrong: string | undefined;
  requests = 0;
  failures = 0;

  constructor(device: BlockDevice, blockCount: number, random: Random, history: BlockHistory) {
    this.#device = device;
    this.#blockCount = blockCount;
    this.#random = random;
    this.history = history;
  }

  /** One request, from its beginning to its end. */
  async step(): Promise<void> {
    const random = this.#random;
    this.requests++;
    const count = 1 + random(random(4) === 0 ? blocksMax : 8);
    const first = random(this.#blockCount - count);
    const kind = random(100);
    try {
      if (kind < 40) await this.#read(first, count);
      else if (kind < 80) await this.#write(first, count, random(6) === 0);
      else if (kind < 88) await this.#zero(first, count);
      else if (kind < 92) await this.#discard(first, count);
      else await this.#flush();
    } catch (error) {
      // What a fault did is what was asked for; anything else is a bug of the test.
      if ((error as { code?: string }).code === undefined) throw error;
      this.failures++;
    }
  }

  async run(workers: number, steps: number): Promise<void> {
    const work = async () => {
      for (let step = 0; step < steps && this.wrong === undefined; step++) await this.step();
    };
    await Promise.all(Array.from({ length: workers }, work));
  }

  async #read(first: number, count: number): Promise<void> {
    const begun = this.history.tick();
    const bytes = await this.#device.read(first * historyBlockBytes, count * historyBlockBytes);
    this.wrong ??= this.history.read(first, bytes, begun);
  }

  #write(first: number, count: number, fua: boolean): Promise<void> {
    const tag = this.history.nextTag();
    const bytes = stamp(new Uint8Array(count * historyBlockBytes), first, tag);
    return this.#change(tag, first, count, fua, () => this.#device.write(first * historyBlockBytes, bytes, { fua }));
  }

  #zero(first: number, count: number): Promise<void> {
    const noHole = this.#random(2) === 0;
    return this.#change(0, first, count, false, () => this.#device.zero(first * historyBlockBytes, count * historyBlockBytes, { noHole }));
  }

  #discard(first: number, count: number): Promise<void> {
    return this.#change(0, first, count, false, () => this.#device.discard(first * historyBlockBytes, count * historyBlockBytes));
  }

  async #change(tag: number, first: number, count: number, fua: boolean, perform: () => Promise<void>): Promise<void> {
    const change = this.history.begin(tag, first, count);
    try {
      await perform();
      this.history.end(change, true, fua);
    } catch (error) {
      this.history.end(change, false, false);
      throw error;
    }
  }

  async #flush(): Promise<void> {
    const begun = this.history.tick();
    await this.#device.flush();
    this.history.flushed(begun);
  }
}
