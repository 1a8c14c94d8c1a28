/**
 * A model of a block device as an oracle: what may be read from it, given when each request was begun and ended.
 *
 * Every write has a tag of its own in each of its blocks, so a block that is read says which write it came from. Requests overlap in
 * time: a write that was under way when a read was begun may be seen or not, two that were under way together may have landed in either
 * order. What is not allowed is a block that some write had replaced for certain, one that no write has put there, and an older one after a
 * newer one was seen.
 */

export const historyBlockBytes = 512;

export type Change = {
  /** 0: zeroes. */
  readonly tag: number;
  readonly first: number;
  readonly count: number;
  readonly begun: number;
  /** The instant after which it changes nothing any more. */
  ended: number;
  /** Whether it has changed each of its blocks for certain; of one that failed that is not known. */
  isCertain: boolean;
  /** The instant from which on it outlives a loss of power. */
  durable: number;
};

type Sight = { readonly change: Change; readonly ended: number };

/** A block's content: its number and the tag of the write. */
export function stamp(into: Uint8Array, firstBlock: number, tag: number): Uint8Array {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  for (let at = 0; at < into.length; at += 8) {
    view.setUint32(at, firstBlock + Math.floor(at / historyBlockBytes), true);
    view.setUint32(at + 4, tag, true);
  }
  return into;
}

export class BlockHistory {
  #now = 0;
  #lastTag = 0;
  /** Of each block the writes that may still be seen, the first of them the zeroes that it began with. */
  readonly #changes: Change[][];
  readonly #seen: (Sight | undefined)[];
  readonly #underWay = new Set<Change>();

  constructor(blockCount: number) {
    const zeroes: Change = { tag: 0, first: 0, count: blockCount, begun: -1, ended: -1, isCertain: true, durable: -1 };
    this.#changes = Array.from({ length: blockCount }, () => [zeroes]);
    this.#seen = new Array<Sight | undefined>(blockCount).fill(undefined);
  }

  /** A new instant. */
  tick(): number {
    return ++this.#now;
  }

  nextTag(): number {
    return ++this.#lastTag;
  }

  begin(tag: number, first: number, count: number): Change {
    const change: Change = { tag, first, count, begun: this.tick(), ended: Infinity, isCertain: false, durable: Infinity };
    for (let block = first; block < first + count; block++) (this.#changes[block] as Change[]).push(change);
    this.#underWay.add(change);
    return change;
  }

  end(change: Change, isCertain: boolean, isDurable: boolean): void {
    change.ended = this.tick();
    change.isCertain = isCertain;
    if (isDurable) change.durable = change.ended;
    this.#underWay.delete(change);
  }

  /** A flush that was begun at `begun` is done. */
  flushed(begun: number): void {
    const now = this.tick();
    for (const changes of this.#changes) {
      for (const change of changes) if (change.ended < begun && change.isCertain) change.durable = Math.min(change.durable, now);
    }
  }

  /** What is wrong with a read that was begun at `begun` and ends now. */
  read(first: number, bytes: Uint8Array, begun: number): string | undefined {
    const ended = this.tick();
    return this.#eachBlock(first, bytes, (block, tag) => {
      const found = this.#allowed(block, tag, begun, (change) => change.isCertain && change.ended < begun ? change.begun : undefined);
      if (typeof found === "string") return found;
      const seen = this.#seen[block];
      if (tag !== 0 && seen !== undefined && seen.ended < begun && found.ended < seen.change.begun) {
        return `block ${block} has write ${tag} after write ${seen.change.tag}, which came later, was seen`;
      }
      if (tag !== 0) this.#seen[block] = { change: found, ended };
      return undefined;
    });
  }

  /** What is wrong with the content after a loss of power. */
  left(first: number, bytes: Uint8Array): string | undefined {
    return this.#eachBlock(first, bytes, (block, tag) => {
      const found = this.#allowed(block, tag, Infinity, (change) => change.durable < Infinity ? change.begun : undefined);
      return typeof found === "string" ? found : undefined;
    });
  }

  #eachBlock(first: number, bytes: Uint8Array, check: (block: number, tag: number) => string | undefined): string | undefined {
    const words = new Uint32Array(bytes.slice().buffer);
    const wordsPerBlock = historyBlockBytes / 4;
    for (let index = 0; index * historyBlockBytes < bytes.length; index++) {
      const block = first + index;
      const tag = words[index * wordsPerBlock + 1] as number;
      for (let word = 0; word < wordsPerBlock; word += 2) {
        const at = index * wordsPerBlock + word;
        if (words[at] !== (tag === 0 ? 0 : block) || words[at + 1] !== tag) {
          return `block ${block} is of several writes, or of another place`;
        }
      }
      const wrong = check(block, tag);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** The write that put a tag there, or why it cannot be there. `replacedBy` tells since when a write has replaced what ended before it. */
  #allowed(block: number, tag: number, begun: number, replacesSince: (change: Change) => number | undefined): Change | string {
    const changes = this.#changes[block] as Change[];
    const newest = Math.max(...changes.map((change) => replacesSince(change) ?? -Infinity));
    const candidates = changes.filter((change) => change.tag === tag);
    if (candidates.length === 0) return `block ${block} has write ${tag}, which there never was`;
    const allowed = candidates.find((change) => change.ended >= newest);
    if (allowed === undefined) return `block ${block} has write ${tag}, which was replaced before ${begun}`;
    return allowed;
  }
}
