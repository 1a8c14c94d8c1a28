/**
 * Generations: which of two copies of a device has what the other one lacks, and whether that can be told. Pure.
 *
 * A chain is what all copies in sync have in common: the current generation, for each copy that is out the generation since which it has missed writes, and older ones, the newest
 * first. It moves when a copy is left out, before anything is acknowledged without it. Follows the decision table of section "Generations" of `STORAGE.md`, after DRBD's
 * published one; unlike there a promotion as such begins no generation, for promotions are ordered.
 *
 * Invariant: two copies with equal current generations have the same acknowledged writes.
 */
import { generationsKeptMax } from "../limits.ts";
import type { LegId } from "./blocks.ts";

/** The term in which it began and 64 random bits, as `12.0123456789abcdef`. */
export type Generation = string & { readonly [brand]: "Generation" };
declare const brand: unique symbol;

/** Of no data at all: a leg without a superblock. */
export const noGeneration = "" as Generation;

export type Since = {
  readonly generation: Generation;
  /** It has nothing that counts: all of it is to be synchronized, and the generation was made up for that. */
  readonly full: boolean;
};

export type Chain = {
  readonly current: Generation;
  /** The legs that are out. */
  readonly since: ReadonlyMap<LegId, Since>;
  readonly history: readonly Generation[];
};

/** A copy, as far as its generations go. */
export type Copy = Chain & {
  readonly leg: LegId;
  /** It has all writes of its current generation. One that is being synchronized has some of the next ones too, and so is nobody's source. */
  readonly consistent: boolean;
};

export type Verdict =
  /** Neither has data. */
  | { readonly kind: "blank" }
  /** The same but for what was under way. */
  | { readonly kind: "equal" }
  /** What the other one lacks is in my bitmap; in full: it is not known. */
  | { readonly kind: "source" | "target"; readonly full: boolean }
  /** Neither is consistent: none can be the source. */
  | { readonly kind: "noSource" }
  | { readonly kind: "splitBrain"; readonly ancestor: Generation }
  | { readonly kind: "unrelated" };

/** What is to be done between my copy and another one; undefined where there is no superblock. */
export function compare(mine: Copy | undefined, theirs: Copy | undefined): Verdict {
  if (mine === undefined || theirs === undefined) {
    if (mine === theirs) return { kind: "blank" };
    return (mine ?? theirs)?.consistent === true ? { kind: mine === undefined ? "target" : "source", full: true } : { kind: "noSource" };
  }
  if (!mine.consistent && !theirs.consistent) return { kind: "noSource" };
  if (mine.current === theirs.current) {
    if (mine.consistent && theirs.consistent) return { kind: "equal" };
    return { kind: mine.consistent ? "source" : "target", full: true };
  }
  const isSource = mine.consistent && follows(mine, theirs);
  const isTarget = theirs.consistent && follows(theirs, mine);
  if (isSource !== isTarget) {
    return isSource ? { kind: "source", full: !knowsMisses(mine, theirs) } : { kind: "target", full: !knowsMisses(theirs, mine) };
  }
  const known = new Set(pastOf(theirs));
  const ancestor = pastOf(mine).find((generation) => known.has(generation));
  // What synchronizes has given up what was its own.
  if (mine.consistent !== theirs.consistent) return { kind: mine.consistent ? "source" : "target", full: true };
  return ancestor === undefined ? { kind: "unrelated" } : { kind: "splitBrain", ancestor };
}

/** Whether all acknowledged writes of `other` are in `copy`. */
function follows(copy: Chain, other: Copy): boolean {
  return knowsMisses(copy, other) || copy.history.includes(other.current);
}

function knowsMisses(copy: Chain, other: Copy): boolean {
  return copy.since.get(other.leg)?.generation === other.current;
}

function pastOf({ current, history }: Chain): Generation[] {
  return [current, ...history].filter((generation) => generation !== noGeneration);
}

/** A device's first chain: other legs have nothing that counts. */
export function firstChain(generation: Generation, others: readonly LegId[]): Chain {
  return { current: generation, since: new Map(others.map((leg) => [leg, { generation: noGeneration, full: true }])), history: [] };
}

/** Some legs go out: those that stay have a new generation. Who was out already has missed writes since then. */
export function leaveOut(chain: Chain, legs: readonly LegId[], generation: Generation): Chain {
  const since = new Map(chain.since);
  for (const leg of legs) if (!since.has(leg)) since.set(leg, { generation: chain.current, full: false });
  return { current: generation, since, history: [chain.current, ...chain.history].slice(0, generationsKeptMax) };
}

export function takeIn(chain: Chain, leg: LegId): Chain {
  const since = new Map(chain.since);
  since.delete(leg);
  return { ...chain, since };
}

/** What a leg has counts for nothing: it is out since a generation that was made up for it, and misses everything. */
export function startOver(chain: Chain, leg: LegId, generation: Generation): Chain {
  return { ...chain, since: new Map([...chain.since, [leg, { generation, full: true }]]) };
}

/** The numbers of one start of a card's program: no two are alike, with 64 bits drawn at the start. */
export class Generations {
  #state: bigint;

  /** `seed`: 16 hexadecimal digits. */
  constructor(seed: string) {
    this.#state = BigInt(`0x${seed}`);
  }

  next(term: number): Generation {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    z ^= z >> 31n;
    return `${term}.${z.toString(16).padStart(16, "0")}` as Generation;
  }
}

export function isGeneration(value: unknown): value is Generation {
  return typeof value === "string" && (value === "" || /^\d{1,16}\.[0-9a-f]{16}$/.test(value));
}
