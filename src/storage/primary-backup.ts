/**
 * Primary and backup subgroups: which cards are in the subgroup of each leg, who hosts it, and who may have it open (PB-1 to PB-4, PB-8, PB-11, PB-12). Pure: parts of
 * what is agreed on.
 *
 *     free ── a card is to host it ──► held ── it says `released`, or is proven down ──► free
 *
 * Invariant: a leg passes from one holder to another one only over free. An unknown card holds what it has.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import type { LegId } from "./blocks.ts";
import type { LegState } from "./leg-state.ts";
import type { LegSeen } from "./storage-types.ts";

/** One run of a card. */
export type Holder = { readonly card: CardId; readonly incarnation: number };

export type LegAgreed = {
  /** The members of the subgroup: cards that reach the leg, with what they saw. */
  readonly members: Map<CardId, { readonly incarnation: number; readonly seen: LegSeen }>;
  /** Cards of the subgroup that looked and do not reach it, and why. */
  readonly barred: Map<CardId, string>;
  /** Who is to host it. */
  host: CardId | undefined;
  /** Who has it open, or may have. */
  holder: Holder | undefined;
  /** Cards that may have it open from before all began. */
  readonly mayHold: Set<CardId>;
  /** The host has noted the term, and the leg's state was this then. */
  ready: { readonly card: CardId; readonly term: number; readonly state: LegState } | undefined;
  /** An operator has said that what it has counts for nothing. */
  resolved: boolean;
  /** The resource's configuration data, in base64. */
  data: string | undefined;
};

export function newLeg(): LegAgreed {
  return {
    members: new Map(),
    barred: new Map(),
    mayHold: new Set(),
    host: undefined,
    holder: undefined,
    ready: undefined,
    resolved: false,
    data: undefined,
  };
}

export function isUp(view: NodeView, { card, incarnation }: Holder): boolean {
  return view.members.some((member) => member.card === card && member.incarnation === incarnation);
}

/** Whether this run of the card is proven to have ended. */
export function isGone(view: NodeView, { card, incarnation }: Holder): boolean {
  const member = view.members.find((each) => each.card === card);
  if (member !== undefined) return member.incarnation !== incarnation;
  return view.absent.some((absent) => absent.card === card && absent.state === "down");
}

/** What a view says of members and holders. */
export function onView(leg: LegAgreed, view: NodeView): void {
  for (const [card, { incarnation }] of leg.members) if (isGone(view, { card, incarnation })) leg.members.delete(card);
  for (const card of leg.barred.keys()) if (!view.members.some((member) => member.card === card)) leg.barred.delete(card);
  for (const { card, state } of view.absent) if (state === "down") leg.mayHold.delete(card);
  if (leg.holder !== undefined && isGone(view, leg.holder)) free(leg);
}

/** Whether nobody but this card has it open or may have. */
export function isFreeFor(leg: LegAgreed, { card, incarnation }: Holder): boolean {
  const { holder, mayHold } = leg;
  if (holder !== undefined && (holder.card !== card || holder.incarnation !== incarnation)) return false;
  return [...mayHold].every((other) => other === card);
}

export function free(leg: LegAgreed): void {
  leg.holder = undefined;
  leg.ready = undefined;
}

/** The members that are up, lowest first. */
export function candidates(leg: LegAgreed, view: NodeView): CardId[] {
  return [...leg.members].filter(([card, { incarnation, seen }]) => !seen.foreign && isUp(view, { card, incarnation })).map(([card]) =>
    card
  )
    .sort((a, b) => a - b);
}

/**
 * Names the host of each leg and makes it the holder where nobody else may have it open. `primary`: who serves the device, or is to, with which leg; without one nobody
 * new begins to host.
 */
export function selectHosts(
  legs: ReadonlyMap<LegId, LegAgreed>,
  view: NodeView,
  primary: { readonly card: CardId; readonly leg: LegId } | undefined,
): void {
  const busy = new Set<CardId>(primary === undefined ? [] : [primary.card]);
  for (const [name, leg] of [...legs].sort(([a], [b]) => a < b ? -1 : 1)) {
    leg.host = name === primary?.leg ? primary.card : backupHost(leg, view, busy, primary !== undefined);
    if (leg.host !== undefined) busy.add(leg.host);
    if (leg.holder !== undefined || leg.host === undefined) continue;
    const member = view.members.find(({ card }) => card === leg.host);
    if (member === undefined || !isFreeFor(leg, member)) continue;
    leg.holder = { card: member.card, incarnation: member.incarnation };
    leg.mayHold.clear();
  }
}

function backupHost(leg: LegAgreed, view: NodeView, busy: ReadonlySet<CardId>, isServed: boolean): CardId | undefined {
  const able = candidates(leg, view);
  const { holder } = leg;
  // An unknown card has it until it is proven down.
  if (holder !== undefined && (able.includes(holder.card) || !isUp(view, holder))) return holder.card;
  if (!isServed) return undefined;
  return able.find((card) => !busy.has(card)) ?? able[0];
}
