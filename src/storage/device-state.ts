/**
 * What is agreed on about one device, and how it changes: claims, who is in sync, generations, what is kept. Pure: a function of entries and views (PB-2, PB-5, PB-12, HA-12).
 *
 *     unsure ─ enough notes, all legs seen, or an operator's word ─► sure ─ claim ─► claimed ─ its legs are free ─► served
 *                                                                      ▲                                             │
 *                                                                      └────── released, or proven down ─────────────┘
 *
 * Invariants: terms and revisions only grow; the set never empties; only a leg of the set is served; a claim ends all that older terms ask for.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import type { DeviceId, LegId } from "./blocks.ts";
import { firstChain, type Generation, leaveOut, startOver, takeIn } from "./generation.ts";
import { type DeviceMemory, isLaterMemory, type LegState } from "./leg-state.ts";
import { candidates, free, type Holder, isFreeFor, isGone, isUp, type LegAgreed, newLeg, onView, selectHosts } from "./primary-backup.ts";
import type { DefinitionPlace, DeviceDefinition, StorageEntry, StorageOrder } from "./storage-types.ts";

export type Claim = Holder & { readonly leg: LegId; readonly term: number; readonly generation: Generation };

export type DeviceAgreed = {
  readonly device: DeviceId;
  place: DefinitionPlace;
  definition: DeviceDefinition;
  /** Undefined while nobody knows anything of it. */
  memory: DeviceMemory | undefined;
  /** The revision of the last change that must be kept before anything is acknowledged that rests on it. */
  keepRevision: number;
  /** Whether the memory is that of the last acknowledged write. */
  sure: boolean;
  /** Whether it was served since all began. */
  wasServed: boolean;
  claim: Claim | undefined;
  primary: (Holder & { readonly leg: LegId; readonly term: number }) | undefined;
  readonly legs: Map<LegId, LegAgreed>;
  /** An operator has said that this leg is the device, whatever its superblock says. */
  forced: LegId | undefined;
  /** The revision that each card has kept. */
  readonly kept: Map<CardId, number>;
  /** Cards that cannot keep their notes. */
  readonly unkept: Set<CardId>;
};

/** `areNotesWhole`: the notes that all began with are those of more than half of the electorate. */
export function newDevice(
  device: DeviceId,
  place: DefinitionPlace,
  definition: DeviceDefinition,
  memory: DeviceMemory | undefined,
  areNotesWhole: boolean,
): DeviceAgreed {
  return {
    device,
    place,
    definition,
    memory,
    keepRevision: 0,
    sure: definition.kind === "imaging" || (areNotesWhole && memory !== undefined),
    wasServed: false,
    claim: undefined,
    primary: undefined,
    forced: undefined,
    legs: new Map(definition.legs.map(({ leg }) => [leg, newLeg()])),
    kept: new Map(),
    unkept: new Set(),
  };
}

/** The definition has changed: legs come and go. One that is held stays until it is released. */
export function redefine(agreed: DeviceAgreed, place: DefinitionPlace, definition: DeviceDefinition): void {
  agreed.place = place;
  agreed.definition = definition;
  const names = new Set(definition.legs.map(({ leg }) => leg));
  for (const name of names) if (!agreed.legs.has(name)) agreed.legs.set(name, newLeg());
  if (agreed.memory !== undefined) {
    agreed.memory = { ...agreed.memory, since: new Map([...agreed.memory.since].filter(([leg]) => names.has(leg))) };
  }
  for (const [name, leg] of agreed.legs) {
    for (const card of [...leg.members.keys()]) if (!isListed(agreed, name, card)) leg.members.delete(card);
    if (!names.has(name) && leg.holder === undefined) agreed.legs.delete(name);
  }
}

function isListed({ definition }: DeviceAgreed, leg: LegId, card: CardId): boolean {
  return definition.legs.find((each) => each.leg === leg)?.paths.has(card) === true;
}

/** A card has come anew, and has these legs open from before; it says so before it knows who is to. */
export function onHolds(agreed: DeviceAgreed, view: NodeView, card: CardId, holds: readonly LegId[]): void {
  for (const [name, leg] of agreed.legs) {
    if (holds.includes(name) && leg.holder?.card !== card) leg.mayHold.add(card);
    else leg.mayHold.delete(card);
  }
  settle(agreed, view);
}

export type DeviceEntry = Exclude<StorageEntry, { readonly kind: "announce" | "state" | "define" | "operate" }>;

/** An entry of a card of the view. What fits no more, because something overtook it, changes nothing. */
export function applyEntry(agreed: DeviceAgreed, view: NodeView, from: Holder, entry: DeviceEntry): void {
  const { primary, memory } = agreed;
  const isFromPrimary = primary?.card === from.card && primary.incarnation === from.incarnation && "term" in entry &&
    entry.term === primary.term && memory !== undefined;
  switch (entry.kind) {
    case "access":
      onAccess(agreed, from, entry);
      break;
    case "claim":
      if (entry.term > (agreed.claim?.term ?? 0)) {
        const { leg, term, generation } = entry;
        agreed.claim = { ...from, leg, term, generation };
      }
      break;
    case "ready": {
      const leg = agreed.legs.get(entry.leg);
      if (leg?.holder?.card === from.card && entry.term === memory?.term) {
        leg.ready = { card: from.card, term: entry.term, state: entry.state };
      }
      break;
    }
    case "out":
      if (isFromPrimary) goOut(agreed, entry.legs, entry.generation);
      break;
    case "in":
      if (isFromPrimary && agreed.legs.get(entry.leg)?.ready?.term === entry.term && !memory.inSync.includes(entry.leg)) {
        remember(agreed, { ...memory, ...takeIn(memory, entry.leg), inSync: [...memory.inSync, entry.leg] });
      }
      break;
    case "full": {
      const leg = agreed.legs.get(entry.leg);
      if (isFromPrimary && leg !== undefined && !memory.inSync.includes(entry.leg)) {
        remember(agreed, { ...memory, ...startOver(memory, entry.leg, entry.generation) });
        leg.ready = undefined;
        leg.resolved = false;
      }
      break;
    }
    case "kept":
      if (entry.failed) agreed.unkept.add(from.card);
      else {
        agreed.unkept.delete(from.card);
        agreed.kept.set(from.card, Math.max(entry.revision, agreed.kept.get(from.card) ?? 0));
      }
      break;
    case "released": {
      const leg = agreed.legs.get(entry.leg);
      leg?.mayHold.delete(from.card);
      if (leg?.holder?.card === from.card) free(leg);
      if (primary?.card === from.card && primary.leg === entry.leg) agreed.primary = undefined;
      break;
    }
    case "data": {
      const leg = agreed.legs.get(entry.leg);
      if (leg?.holder?.card === from.card) leg.data = entry.text;
      break;
    }
  }
  settle(agreed, view);
}

function onAccess(agreed: DeviceAgreed, { card, incarnation }: Holder, { leg: name, seen, why }: Extract<DeviceEntry, { kind: "access" }>) {
  const leg = agreed.legs.get(name);
  if (leg === undefined || !isListed(agreed, name, card)) return;
  leg.members.delete(card);
  leg.barred.delete(card);
  if (seen === undefined) leg.barred.set(card, why);
  else leg.members.set(card, { incarnation, seen });
  const state = seen?.foreign === false ? seen.state : undefined;
  if (state === undefined || agreed.wasServed || !isLaterMemory(state, agreed.memory)) return;
  const { term, revision, inSync, current, since, history } = state;
  agreed.memory = { term, revision, inSync, current, since, history };
}

export function applyView(agreed: DeviceAgreed, view: NodeView): void {
  for (const leg of agreed.legs.values()) onView(leg, view);
  if (agreed.primary !== undefined && isGone(view, agreed.primary)) agreed.primary = undefined;
  settle(agreed, view);
}

/** Whether an operator's order has an effect now; what it is. */
export function applyOrder(agreed: DeviceAgreed, view: NodeView, order: StorageOrder, generation: Generation): void {
  const { memory } = agreed;
  switch (order.verb) {
    case "assume":
      agreed.sure = true;
      break;
    case "resolve": {
      const leg = agreed.legs.get(order.leg);
      if (leg !== undefined && memory?.inSync.includes(order.leg) !== true) leg.resolved = true;
      break;
    }
    case "force": {
      const state = lastStateOf(agreed.legs.get(order.leg));
      if (state === undefined || agreed.primary !== undefined) break;
      const { term, revision } = memory ?? state;
      const chain = leaveOut(state, [], generation);
      agreed.memory = { ...chain, since: new Map(), term, revision, inSync: [] };
      remember(agreed, { ...agreed.memory, inSync: [order.leg] }, true);
      agreed.sure = true;
      agreed.forced = order.leg;
    }
  }
  settle(agreed, view);
}

/** What the leg's superblock said last. */
export function lastStateOf(leg: LegAgreed | undefined): LegState | undefined {
  return leg?.ready?.state ?? [...leg?.members.values() ?? []].find(({ seen }) => seen.state !== undefined)?.seen.state;
}

function remember(agreed: DeviceAgreed, memory: DeviceMemory, mustBeKept = false): void {
  const { term, inSync, current, since, history } = memory;
  const revision = memory.revision + 1;
  agreed.memory = { term, revision, inSync: [...inSync].sort(), current, since, history };
  if (mustBeKept) agreed.keepRevision = revision;
}

function goOut(agreed: DeviceAgreed, legs: readonly LegId[], generation: Generation): void {
  const { memory } = agreed;
  const going = legs.filter((leg) => memory?.inSync.includes(leg));
  if (memory === undefined || going.length === 0 || going.length === memory.inSync.length) return;
  const inSync = memory.inSync.filter((leg) => !going.includes(leg));
  remember(agreed, { ...memory, ...leaveOut(memory, going, generation), inSync }, true);
  // Where it is open its host notes that it is to be synchronized, and is ready anew.
  for (const leg of going) (agreed.legs.get(leg) ?? newLeg()).ready = undefined;
}

/** What follows by itself: whether it is known who is right, whether a claim is fulfilled, who hosts. */
function settle(agreed: DeviceAgreed, view: NodeView): void {
  const all = [...agreed.legs.values()];
  const isSeen = all.every((leg) => leg.members.size > 0);
  if (isSeen && (agreed.memory !== undefined || all.every(isBlank))) agreed.sure = true;
  if (agreed.claim !== undefined && isGone(view, agreed.claim)) agreed.claim = undefined;
  // Who is to serve names its leg's host before the leg is free: that is how the present host learns that it is to let go.
  if (agreed.claim !== undefined && whyNot(agreed, view, agreed.claim) === undefined) {
    selectHosts(agreed.legs, view, agreed.claim);
    if (isFree(agreed, agreed.claim)) fulfil(agreed, view, agreed.claim);
  } else agreed.claim = undefined;
  selectHosts(agreed.legs, view, agreed.claim ?? agreed.primary);
}

function isBlank(leg: LegAgreed): boolean {
  return [...leg.members.values()].every(({ seen }) => seen.state === undefined && !seen.foreign);
}

/** What speaks against serving the device from this leg on this card, for good. */
export function whyNot(
  agreed: DeviceAgreed,
  view: NodeView,
  { card, leg: name, term }: Pick<Claim, "card" | "leg" | "term">,
): string | undefined {
  const { memory, definition } = agreed;
  const leg = agreed.legs.get(name);
  if (leg === undefined || !isListed(agreed, name, card)) return `card ${card} is not in the subgroup ${name}`;
  if (!candidates(leg, view).includes(card)) return `card ${card} does not reach ${name}: ${leg.barred.get(card) ?? "it has not looked"}`;
  if (!agreed.sure) return `it is not known which leg is right: not all legs were seen since the start`;
  if (memory !== undefined && term <= memory.term) return `term ${term} is over: the device is in ${memory.term}`;
  if (definition.kind === "imaging") return undefined;
  if (memory !== undefined && !memory.inSync.includes(name)) return `${name} is not in sync: ${memory.inSync.join(", ")} is`;
  return undefined;
}

/** Nobody else serves the device, and nobody else has the leg open. */
function isFree({ legs, primary }: DeviceAgreed, claim: Claim): boolean {
  const leg = legs.get(claim.leg);
  if (leg === undefined || !isFreeFor(leg, claim)) return false;
  return primary === undefined || (primary.card === claim.card && primary.incarnation === claim.incarnation);
}

function fulfil(agreed: DeviceAgreed, view: NodeView, { card, incarnation, leg: name, term, generation }: Claim): void {
  agreed.claim = undefined;
  agreed.primary = { card, incarnation, leg: name, term };
  agreed.wasServed = true;
  if (agreed.forced !== name) agreed.forced = undefined;
  for (const leg of agreed.legs.values()) leg.ready = undefined;
  const others = agreed.definition.legs.map(({ leg }) => leg).filter((leg) => leg !== name);
  if (agreed.memory === undefined) {
    remember(agreed, { ...firstChain(generation, others), term, revision: 0, inSync: [name] }, true);
    return;
  }
  agreed.memory = { ...agreed.memory, term };
  const isReached = (leg: LegId) => {
    const known = agreed.legs.get(leg);
    return known !== undefined && (known.holder === undefined ? candidates(known, view).length > 0 : isUp(view, known.holder));
  };
  const gone = agreed.memory.inSync.filter((leg) => leg !== name && !isReached(leg));
  if (gone.length > 0) goOut(agreed, gone, generation);
  // What all began with may have been in one note alone.
  else remember(agreed, agreed.memory, true);
}

/** Whether every card that orders messages has kept what must be kept, or has said that it cannot. */
export function isKept({ kept, unkept, keepRevision }: DeviceAgreed, view: NodeView, own: CardId): boolean {
  return view.ether.every((card) => (kept.get(card) ?? 0) >= keepRevision || (card !== own && unkept.has(card)));
}
