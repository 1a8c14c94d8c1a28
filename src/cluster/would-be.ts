/**
 * The view that should be, as one card sees it: a function of the tick matrix, of who may take part, and of what the card knows
 * for the quorum (PROTOCOLS.md, Membership 2). Cards that see the same and were in the same view conclude the same.
 */
import type { CardId } from "../base/ids.ts";
import { largestClique } from "./clique.ts";
import { isHalf, type Quorum, type QuorumFacts, quorumOf, tieBreakOf } from "./quorum.ts";
import type { NodeView } from "./view.ts";
import type { ViewDraft } from "./view-words.ts";

/** Lowest card first; the first of `members` is its coordinator. `ether` is empty where no quorum confirms each other on Ethernet. */
export type WouldBe = { readonly members: readonly CardId[]; readonly ether: readonly CardId[]; readonly quorum: Quorum };

export type Survey = {
  /** The cards that may take part, lowest first. */
  readonly cards: readonly CardId[];
  /** Until when two cards count as confirming each other, on any link or on Ethernet; in the past when they do not. */
  readonly countsUntil: (kind: "any" | "ether", a: CardId, b: CardId) => number;
  /** The members of the present view, and those of them that order messages: no change without need. */
  readonly present: { readonly members: ReadonlySet<CardId>; readonly ether: ReadonlySet<CardId> };
  readonly facts: QuorumFacts;
};

/** Gives what should be at `now`, and until when that stands if nothing is heard. */
export function surveyOf(now: number, { cards, countsUntil, present, facts }: Survey): { readonly would: WouldBe; readonly until: number } {
  let until = Infinity;
  const isLinked = (kind: "any" | "ether") => (a: CardId, b: CardId) => {
    const at = countsUntil(kind, a, b);
    if (at > now && at < until) until = at;
    return at > now;
  };
  let members = largestClique(cards, isLinked("any"), present.members);
  let quorum = quorumOf(members, facts);
  const tieBreak = tieBreakOf(facts);
  if (!quorum.held && tieBreak !== undefined && cards.includes(tieBreak) && isHalf(members, facts.electorate)) {
    // Of two halves that are linked in part, the one that may go on.
    const other = largestClique(cards, isLinked("any"), new Set([tieBreak]));
    const otherQuorum = quorumOf(other, facts);
    if (other.length === members.length && otherQuorum.held) [members, quorum] = [other, otherQuorum];
  }
  const ether = largestClique(members, isLinked("ether"), present.ether);
  return { would: { members, ether: quorumOf(ether, facts).held ? ether : [], quorum }, until };
}

/** Whether a set of cards is what should be, in their present incarnations. */
export function isDraftOf(would: WouldBe, { members, incarnations, ether }: ViewDraft, incarnationOf: (card: CardId) => number): boolean {
  return isSame(members, would.members) && isSame(ether, would.ether) &&
    members.every((card, index) => incarnations[index] === incarnationOf(card));
}

/** Why a view does not hold any more: a member is lost, one is in a later view, or one no longer confirms one of `others`. */
export type Flaw = { readonly card: CardId; readonly isLater: boolean; readonly others: readonly CardId[] };

/** Gives what is wrong with a view, and until when it is right if nothing is heard. */
export function flawOf(
  now: number,
  { members }: NodeView,
  { isLost, behindAt, countsUntil }: {
    readonly isLost: (card: CardId) => boolean;
    /** When a member has been in a later view for too long. */
    readonly behindAt: (card: CardId) => number;
    readonly countsUntil: (a: CardId, b: CardId) => number;
  },
): { readonly flaw: Flaw | undefined; readonly until: number } {
  const lost = members.find(({ card }) => isLost(card));
  if (lost !== undefined) return { flaw: { card: lost.card, isLater: false, others: [] }, until: now };
  let until = Infinity;
  for (const [index, { card }] of members.entries()) {
    if (behindAt(card) <= now) return { flaw: { card, isLater: true, others: [] }, until: now };
    until = Math.min(until, behindAt(card));
    for (const { card: other } of members.slice(0, index)) {
      const at = countsUntil(card, other);
      if (at <= now) return { flaw: { card, isLater: false, others: [other] }, until: now };
      until = Math.min(until, at);
    }
  }
  return { flaw: undefined, until };
}

export function isSame(one: readonly CardId[], other: readonly CardId[]): boolean {
  return one.length === other.length && one.every((card, index) => card === other[index]);
}

/**
 * Whether a would-be view takes cards in (or in on Ethernet), and others could still come: some that may vote are neither in it
 * nor in `notAwaited`, or are in it without Ethernet. `stay` are those of it that were in before.
 */
export function isGrowing(
  { members, ether }: WouldBe,
  stay: { readonly members: readonly CardId[]; readonly ether: readonly CardId[] },
  notAwaited: readonly CardId[],
  electorate: readonly CardId[],
): boolean {
  const isComplete = ether.length === members.length && electorate.every((card) => members.includes(card) || notAwaited.includes(card));
  return !isComplete && (stay.members.length < members.length || stay.ether.length < ether.length);
}

/** The larger set, or of equally large ones the lower one: of two coordinators that see different things one gives way. */
export function isBetter(one: readonly CardId[], other: readonly CardId[]): boolean {
  if (one.length !== other.length) return one.length > other.length;
  const index = one.findIndex((card, at) => card !== other[at]);
  return index >= 0 && (one[index] ?? 0) < (other[index] ?? 0);
}
