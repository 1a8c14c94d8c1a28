/**
 * The copies of simulated devices, as they stand on their disks: blocks, a superblock, bitmaps, and which blocks are hot. What is written when the power goes is there, or not, or torn. A write is a
 * number; what is torn is a number of its own, which nobody has written.
 */
import type { Prng } from "../base/prng.ts";
import type { DeviceId, LegId } from "../storage/blocks.ts";

export type WriteId = number;

export class SimLeg {
  readonly device: DeviceId;
  readonly leg: LegId;
  /** The write that each block holds; 0 for none. */
  readonly content: WriteId[];
  state: Uint8Array | undefined;
  term = 0;
  /** The legs whose misses are tracked, with the blocks that they may lack. */
  readonly bitmaps = new Map<LegId, Set<number>>();
  inUse: readonly LegId[] = [];
  /** Writes that are not known to be on all legs, and where. */
  readonly hot = new Map<WriteId, number>();

  constructor(device: DeviceId, leg: LegId, blocks: number) {
    this.device = device;
    this.leg = leg;
    this.content = Array.from({ length: blocks }, () => 0);
  }

  bitmap(leg: LegId): Set<number> {
    const bits = this.bitmaps.get(leg) ?? new Set();
    this.bitmaps.set(leg, bits);
    return bits;
  }

  /** The hot blocks may be different on this leg. */
  suspect(leg: LegId): void {
    const bits = this.bitmap(leg);
    for (const block of this.hot.values()) bits.add(block);
  }

  fill(leg: LegId): void {
    const bits = this.bitmap(leg);
    for (const block of this.content.keys()) bits.add(block);
  }

  /** A superblock with its bitmaps, as one. */
  note(term: number, state: Uint8Array, peers: readonly LegId[], all: readonly LegId[]): void {
    this.term = term;
    this.state = state;
    for (const peer of this.inUse) if (!peers.includes(peer)) this.bitmap(peer).clear();
    for (const peer of peers) if (!this.inUse.includes(peer)) this.suspect(peer);
    for (const peer of all) this.fill(peer);
    this.inUse = peers;
  }
}

/** Torn blocks are numbered downwards, from -1. */
export class Tearing {
  readonly #prng: Prng;
  #torn = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** What becomes of a write that was under way when the power went. */
  end(leg: SimLeg, block: number, write: WriteId): void {
    const draw = this.#prng.unit();
    if (draw < 0.4) leg.content[block] = write;
    else if (draw < 0.6) leg.content[block] = --this.#torn;
  }

  /** Whether something small and atomic became durable. */
  chance(): boolean {
    return this.#prng.chance(0.5);
  }
}
