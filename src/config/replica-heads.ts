/**
 * The heads of the newest changes, to compare what other cards say of theirs: whole ones in `configDurable`, and the digest that rides in
 * each heartbeat, four bits of the sequence and twelve of the hash. Pure.
 *
 * Two cards have parted when one says the same sequence with another hash. Of a digest only the lowest bits of the sequence are known, so a
 * card that is many changes behind could say them too: it is not one of those, as long as the hash is one that this card has had.
 */
import { configSettleMs } from "../limits.ts";
import type { Head } from "./change.ts";

const sequenceBits = 0xf;

/** What a heartbeat says of a head. */
export function digestOf({ sequence, hash }: Head): number {
  return ((sequence & sequenceBits) << 12) | ((hash[0] as number) << 4) | ((hash[1] as number) >> 4);
}

export class Heads {
  readonly #count: number;
  readonly #hashes = new Map<number, Uint8Array>();
  #addedAt = -Infinity;

  /** `count` of the newest are remembered. */
  constructor(count: number) {
    this.#count = count;
  }

  clear(): void {
    this.#hashes.clear();
  }

  add(now: number, { sequence, hash }: Head): void {
    this.#hashes.set(sequence, hash);
    this.#hashes.delete(sequence - this.#count);
    this.#addedAt = now;
  }

  /** What was behind this sequence was taken back. */
  takeBack(sequence: number): void {
    for (const other of this.#hashes.keys()) if (other > sequence) this.#hashes.delete(other);
  }

  hashAt(sequence: number): Uint8Array | undefined {
    return this.#hashes.get(sequence);
  }

  /** Whether a card whose heartbeat says `digest` has the head that is ours, or another one in its place; neither while changes are under way. */
  compare(now: number, own: Head, digest: number): "same" | "other" | "unsettled" {
    if (digest === digestOf(own)) return "same";
    if (now - this.#addedAt < configSettleMs || digest >> 12 !== (own.sequence & sequenceBits)) return "unsettled";
    for (const [sequence, hash] of this.#hashes) if (digestOf({ sequence, epoch: 0, hash }) === digest) return "unsettled";
    return "other";
  }
}
