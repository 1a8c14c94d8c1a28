/**
 * The shelf: disk files that the cards share, and the table of which card reaches which disk. In its own directory a
 * card finds a link to each disk that it reaches, as `disks/<name>`.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { type Layout, parsePlace, placesOf, placeText } from "./names.ts";
import { cardDirectory } from "./place.ts";
import { didYouMean, Refused } from "./refusal.ts";
import type { Settings } from "./settings.ts";

export type Disk = {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  /** The cards that reach it, as "1/3". */
  readonly cards: readonly string[];
};

export function diskName(index: number): string {
  return `disk${index}`;
}

/** The table as `shelf.json` holds it. */
export function shelfOf(settings: Settings, directory: string): Disk[] {
  const everyCard = placesOf(settings).map(placeText);
  return Array.from({ length: settings.disks }, (_, index) => {
    const name = diskName(index + 1);
    return { name, path: `${directory}/disks/${name}`, bytes: settings.diskBytes, cards: settings.reach[name] ?? everyCard };
  });
}

/** Reads a table that names the cards of some disks: {"disk1": ["1", "2"], "disk2": ["1/3"]}. */
export function parseReach(text: string, source: string, layout: Layout, disks: number): Record<string, string[]> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Refused("usage", `${source} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Refused("usage", `${source} must be an object such as {"disk1": ["1", "2"]}`);
  }
  const known = Array.from({ length: disks }, (_, index) => diskName(index + 1));
  const reach: Record<string, string[]> = {};
  for (const [disk, cards] of Object.entries(value)) {
    if (!known.includes(disk)) throw new Refused("usage", `${source}: there is no ${disk} among ${disks} disks.${didYouMean(disk, known)}`);
    if (!Array.isArray(cards) || !cards.every((card) => typeof card === "string")) {
      throw new Refused("usage", `${source}: ${disk} must be a list of slots such as ["1", "2"], not ${JSON.stringify(cards)}`);
    }
    reach[disk] = cards.map((card) => placeText(parsePlace(card, layout)));
  }
  return reach;
}

/** Makes the disks, without using space for what is not written, the table, and each card's links. */
export function makeShelf(settings: Settings, directory: string): void {
  const disks = shelfOf(settings, directory);
  mkdirSync(`${directory}/disks`, { mode: 0o700 });
  for (const disk of disks) {
    const file = openSync(disk.path, "wx", 0o600);
    ftruncateSync(file, disk.bytes);
    closeSync(file);
  }
  writeFileSync(`${directory}/shelf.json`, JSON.stringify({ disks }, undefined, 2) + "\n");
  for (const place of placesOf(settings)) {
    const own = `${cardDirectory(directory, place)}/disks`;
    mkdirSync(own, { recursive: true });
    for (const disk of disks) if (disk.cards.includes(placeText(place))) symlinkSync(disk.path, `${own}/${disk.name}`);
  }
}
