/**
 * Placement puts things that need a card on cards with room for them: everything, where that is possible, with the fewest moves of what
 * runs already (HA-13, FS-3).
 *
 * 1. What runs and may stay, stays.
 * 2. All that has no place is tried together, without a move, then with one, with two, ...: a search that takes the best card first and
 *    goes back where that leads nowhere. What it finds has the fewest moves. It has a bounded amount of work.
 * 3. Where that fails, one after the other, the most important first: each by the cheapest chain of moves, then by stopping what is less
 *    important. So what is left out is what mattered least.
 *
 * It takes numbers and gives numbers; what they mean is the assignment's business.
 */
import { assert } from "../base/assert.ts";
import { placementSearchMax, placementWorkMax } from "../limits.ts";

export type Candidate = {
  /** The index of the card. */
  readonly card: number;
  readonly weight: number;
  /** The lowest tier first; within one, the card that is the least loaded, then the order given. */
  readonly tier: number;
};

export type Item = {
  /** Unique; decides between equals. */
  readonly id: string;
  /** Higher is placed first when not everything can be. */
  readonly priority: number;
  /** What a move of it costs: how many services it is. */
  readonly cost: number;
  readonly candidates: readonly Candidate[];
  /** Where it is and may stay, as an index of its candidates. */
  readonly home?: number;
  /** Whether it may be moved from there to make room. */
  readonly movable?: boolean;
  /** Where it is and remains when it finds no other place; its weight is counted there. */
  readonly fallback?: { readonly card: number; readonly weight: number };
  /** Whether others may be moved and stopped for it. */
  readonly pushes: boolean;
  /** At most one item with the same word is on a card. */
  readonly apart: readonly string[];
};

/** Of each item: the index of its candidate, `fallback`, or `none`. */
export type Place = number | "fallback" | "none";

type State = { readonly item: Item; readonly order: number; place: Place; isLocked: boolean };

/** `capacities`: of each card. The answer has a place for each item, in their order. */
export function place(items: readonly Item[], capacities: readonly number[]): Place[] {
  return new Placement(items, capacities, placementWorkMax).run();
}

/** The same without a move of what runs; undefined unless all that has no place finds one so. */
export function placeWithoutMoves(items: readonly Item[], capacities: readonly number[]): Place[] | undefined {
  return new Placement(items, capacities, placementWorkMax >> 4).tryWithoutMoves();
}

/** A move in a chain: an item goes to a candidate of its, and the one before it comes in its stead. */
type Link = {
  readonly state: State;
  readonly at: number;
  readonly cost: number;
  readonly before: Link | undefined;
  /** There is room for it: the chain ends here. */
  readonly isFit: boolean;
};

/** A chain that ends where these stop; the priority is that of the most important of them. */
type Stop = { readonly link: Link; readonly victims: readonly State[]; readonly priority: number };

/** The cheapest link first, among equals the first that came. */
class LinkQueue {
  readonly #byCost: { links: Link[]; next: number }[] = [];

  add(link: Link): void {
    const known = this.#byCost[link.cost];
    if (known === undefined) this.#byCost[link.cost] = { links: [link], next: 0 };
    else known.links.push(link);
  }

  next(): Link | undefined {
    for (const bucket of this.#byCost) if (bucket !== undefined && bucket.next < bucket.links.length) return bucket.links[bucket.next++];
    return undefined;
  }
}

class Placement {
  readonly #states: State[];
  readonly #capacities: readonly number[];
  readonly #loads: number[];
  /** The items on each card. */
  readonly #on: Set<State>[];
  readonly #workMax: number;
  #work = 0;
  #searched = 0;
  /** Likenesses of items that found no place since the last one was placed. */
  readonly #hopeless = new Set<string>();

  constructor(items: readonly Item[], capacities: readonly number[], workMax: number) {
    this.#capacities = capacities;
    this.#loads = capacities.map(() => 0);
    this.#on = capacities.map(() => new Set());
    this.#workMax = workMax;
    const byImportance = items.map((item, order) => ({ item, order })).sort((a, b) => compareImportance(a.item, b.item));
    this.#states = byImportance.map(({ item, order }) => ({ item, order, place: "none", isLocked: false }));
  }

  run(): Place[] {
    const { homeless, optional } = this.#settleDown();
    if (homeless.length > 0 && !this.#placeTogether(homeless)) this.#placeEach(homeless);
    this.#placeOptional(optional, homeless);
    return this.#places();
  }

  /** Wishes, and what finds room where they have left, until nothing changes: so that a second look would find nothing to do. */
  #placeOptional(optional: readonly State[], homeless: readonly State[]): void {
    for (let hasMoved = true; hasMoved;) {
      hasMoved = false;
      for (const state of optional) if (state.place === "fallback") hasMoved = this.#leaveFallback(state) || hasMoved;
      if (!hasMoved) return;
      this.#placeInTurn(homeless.filter(({ place }) => place === "none"));
      for (const state of homeless) if (state.place === "fallback") this.#leaveFallback(state);
    }
  }

  tryWithoutMoves(): Place[] | undefined {
    const { homeless, optional } = this.#settleDown();
    if (this.#isTooLittleRoom(homeless) || !this.#settle([...homeless].reverse(), 0)) return undefined;
    this.#unlock();
    this.#placeOptional(optional, homeless);
    return this.#places();
  }

  /** Puts what has a place there. `homeless`: what needs one; `optional`: what wishes for another one. */
  #settleDown(): { readonly homeless: readonly State[]; readonly optional: readonly State[] } {
    const homeless: State[] = [];
    const optional: State[] = [];
    for (const state of this.#states) {
      const { home, fallback, candidates, pushes } = state.item;
      if (home !== undefined) this.#put(state, home);
      else if (fallback !== undefined && (candidates.length === 0 || !pushes)) this.#put(state, "fallback");
      else if (candidates.length > 0) homeless.push(state);
      if (state.place === "fallback" && candidates.length > 0) optional.push(state);
    }
    return { homeless, optional };
  }

  #places(): Place[] {
    const places: Place[] = [];
    for (const { order, place } of this.#states) places[order] = place;
    return places;
  }

  #placeTogether(homeless: readonly State[]): boolean {
    if (this.#isTooLittleRoom(homeless)) return false;
    let budgetMax = 0;
    for (const { item, place } of this.#states) if (typeof place === "number" && item.movable === true) budgetMax += item.cost;
    this.#work = 0;
    for (let budget = 0; budget <= budgetMax; budget++) {
      if (this.#settle([...homeless].reverse(), budget)) {
        this.#unlock();
        return true;
      }
      if (this.#work >= this.#workMax || !homeless.some(({ item }) => item.pushes)) return false;
    }
    return false;
  }

  #unlock(): void {
    for (const state of this.#states) state.isLocked = false;
  }

  /** Places all of a list, its last one first, moving others for at most `budget`. Nothing is changed when it cannot. */
  #settle(list: readonly State[], budget: number): boolean {
    const state = list.at(-1);
    if (state === undefined) return true;
    const rest = list.slice(0, -1);
    for (const at of this.#inOrder(state)) {
      if (++this.#work >= this.#workMax) return false;
      const candidate = state.item.candidates[at] as Candidate;
      for (const ejected of this.#ejections(state, candidate, budget)) {
        const cost = costOf(ejected);
        const places = ejected.map(({ place }) => place);
        for (const other of ejected) this.#take(other);
        this.#put(state, at);
        state.isLocked = true;
        if (this.#settle([...rest, ...ejected], budget - cost)) return true;
        state.isLocked = false;
        this.#take(state);
        for (const [index, other] of ejected.entries()) this.#put(other, places[index] as Place);
        if (this.#work >= this.#workMax) return false;
      }
    }
    return false;
  }

  /** The ways to make room on a card: the smallest sets of items to move away, the cheapest first. One empty set when there is room. */
  #ejections({ item }: State, { card, weight }: Candidate, budget: number): readonly (readonly State[])[] {
    const missing = (this.#loads[card] as number) + weight - (this.#capacities[card] as number);
    const rivals = this.#rivals(item, card);
    if (missing <= 0 && rivals.length === 0) return [[]];
    if (!item.pushes || rivals.some((rival) => !isMovable(rival))) return [];
    const freed = rivals.reduce((sum, rival) => sum + weightOf(rival), 0);
    const others = [...this.#on[card] as Set<State>].filter((other) => isMovable(other) && !rivals.includes(other) && weightOf(other) > 0);
    this.#work += others.length;
    others.sort((a, b) => costOf([a]) - costOf([b]) || weightOf(a) - weightOf(b) || compareText(a.item.id, b.item.id));
    const found: State[][] = [];
    const choose = (from: number, chosen: readonly State[], still: number, left: number): void => {
      if (left < 0 || ++this.#work >= this.#workMax) return;
      if (still <= 0) {
        // Without any one of them there would be too little room: a set with a spare one is no smallest set.
        if (!chosen.some((other) => still + weightOf(other) <= 0)) found.push([...rivals, ...chosen]);
        return;
      }
      for (let at = from; at < others.length; at++) {
        const other = others[at] as State;
        choose(at + 1, [...chosen, other], still - weightOf(other), left - costOf([other]));
      }
    };
    choose(0, [], missing - freed, budget - costOf(rivals));
    return found.sort((a, b) => costOf(a) - costOf(b) || a.length - b.length);
  }

  /** What could stay where it is, stays until all that cannot has its place; what found none is tried again when the others have left. */
  #placeEach(homeless: readonly State[]): void {
    this.#work = this.#workMax >> 1;
    const leaving = homeless.filter(({ item }) => item.fallback !== undefined);
    for (const state of leaving) this.#put(state, "fallback");
    const left = this.#placeInTurn(homeless.filter(({ item }) => item.fallback === undefined));
    let hasLeft = false;
    for (const state of leaving) hasLeft = this.#leaveFallback(state) || hasLeft;
    if (hasLeft && left.length > 0) this.#placeInTurn(left);
  }

  #leaveFallback(state: State): boolean {
    this.#take(state);
    if (this.#placeOne(state) !== undefined) return true;
    this.#put(state, "fallback");
    return false;
  }

  /** Places one after the other, the most important first; those that found no place. */
  #placeInTurn(states: readonly State[]): State[] {
    const waiting = [...states];
    const left: State[] = [];
    for (let state = waiting.shift(); state !== undefined; state = waiting.shift()) {
      const stopped = this.#placeOne(state);
      if (stopped === undefined) left.push(state);
      if (stopped === undefined || stopped.length === 0) continue;
      waiting.push(...stopped);
      waiting.sort((a, b) => compareImportance(a.item, b.item));
    }
    return left;
  }

  /** Places one by a chain of moves, then by any moves that help, then by stopping what is less important; what was stopped, or undefined. */
  #placeOne(state: State): readonly State[] | undefined {
    const key = state.item.apart.length === 0 ? likenessOf(state.item) : undefined;
    if (key !== undefined && this.#hopeless.has(key)) return undefined;
    const hasRoom = leastWeightOf(state.item) <= this.#room();
    // Where all cards together have too little room, no moves help: something has to stop.
    if (!hasRoom && !this.#states.some((other) => isLesser(other, state.item))) return undefined;
    const { fit, stop } = this.#search(state);
    let stopped: readonly State[] = [];
    if (fit !== undefined) {
      this.#follow(fit);
    } else if (!hasRoom || !this.#placeByAnyMoves(state)) {
      if (stop === undefined) {
        if (key !== undefined) this.#hopeless.add(key);
        return undefined;
      }
      stopped = stop.victims;
      for (const victim of stopped) this.#take(victim);
      this.#follow(stop.link);
    }
    this.#hopeless.clear();
    return stopped;
  }

  #placeByAnyMoves(state: State): boolean {
    if (!state.item.pushes || this.#work >= this.#workMax) return false;
    if (!this.#settle([state], Infinity)) return false;
    this.#unlock();
    return true;
  }

  /** The cheapest chain of moves that ends with room, each of one item to the place of the next; where there is none, the least that could be stopped for it. */
  #search(state: State): { readonly fit: Link | undefined; readonly stop: Stop | undefined } {
    const queue = new LinkQueue();
    const seen = new Set<number>();
    const extended = new Set<State>([state]);
    let stop: Stop | undefined;
    const extend = (mover: State, cost: number, before: Link | undefined) => {
      const { candidates, apart } = mover.item;
      this.#searched += candidates.length;
      let best = -1;
      for (const [at, candidate] of candidates.entries()) {
        // A chain that comes back to a card would count on room that it has used.
        if (isInChain(before, (link) => cardOf(link) === candidate.card)) continue;
        if (this.#missing(candidate) > 0 || this.#rivals(mover.item, candidate.card).length > 0) {
          if (apart.length > 0 || !seen.has(candidate.card)) queue.add({ state: mover, at, cost, before, isFit: false });
        } else if (best === -1 || this.#isBefore(candidate, candidates[best] as Candidate)) best = at;
      }
      if (best !== -1) queue.add({ state: mover, at: best, cost, before, isFit: true });
    };
    extend(state, 0, undefined);
    for (let link = queue.next(); link !== undefined; link = queue.next()) {
      if (link.isFit) return { fit: link, stop: undefined };
      const { card, weight } = link.state.item.candidates[link.at] as Candidate;
      if (!state.item.pushes || (seen.has(card) && link.state.item.apart.length === 0) || this.#searched > placementSearchMax) continue;
      seen.add(card);
      const missing = this.#missing({ card, weight });
      const rivals = this.#rivals(link.state.item, card);
      stop = lesserOf(stop, this.#stopAt(link, state, missing, rivals));
      for (const other of this.#on[card] as Set<State>) {
        if (!isMovable(other) || weightOf(other) < missing || rivals.some((rival) => rival !== other) || extended.has(other)) continue;
        extended.add(other);
        extend(other, link.cost + costOf([other]), link);
      }
    }
    return { fit: undefined, stop };
  }

  /** What of a card's less important items would have to stop for a chain to end there. */
  #stopAt(link: Link, { item }: State, missing: number, rivals: readonly State[]): Stop | undefined {
    if (!rivals.every((rival) => isLesser(rival, item))) return undefined;
    const others = [...this.#on[cardOf(link)] as Set<State>].filter((other) =>
      isLesser(other, item) && !isInChain(link, (one) => one.state === other)
    );
    others.sort((a, b) =>
      Number(rivals.includes(b)) - Number(rivals.includes(a)) || a.item.priority - b.item.priority || weightOf(b) - weightOf(a)
    );
    let victims: State[] = [];
    let freed = 0;
    for (const other of others) {
      if (freed >= missing && !rivals.includes(other)) break;
      victims.push(other);
      freed += weightOf(other);
    }
    if (freed < missing) return undefined;
    for (const victim of [...victims].sort((a, b) => b.item.priority - a.item.priority)) {
      if (rivals.includes(victim) || freed - weightOf(victim) < missing) continue;
      freed -= weightOf(victim);
      victims = victims.filter((other) => other !== victim);
    }
    return { link, victims, priority: Math.max(...victims.map((victim) => victim.item.priority)) };
  }

  #isTooLittleRoom(homeless: readonly State[]): boolean {
    return homeless.reduce((sum, { item }) => sum + leastWeightOf(item), 0) > this.#room();
  }

  /** What is free on all cards together. */
  #room(): number {
    let room = 0;
    for (const [card, capacity] of this.#capacities.entries()) room += Math.max(0, capacity - (this.#loads[card] as number));
    return room;
  }

  #missing({ card, weight }: Pick<Candidate, "card" | "weight">): number {
    return (this.#loads[card] as number) + weight - (this.#capacities[card] as number);
  }

  #isBefore(a: Candidate, b: Candidate): boolean {
    return a.tier < b.tier || (a.tier === b.tier && this.#loadWith(a) < this.#loadWith(b));
  }

  #loadWith({ card, weight }: Candidate): number {
    const capacity = this.#capacities[card] as number;
    return capacity === 0 ? Infinity : ((this.#loads[card] as number) + weight) / capacity;
  }

  #follow(last: Link): void {
    for (let link: Link | undefined = last; link !== undefined; link = link.before) {
      if (link.state.place !== "none") this.#take(link.state);
      this.#put(link.state, link.at);
    }
  }

  /** The candidates of an item, the best first: one after the other, for mostly the first one will do. */
  *#inOrder({ item }: State): Generator<number> {
    const { candidates } = item;
    const given = candidates.map(() => false);
    for (let count = 0; count < candidates.length; count++) {
      let best = -1;
      for (let at = 0; at < candidates.length; at++) {
        if (given[at] === true) continue;
        if (best === -1 || this.#isBefore(candidates[at] as Candidate, candidates[best] as Candidate)) best = at;
      }
      this.#work += (candidates.length >> 2) + 1;
      given[best] = true;
      yield best;
    }
  }

  /** The items on a card that must not be there together with this one. */
  #rivals(item: Item, card: number): State[] {
    if (item.apart.length === 0) return [];
    return [...this.#on[card] as Set<State>].filter((other) =>
      other.item !== item && other.item.apart.some((word) => item.apart.includes(word))
    );
  }

  #put(state: State, place: Place): void {
    state.place = place;
    const at = spotOf(state);
    if (at === undefined) return;
    this.#loads[at.card] = (this.#loads[at.card] as number) + at.weight;
    (this.#on[at.card] as Set<State>).add(state);
  }

  #take(state: State): void {
    const at = spotOf(state);
    assert(at !== undefined, `${state.item.id} has no place to leave`);
    this.#loads[at.card] = (this.#loads[at.card] as number) - at.weight;
    (this.#on[at.card] as Set<State>).delete(state);
    state.place = "none";
  }
}

function spotOf({ item, place }: State): { readonly card: number; readonly weight: number } | undefined {
  if (place === "none") return undefined;
  return place === "fallback" ? item.fallback : item.candidates[place];
}

function weightOf(state: State): number {
  return spotOf(state)?.weight ?? 0;
}

/** Whether it may be moved now: not what was put somewhere by the search that goes on, and of what runs only what may. */
function isMovable({ item, place, isLocked }: State): boolean {
  return !isLocked && typeof place === "number" && (item.home === undefined || item.movable === true);
}

/** What it costs to move these: what runs, and is still where it ran. */
function costOf(states: readonly State[]): number {
  let cost = 0;
  for (const { item, place } of states) if (item.home !== undefined && place === item.home) cost += item.cost;
  return cost;
}

function isInChain(link: Link | undefined, test: (link: Link) => boolean): boolean {
  for (let at = link; at !== undefined; at = at.before) if (test(at)) return true;
  return false;
}

function leastWeightOf({ candidates }: Item): number {
  let least = Infinity;
  for (const { weight } of candidates) least = Math.min(least, weight);
  return least;
}

/** Whether something may be stopped for an item. */
function isLesser(other: State, item: Item): boolean {
  return other.item.priority < item.priority && typeof other.place === "number" && other.item.movable !== false;
}

function cardOf({ state, at }: Link): number {
  return (state.item.candidates[at] as Candidate).card;
}

/** Of two ways to stop something, the one whose most important victim matters less; then the one with fewer, then the shorter chain. */
function lesserOf(a: Stop | undefined, b: Stop | undefined): Stop | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const difference = a.priority - b.priority || a.victims.length - b.victims.length || a.link.cost - b.link.cost;
  return difference <= 0 ? a : b;
}

/** Items of one likeness find a place, or none, alike. */
function likenessOf({ priority, candidates, pushes }: Item): string {
  return `${priority} ${pushes} ${candidates.map(({ card, weight }) => `${card}:${weight}`).join()}`;
}

/** The more important, then the larger, then by name. */
function compareImportance(a: Item, b: Item): number {
  return b.priority - a.priority || weightAtLeast(b) - weightAtLeast(a) || compareText(a.id, b.id);
}

function weightAtLeast({ candidates, fallback }: Item): number {
  return candidates[0]?.weight ?? fallback?.weight ?? 0;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
