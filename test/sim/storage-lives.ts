/** Lives of a system with one mirrored device, told: each is lived with the sources as they are, and with one line of them broken. */
import type { CardId } from "../../src/base/ids.ts";
import { type StartStoring, StorageWorld, type StorageWorldOptions } from "../../src/sim/storage-world.ts";

export type Life = {
  readonly options: Omit<StorageWorldOptions, "seed">;
  /** What happens once all legs are in sync. */
  readonly live: (world: StorageWorld) => void;
};

const settledMs = 1_500;
/** After all was healed. */
const settleMs = 9_000;

/** The checker that is violated; undefined when all holds. */
export function lived({ options, live }: Life, seed: number, start?: StartStoring): string | undefined {
  const world = new StorageWorld({ ...options, seed }, start);
  const violated = () => world.violation?.checker;
  world.runUntil(settledMs);
  live(world);
  world.heal();
  for (let waited = 0; waited < settleMs && violated() === undefined && world.unsettled() !== undefined; waited += 250) pass(world, 250);
  world.quiet();
  pass(world, 1_500);
  return violated() ?? (world.unsettled() === undefined && world.differing() === undefined ? undefined : "alike-in-the-end");
}

export function primaryOf(world: StorageWorld): CardId {
  return world.said("d0")?.primary?.card ?? 1 as CardId;
}

function othersOf(world: StorageWorld): CardId[] {
  return world.cards.filter((card) => card !== primaryOf(world));
}

function pass(world: StorageWorld, ms: number): void {
  world.runUntil(world.at + ms);
}

const two = [[[0], [1]]] as const;
const three = [[[0], [1], [2]]] as const;

export const lives = {
  "a data path is cut": {
    options: { cards: 2, devices: two },
    live: (world) => {
      world.cut(world.cards[0] as CardId, world.cards[1] as CardId);
      pass(world, 800);
    },
  },
  "the backup falls behind, then the primary's card ends": {
    options: { cards: 3, devices: two },
    live: (world) => {
      world.cut(world.cards[0] as CardId, world.cards[1] as CardId);
      pass(world, 600);
      world.crash(primaryOf(world));
      pass(world, 1_500);
    },
  },
  "a card with a leg that two reach is apart": {
    options: { cards: 4, devices: [[[0], [1, 2]]] },
    live: (world) => {
      for (let turn = 0; turn < 4; turn++) {
        for (const card of othersOf(world)) {
          world.keepOut(card);
          pass(world, 120);
          if (world.isRunning(card)) world.takeBack(card);
          else world.startCard(card);
          pass(world, 800);
        }
      }
    },
  },
  "the backup's card ends, then the power goes, and the primary's card comes last": {
    options: { cards: 3, devices: two, keepMsMax: 400 },
    live: (world) => {
      const primary = primaryOf(world);
      const others = othersOf(world);
      world.crash(others[0] as CardId);
      pass(world, 260);
      world.powerCut();
      for (const other of others) world.startCard(other);
      pass(world, 2_500);
      world.startCard(primary);
    },
  },
  "two cards that serve end one after the other": {
    options: { cards: 5, devices: three, blocks: 60 },
    live: (world) => {
      for (let turn = 0; turn < 5; turn++) {
        const first = primaryOf(world);
        world.crash(first);
        for (let waited = 0; waited < 1_000 && primaryOf(world) === first; waited += 10) pass(world, 10);
        pass(world, 80);
        const second = primaryOf(world);
        world.crash(second);
        pass(world, 800);
        world.startCard(first);
        world.startCard(second);
        pass(world, 1_500);
      }
    },
  },
  "the primary's card ends again and again": {
    options: { cards: 3, devices: three },
    live: (world) => {
      for (let turn = 0; turn < 6; turn++) {
        const first = primaryOf(world);
        world.crash(first);
        pass(world, 500);
        world.startCard(first);
        pass(world, 900);
      }
    },
  },
  "one leg is out, another comes back, and becomes the primary": {
    options: { cards: 3, devices: three, blocks: 150 },
    live: (world) => {
      const [second, third] = othersOf(world) as [CardId, CardId];
      const first = primaryOf(world);
      world.crash(third);
      pass(world, 500);
      world.crash(second);
      pass(world, 300);
      world.startCard(second);
      pass(world, 1_800);
      // Without a second card there is no quorum.
      world.startCard(third);
      world.cut(second, third);
      world.cut(first, third);
      pass(world, 300);
      world.crash(first);
      pass(world, 1_200);
      world.healPaths();
      pass(world, 2_000);
    },
  },
  "a card lists a leg that it does not reach": {
    options: { cards: 2, devices: [[[0], [1, 0]]], barred: [{ card: 0, leg: "leg-b" }] },
    live: (world) => {
      const first = world.cards[0] as CardId;
      world.crash(first);
      pass(world, 200);
      world.startCard(first);
      pass(world, 1_500);
    },
  },
  "cards come and go": {
    options: { cards: 3, devices: three },
    live: (world) => {
      for (const card of [...world.cards, ...world.cards]) {
        world.crash(card);
        pass(world, 120);
        world.startCard(card);
        pass(world, 500);
      }
    },
  },
} as const satisfies Readonly<Record<string, Life>>;

export type LifeName = keyof typeof lives;
