/**
 * The order of messages as the world saw it, epoch by epoch, to hold every application's log against. An epoch goes on
 * from another one, its parent, so the epochs are a tree: a line of it as long as memory lives, a new root when no card
 * that knew the order is left, and a branch when those who had gone furthest have lost their memory.
 *
 *     epoch 2 ──► epoch 5 ──► epoch 9        9 goes on from 5: what was delivered in 2 and 5 stands for ever
 *                    └──────► epoch 11       11 too, all cards of 9 having restarted: what was delivered in 9 alone is gone
 *
 * Invariants: on the way from an epoch to its root a place in the order has one content; nobody goes past a message of
 * his group. Both are what is checked, so `place` and `pass` say what breaks them.
 */
import type { GroupView } from "../cluster/application.ts";
import { type Sent, textOfView } from "./applications.ts";

/** A message at its place, with the group view in which it was delivered; whoever only sent it does not know that. */
export type Content = { readonly sent: Sent; readonly view: number | undefined };
type PlacedView = { readonly sequence: number; readonly text: string };

export class SeenEpoch {
  readonly view: number;
  readonly parent: SeenEpoch | undefined;
  /** What was first seen delivered in this epoch. */
  readonly contents = new Map<number, Content>();
  /** Group views, by "group sequence", and the last of each number, by "group number". */
  readonly #viewsAt = new Map<string, PlacedView>();
  readonly #viewsOf = new Map<string, PlacedView>();
  /** Where the groups began anew, empty, lowest first. */
  readonly #begins: number[] = [];
  lastContent = 0;
  /** What must be equal for all who follow the order, by what it is about. */
  readonly #said = new Map<string, string>();
  /** The places of each group's messages among `contents`, lowest first. */
  readonly #groups = new Map<string, number[]>();

  constructor(view: number, parent: SeenEpoch | undefined) {
    this.view = view;
    this.parent = parent;
  }

  /** Whether `other` is this epoch or one that it goes on from. */
  goesOnFrom(other: SeenEpoch): boolean {
    for (let epoch = startingAt(this); epoch !== undefined && epoch.view >= other.view; epoch = epoch.parent) {
      if (epoch === other) return true;
    }
    return false;
  }

  contentAt(sequence: number): Content | undefined {
    for (let epoch = startingAt(this); epoch !== undefined; epoch = epoch.parent) {
      if (sequence > epoch.lastContent) continue;
      const content = epoch.contents.get(sequence);
      if (content !== undefined) return content;
    }
    return undefined;
  }

  /** Somebody says this of what all must say the same of. Gives what was said before, if that was something else. */
  say(about: string, text: string): string | undefined {
    for (let epoch = startingAt(this); epoch !== undefined; epoch = epoch.parent) {
      const said = epoch.#said.get(about);
      if (said !== undefined) return said === text ? undefined : said;
    }
    this.#said.set(about, text);
    return undefined;
  }

  /** The first message of a group between two places, both excluded. */
  between(group: string, after: number, before: number): number | undefined {
    let first: number | undefined;
    for (let epoch = startingAt(this); epoch !== undefined; epoch = epoch.parent) {
      const places = epoch.#groups.get(group);
      if (places === undefined || (places.at(-1) as number) <= after) continue;
      const place = places[indexAfter(places, after)] as number;
      if (place < before && (first === undefined || place < first)) first = place;
    }
    return first;
  }

  /** Whether the groups began anew between two places. */
  #areParted(one: number, other: number): boolean {
    const low = Math.min(one, other);
    const high = Math.max(one, other);
    for (let epoch = startingAt(this); epoch !== undefined; epoch = epoch.parent) {
      const begin = epoch.#begins[indexAfter(epoch.#begins, low)];
      if (begin !== undefined && begin <= high) return true;
    }
    return false;
  }

  add(sequence: number, content: Content): void {
    const isKnown = this.contents.has(sequence);
    this.contents.set(sequence, content);
    if (isKnown) return;
    this.lastContent = Math.max(this.lastContent, sequence);
    const { group } = content.sent;
    const places = this.#groups.get(group);
    if (places === undefined) this.#groups.set(group, [sequence]);
    else if ((places.at(-1) as number) < sequence) places.push(sequence);
    else places.splice(indexAfter(places, sequence), 0, sequence);
  }

  /** The groups begin anew at a place, and with them the numbers of their views. */
  begin(sequence: number): void {
    if (!this.#begins.includes(sequence)) this.#begins.splice(indexAfter(this.#begins, sequence), 0, sequence);
  }

  /** A group has this view from a place on. Says with what it contradicts another one. */
  placeView(group: string, sequence: number, view: GroupView): string | undefined {
    const placed: PlacedView = { sequence, text: textOfView(view) };
    for (let epoch = startingAt(this); epoch !== undefined; epoch = epoch.parent) {
      const same = epoch.#viewsAt.get(`${group} ${sequence}`);
      if (same !== undefined) return same.text === placed.text ? undefined : `${same.text} there`;
      const before = epoch.#viewsOf.get(`${group} ${view.number}`);
      if (before === undefined || before.text === placed.text || this.#areParted(before.sequence, sequence)) continue;
      return `${before.text} at ${before.sequence}`;
    }
    this.#viewsAt.set(`${group} ${sequence}`, placed);
    this.#viewsOf.set(`${group} ${view.number}`, placed);
    return undefined;
  }
}

/** A stretch of the order in which somebody has had every message of a group. */
export type Stretch = { readonly who: string; readonly group: string; readonly epoch: SeenEpoch; readonly after: number; upTo: number };

/** The first index whose place is above. */
function indexAfter(places: readonly number[], place: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle] as number) <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Orders {
  readonly #epochs = new Map<number, SeenEpoch>();
  readonly #stretches = new Map<string, Stretch[]>();
  /** For each group, the last place that anybody has gone past. */
  readonly #passed = new Map<string, number>();

  epoch(view: number): SeenEpoch | undefined {
    return this.#epochs.get(view);
  }

  begin(view: number, parent: SeenEpoch | undefined): SeenEpoch {
    const epoch = new SeenEpoch(view, parent);
    this.#epochs.set(view, epoch);
    return epoch;
  }

  /** A message has this place in the order of an epoch. Says what contradicts it. */
  place(epoch: SeenEpoch, sequence: number, content: Content, by: Stretch | undefined): string | undefined {
    const { sent, view } = content;
    const known = epoch.contentAt(sequence);
    if (known !== undefined) {
      if (known.sent !== sent) return `sequence ${sequence} is ${nameOf(sent)}, and was ${nameOf(known.sent)}`;
      if (known.view === undefined && view !== undefined) epoch.add(sequence, content);
      if (known.view === undefined || view === undefined || known.view === view) return undefined;
      return `${nameOf(sent)} at ${sequence} was delivered in view ${view} of its group, and in view ${known.view}`;
    }
    epoch.add(sequence, content);
    if (sequence > (this.#passed.get(sent.group) ?? 0)) return undefined;
    const passed = this.#stretches.get(sent.group)?.find((stretch) =>
      stretch !== by && stretch.after < sequence && sequence <= stretch.upTo &&
      (stretch.epoch.goesOnFrom(epoch) || epoch.goesOnFrom(stretch.epoch))
    );
    if (passed === undefined) return undefined;
    return `${nameOf(sent)} has sequence ${sequence}, and ${passed.who} has gone on to ${passed.upTo} without it`;
  }

  /** Somebody begins to have all messages of a group after a place. */
  open(who: string, group: string, epoch: SeenEpoch, after: number): Stretch {
    const stretch = { who, group, epoch, after, upTo: after };
    const stretches = this.#stretches.get(group);
    if (stretches === undefined) this.#stretches.set(group, [stretch]);
    else stretches.push(stretch);
    return stretch;
  }

  /** He has had all of them up to a place. Says which he has missed. */
  pass(stretch: Stretch, upTo: number): string | undefined {
    const missed = stretch.epoch.between(stretch.group, stretch.upTo, upTo);
    if (missed !== undefined) {
      const { sent } = stretch.epoch.contentAt(missed) as Content;
      return `${stretch.who} went from ${stretch.upTo} to ${upTo} and did not get ${nameOf(sent)} at ${missed}`;
    }
    stretch.upTo = upTo;
    if (upTo > (this.#passed.get(stretch.group) ?? 0)) this.#passed.set(stretch.group, upTo);
    return undefined;
  }
}

export function nameOf({ client, number, group }: Sent): string {
  return `message ${number} of ${client.label} to ${group}`;
}

/** Where a walk through an epoch and those that it goes on from begins. */
function startingAt(epoch: SeenEpoch): SeenEpoch | undefined {
  return epoch;
}
