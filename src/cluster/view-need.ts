/**
 * Whether the view that a card holds will do, when another one is in sight: whether a new one is due, whether it can wait, and whether
 * the witness's lease is needed for either (PROTOCOLS.md, Membership 2 and 3).
 */
import type { CardId } from "../base/ids.ts";
import { isHalf, type QuorumFacts, quorumOf } from "./quorum.ts";
import type { AbsentCard, NodeView } from "./view.ts";
import { draftOf } from "./view-words.ts";
import { isDraftOf, isGrowing, isSame, type WouldBe } from "./would-be.ts";

/** Where one card stands. */
export type Standing = {
  readonly card: CardId;
  /** The last view that it took over, and whether it still holds. */
  readonly view: NodeView | undefined;
  readonly isHeld: boolean;
  /** A member has asked for a new one. */
  readonly isWanted: boolean;
  readonly would: WouldBe;
  readonly electorate: readonly CardId[];
  /** Whether a card is in that view, in the incarnation that is heard. */
  readonly isMember: (card: CardId) => boolean;
  readonly incarnationOf: (card: CardId) => number;
};

function absentFrom(members: readonly CardId[], electorate: readonly CardId[]): CardId[] {
  return electorate.filter((card) => !members.includes(card));
}

/**
 * Whether this card, with those of its view that it hears on Ethernet, may go on without another one. Of two cards either may: the multiplexor
 * lets one of them stop the other. That a view is being agreed on anew, by a quorum in sight, changes nothing: it may be waiting for the very card.
 */
export function mayGoOnWithout(
  lost: CardId,
  { card, view, isHeld, would, electorate }: Standing,
  facts: QuorumFacts,
  isHeard: (other: CardId) => boolean,
): boolean {
  if (view === undefined || !(isHeld || would.quorum.held)) return false;
  const others = view.ether.filter((other) => other !== lost && (other === card || isHeard(other)));
  return others.includes(card) && (electorate.length === 2 || quorumOf(others, facts).held);
}

/**
 * Why the others of a view would be no quorum if a card of it failed now, in words; undefined when they would be one. `isFenceable`: its end would be
 * proven. Of a witness it is believed that it gives its lease.
 */
export function lackWithout(lost: CardId, view: NodeView, facts: QuorumFacts, isFenceable: boolean): string | undefined {
  const left = view.ether.filter((card) => card !== lost);
  const witness = facts.witness === "none" ? "none" : "trusted";
  const proofOf: QuorumFacts["proofOf"] = (card) => card === lost ? { receipt: "reset", at: Infinity } : facts.proofOf(card);
  const { held, text } = quorumOf(left, { ...facts, witness, ...(isFenceable ? { proofOf } : {}) });
  return held ? undefined : text;
}

/** `isNews`: whether more is proven about an absent card than the view says. */
export function isViewDue(
  { view, isHeld, isWanted, would, electorate, incarnationOf }: Standing,
  isNews: (absent: AbsentCard) => boolean,
): boolean {
  if (view === undefined || !isHeld || isWanted || !isDraftOf(would, draftOf(view), incarnationOf)) return true;
  return !isSame(view.absent.map(({ card }) => card), absentFrom(would.members, electorate)) || view.absent.some(isNews);
}

/** Whether a view is made only to take cards in, while others that are not `notAwaited` could come too. */
export function canWaitForMore(
  { view, isHeld, isWanted, would, electorate, isMember }: Standing,
  facts: QuorumFacts,
  notAwaited: readonly CardId[],
): boolean {
  const stay = {
    members: would.members.filter(isMember),
    ether: would.ether.filter((card) => isMember(card) && view?.ether.includes(card) === true),
  };
  const isNeeded = view !== undefined && quorumOf(stay.members, facts).held &&
    (!isHeld || isWanted || stay.members.length < view.members.length || stay.ether.length < view.ether.length);
  return !isNeeded && isGrowing(would, stay, notAwaited, electorate);
}

/**
 * What speaks against a view of exactly half without a witness, in words: the tie-break card does not decide against a card that lives
 * and refuses. It may have reason to go on itself, by a receipt that lies, or by another configuration.
 */
export function objectionTo(
  { members, quorum }: WouldBe,
  electorate: readonly CardId[],
  isAgainst: (card: CardId) => boolean,
): string | undefined {
  if (!quorum.held || !isHalf(members, electorate)) return undefined;
  const against = absentFrom(members, electorate).find(isAgainst);
  if (against === undefined) return undefined;
  return `${members.length} of ${electorate.length} cards, and card ${against} lives and does not agree: no quorum`;
}

/** A view that leans on the lease keeps it, whatever better one is in sight. */
export function isLeaseWanted({ card, view, isHeld, would, electorate }: Standing): boolean {
  const isOurHalf = (cards: readonly CardId[]) => cards[0] === card && isHalf(cards, electorate);
  if (view !== undefined && isHeld && (isOurHalf(view.members.map((member) => member.card)) || isOurHalf(view.ether))) return true;
  return would.members[0] === card && (isHalf(would.members, electorate) || isHalf(would.ether, electorate));
}
