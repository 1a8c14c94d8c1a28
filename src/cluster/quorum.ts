/**
 * Quorum decides whether a set of cards may go on alone. More than half of the electorate may; of exactly half, one side.
 *
 * Follows HA-15 (no two partitions serve the same resource) and PROTOCOLS.md, Membership 3. Two sets of more than half
 * share a card. At exactly half the witness's lease can be in one hand only, and the tie-break card in one half only. The
 * receipts are the third way, and the surprising one: a half may go on because the other one is proven to have ended,
 * which proves nothing about cards that have started again since. So a card counts only the receipts that it holds itself,
 * `restarted` is none, and what is older than the end of the tie-break card is not enough: until that end, a card
 * that was reset may have come back and gone on with it.
 */
import type { CardId } from "../base/ids.ts";
import type { Receipt } from "./view.ts";

/** A receipt, and when it came (monotonic milliseconds). */
export type Proof = { readonly receipt: Receipt; readonly at: number };

/** What one card knows when it judges. */
export type QuorumFacts = {
  /** The cards that vote, lowest first. */
  readonly electorate: readonly CardId[];
  /** The card that decides at exactly half; the lowest of the electorate where none is named, or one that does not vote. */
  readonly tieBreak: CardId | undefined;
  /**
   * `none` is configured; its lease is `held` by this card, or `missing`; `trusted` is a proposer's word, for only one
   * card can hold the lease.
   */
  readonly witness: "none" | "held" | "missing" | "trusted";
  /** Whether a card was in a view before, in the incarnation that is meant. */
  readonly isContinuing: (card: CardId) => boolean;
  /** The receipt that this card holds itself for the end of the newest incarnation of a card. */
  readonly proofOf: (card: CardId) => Proof | undefined;
  /** When this card began to hear a card's present incarnation; `-Infinity` for this card itself. */
  readonly startedAt: (card: CardId) => number;
};

export type Quorum = {
  readonly held: boolean;
  /** For people: "3 of 5 cards: more than half", "2 of 4 cards, without the tie-break card 1: no quorum". */
  readonly text: string;
};

/** The cards that vote, lowest first. */
export function electorateOf(expected: readonly CardId[], disabled: readonly CardId[]): CardId[] {
  return [...new Set(expected)].filter((card) => !disabled.includes(card)).sort((a, b) => a - b);
}

export function tieBreakOf({ electorate, tieBreak }: Pick<QuorumFacts, "electorate" | "tieBreak">): CardId | undefined {
  return tieBreak !== undefined && electorate.includes(tieBreak) ? tieBreak : electorate[0];
}

/** Whether the cards of `set` that vote are exactly half of those that vote. */
export function isHalf(set: readonly CardId[], electorate: readonly CardId[]): boolean {
  return electorate.length > 0 && 2 * votesOf(set, electorate) === electorate.length;
}

export function quorumOf(set: readonly CardId[], facts: QuorumFacts): Quorum {
  const { electorate, witness, isContinuing } = facts;
  const votes = votesOf(set, electorate);
  const share = `${votes} of ${electorate.length} ${electorate.length === 1 ? "card" : "cards"}`;
  if (2 * votes > electorate.length) return { held: true, text: `${share}: more than half` };
  const tieBreak = tieBreakOf(facts);
  if (2 * votes < electorate.length || tieBreak === undefined) return { held: false, text: `${share}: no quorum` };
  switch (witness) {
    case "held":
      return { held: true, text: `${share} with the witness's lease` };
    case "trusted":
      return { held: true, text: `${share} with the witness's lease, as the coordinator says` };
    case "missing":
      return { held: false, text: `${share}, without the witness's lease: no quorum` };
    case "none":
  }
  if (set.includes(tieBreak) && isContinuing(tieBreak)) return { held: true, text: `${share} with the tie-break card ${tieBreak}` };
  if (isRestProven(set, tieBreak, facts)) return { held: true, text: `${share}, and every other one is proven down` };
  const why = set.includes(tieBreak) ? `and the tie-break card ${tieBreak} has just started` : `without the tie-break card ${tieBreak}`;
  return { held: false, text: `${share}, ${why}: no quorum` };
}

function isRestProven(set: readonly CardId[], tieBreak: CardId, { electorate, proofOf, startedAt }: QuorumFacts): boolean {
  const tieBroken = set.includes(tieBreak) ? startedAt(tieBreak) : proofOf(tieBreak)?.at;
  if (tieBroken === undefined) return false;
  return electorate.every((card) => {
    if (set.includes(card)) return true;
    const proof = proofOf(card);
    // Whose lease is over may live: it runs nothing, and has its say about the quorum.
    if (proof === undefined || proof.receipt === "restarted" || proof.receipt === "lease") return false;
    return proof.receipt === "power" || proof.at >= tieBroken;
  });
}

function votesOf(set: readonly CardId[], electorate: readonly CardId[]): number {
  let votes = 0;
  for (const card of electorate) if (set.includes(card)) votes++;
  return votes;
}
