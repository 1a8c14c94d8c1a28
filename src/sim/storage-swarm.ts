/**
 * One seed, one life of a system with mirrored devices: the seed draws cards, legs and who reaches them, which kinds of fault this world knows, and when they strike. Then all is healed *and calm*,
 * and every device must be served, in sync and alike within a stated time.
 */
import type { CardId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { sentences, type StorageViolation } from "./storage-checkers.ts";
import { type StartStoring, StorageWorld, type StorageWorldOptions } from "./storage-world.ts";

export type StorageSeedOptions = {
  readonly seed: number;
  readonly seconds: number;
  readonly calm?: boolean;
  readonly trace?: (line: string) => void;
  readonly start?: StartStoring;
};

export type StorageSeedResult = {
  readonly seed: number;
  readonly cards: number;
  readonly devices: number;
  readonly legs: number;
  readonly faults: number;
  readonly acknowledged: number;
  readonly simulatedMs: number;
  readonly violation?: StorageViolation & { readonly at: number };
  readonly hash: string;
};

/** After the last fault. */
const settleMs = 8_000;
const quietMs = 1_500;
const faultKinds = ["crash", "apart", "cut", "stall", "power"] as const;

export function liveStorageSeed(options: StorageSeedOptions): StorageSeedResult {
  const { seed, trace, start } = options;
  const prng = new Prng(seed ^ 0x51ed270b);
  const shape = drawShape(prng, seed);
  const world = new StorageWorld({ ...shape, ...(trace === undefined ? {} : { trace }) }, start);
  const endMs = options.seconds * 1_000;
  // Some of the second ways to a leg lead nowhere.
  for (const [index, legs] of shape.devices.entries()) {
    for (const [at, [, second]] of legs.entries()) {
      if (second !== undefined && prng.chance(0.3)) world.bar(world.cards[second] as CardId, `d${index}`, `leg-${"abcdefgh"[at]}`);
    }
  }
  let faults = 0;
  if (options.calm !== true) faults = strike(world, prng, endMs);
  world.runUntil(endMs);
  world.heal();
  let unsettled: string | undefined = "";
  for (let at = endMs; at < endMs + settleMs && unsettled !== undefined && world.violation === undefined; at += 100) {
    world.runUntil(at);
    unsettled = world.unsettled();
  }
  world.quiet();
  world.runUntil(world.at + quietMs);
  const detail = unsettled ?? world.unsettled() ?? world.differing();
  const violation = world.violation ??
    (detail === undefined ? undefined : { checker: "alike-in-the-end", sentence: sentences["alike-in-the-end"], detail });
  return {
    seed,
    cards: shape.cards,
    devices: shape.devices.length,
    legs: shape.devices.reduce((sum, legs) => sum + legs.length, 0),
    faults,
    acknowledged: world.acknowledged,
    simulatedMs: world.at,
    ...(violation === undefined ? {} : { violation: { ...violation, at: world.at } }),
    hash: world.hash(),
  };
}

/** Legs of one card each mostly; some are reached by two, and some cards reach two legs. */
function drawShape(prng: Prng, seed: number): StorageWorldOptions {
  const cards = 2 + prng.below(4);
  const devices = Array.from({ length: 1 + prng.below(2) }, () => {
    const count = Math.min(cards, prng.chance(0.5) ? 2 : 2 + prng.below(3));
    const hosts = Array.from({ length: cards }, (_, index) => index);
    for (let index = hosts.length - 1; index > 0; index--) {
      const other = prng.below(index + 1);
      [hosts[index], hosts[other]] = [hosts[other] as number, hosts[index] as number];
    }
    return Array.from({ length: count }, (_, index) => {
      const own = hosts[index] as number;
      const second = prng.below(cards);
      return prng.chance(0.35) && second !== own ? [own, second] : [own];
    });
  });
  return { seed, cards, devices, keepMsMax: prng.chance(0.3) ? 300 : 8 };
}

/** Faults of some kinds, from the first second on; each is over some time later. */
function strike(world: StorageWorld, prng: Prng, endMs: number): number {
  const kinds = faultKinds.filter(() => prng.chance(0.6));
  if (kinds.length === 0) return 0;
  let count = 0;
  for (let at = prng.between(100, 1_500); at < endMs - 200; at += prng.between(20, 1_200)) {
    count++;
    const kind = prng.pick(kinds);
    world.after(at, () => carryOut(world, prng, kind));
  }
  return count;
}

function carryOut(world: StorageWorld, prng: Prng, kind: typeof faultKinds[number]): void {
  const card = prng.pick(world.cards);
  const later = (ms: number, run: (card: CardId) => void) => world.after(prng.between(5, ms), () => run(card));
  switch (kind) {
    case "crash":
      world.crash(card);
      return later(1_500, (each) => world.startCard(each));
    case "apart":
      world.keepOut(card);
      return later(600, (each) => world.isRunning(each) ? world.takeBack(each) : world.startCard(each));
    case "cut":
      world.cut(card, prng.pick(world.cards));
      return later(800, () => world.healPaths());
    case "stall":
      return world.stall(card, prng.between(1, 400));
    case "power":
      world.powerCut();
      for (const each of world.cards) world.after(prng.between(5, 800), () => world.startCard(each));
  }
}
