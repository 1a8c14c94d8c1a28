/**
 * What a mirrored device may hold after a crash. Each write of a block has a number, which is in the block; the oracle knows which numbers were asked for,
 * acknowledged, and acknowledged as durable.
 */
import { closeSync, openSync, readSync } from "node:fs";
import type { Prng } from "../../src/base/prng.ts";

export const blockBytes = 4_096;
const words = blockBytes / 4;

/** Positions are many extents apart, so that the log has to leave some out. */
export type Places = { readonly count: number; readonly strideBytes: number };

/** Where the processes that are killed write, and how many extents their logs have. */
export const crashPlaces: Places = { count: 192, strideBytes: 5 << 20 };
export const crashHotMax = 32;

type Block = { asked: number; acknowledged: number; durable: number; busy: boolean };

export class MirrorOracle {
  readonly #places: Places;
  readonly #blocks: Block[];
  #number = 0;

  constructor(places: Places) {
    this.#places = places;
    this.#blocks = Array.from({ length: places.count }, () => ({ asked: 0, acknowledged: 0, durable: 0, busy: false }));
  }

  offsetOf(place: number): number {
    return place * this.#places.strideBytes;
  }

  /** A place that nobody writes to at the moment, with the block to be written. */
  ask(prng: Prng): { readonly place: number; readonly bytes: Uint8Array } {
    let place = prng.below(this.#places.count);
    while ((this.#blocks[place] as Block).busy) place = (place + 1) % this.#places.count;
    return this.askFor(place);
  }

  askFor(place: number): { readonly place: number; readonly bytes: Uint8Array } {
    const block = this.#blocks[place] as Block;
    block.asked = ++this.#number;
    block.busy = true;
    return { place, bytes: contentOf(block.asked) };
  }

  /** The first number that was not asked for. */
  get next(): number {
    return this.#number + 1;
  }

  /** What another process said that it asked for, `ask PLACE NUMBER`, and was told, `done PLACE NUMBER`; lines of other words are others' business. */
  heard(lines: readonly string[]): void {
    for (const line of lines) {
      const [word, place = 0, number = 0] = line.split(" ").map((each, index) => (index === 0 ? each : Number(each))) as [
        string,
        number?,
        number?,
      ];
      const block = this.#blocks[place] as Block;
      if (word === "ask") block.asked = number;
      if (word === "done") block.acknowledged = number;
      if (word === "ask") this.#number = Math.max(this.#number, number);
    }
  }

  /** What was asked for was said to be done, or to have failed: then it may be there all the same. */
  told(place: number, isDone: boolean, isDurable: boolean): void {
    const block = this.#blocks[place] as Block;
    block.busy = false;
    if (isDone) block.acknowledged = block.asked;
    if (isDone && isDurable) block.durable = block.asked;
  }

  /** What is acknowledged now is durable once the flush that is asked for now is done. */
  beforeFlush(): readonly number[] {
    return this.#blocks.map(({ acknowledged }) => acknowledged);
  }

  flushed(before: readonly number[]): void {
    for (const [place, number] of before.entries()) {
      const block = this.#blocks[place] as Block;
      block.durable = Math.max(block.durable, number);
    }
  }

  /**
   * Compares two legs and looks at each block; then what is there is what counts. Throws at the first thing that is wrong. Gives the places of blocks that are
   * torn, which a block may be that was written to when the power went.
   */
  check(onePath: string, otherPath: string, floor: "acknowledged" | "durable", what: string): number[] {
    const torn: number[] = [];
    const one = openSync(onePath, "r");
    const other = openSync(otherPath, "r");
    for (const [place, block] of this.#blocks.entries()) {
      const [first, second] = [blockAt(one, this.offsetOf(place)), blockAt(other, this.offsetOf(place))];
      if (Buffer.compare(first, second) !== 0) {
        throw new Error(`${what}: the legs differ at ${this.offsetOf(place)}, numbers ${numberOf(first)} and ${numberOf(second)}`);
      }
      const number = numberOf(first);
      block.busy = false;
      if (number === undefined && floor === "durable" && block.asked > block.durable) {
        torn.push(place);
        continue;
      }
      if (number === undefined || number < block[floor] || number > block.asked) {
        throw new Error(`${what}: at ${this.offsetOf(place)} there is ${number}, ${floor} was ${block[floor]}, asked for ${block.asked}`);
      }
      block.acknowledged = block.durable = number;
    }
    closeSync(one);
    closeSync(other);
    return torn;
  }
}

export function contentOf(number: number): Uint8Array {
  const content = new Uint32Array(words);
  for (let word = 0; word < words; word++) content[word] = (number + Math.imul(word, 0x9e3779b1)) >>> 0;
  return new Uint8Array(content.buffer);
}

/** 0 for a block that was never written; undefined for a torn one. */
function numberOf(bytes: Uint8Array): number | undefined {
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const expected = number === 0 ? new Uint8Array(blockBytes) : contentOf(number);
  return Buffer.compare(bytes, expected) === 0 ? number : undefined;
}

function blockAt(file: number, offset: number): Uint8Array {
  const bytes = new Uint8Array(blockBytes);
  readSync(file, bytes, 0, blockBytes, offset);
  return bytes;
}
