import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { isHalf, type Proof, type QuorumFacts, quorumOf, tieBreakOf } from "../../src/cluster/quorum.ts";
import { chassisOfCards } from "./membership-network.ts";

const cards = (...slots: number[]): CardId[] => slots.map((slot) => cardAt(1, slot));

type Case = {
  readonly electorate: readonly number[];
  readonly set: readonly number[];
  readonly tieBreak?: number;
  readonly witness?: QuorumFacts["witness"];
  readonly continuing?: readonly number[];
  readonly proofs?: Readonly<Record<number, Proof>>;
  /** Since when a card is heard; 0 where nothing is said. */
  readonly started?: Readonly<Record<number, number>>;
  readonly text: string;
};

function factsOf(
  { electorate, tieBreak, witness = "none", continuing = [], proofs = {}, started = {} }: Omit<Case, "set" | "text">,
): QuorumFacts {
  return {
    electorate: cards(...electorate),
    tieBreak: tieBreak === undefined ? undefined : cardAt(1, tieBreak),
    witness,
    isContinuing: (card) => continuing.includes(card),
    proofOf: (card) => proofs[card],
    startedAt: (card) => started[card] ?? 0,
  };
}

const power = (at: number): Proof => ({ receipt: "power", at });
const reset = (at: number): Proof => ({ receipt: "reset", at });

const held: readonly Case[] = [
  { electorate: [1], set: [1], text: "1 of 1 card: more than half" },
  { electorate: [1, 2, 3, 4, 5], set: [1, 3, 5], text: "3 of 5 cards: more than half" },
  { electorate: [1, 2, 3], set: [2, 3], witness: "missing", text: "2 of 3 cards: more than half" },
  { electorate: [1, 2], set: [1, 2], text: "2 of 2 cards: more than half" },
  { electorate: [1, 2], set: [1], continuing: [1], text: "1 of 2 cards with the tie-break card 1" },
  { electorate: [1, 2, 3, 4], set: [3, 4], tieBreak: 4, continuing: [4], text: "2 of 4 cards with the tie-break card 4" },
  // A tie-break card that does not vote is none: the lowest decides.
  { electorate: [2, 3], set: [2], tieBreak: 8, continuing: [2], text: "1 of 2 cards with the tie-break card 2" },
  { electorate: [1, 2], set: [2], witness: "held", text: "1 of 2 cards with the witness's lease" },
  { electorate: [1, 2], set: [2], witness: "trusted", text: "1 of 2 cards with the witness's lease, as the coordinator says" },
  { electorate: [1, 2], set: [2], proofs: { 1: power(5) }, text: "1 of 2 cards, and every other one is proven down" },
  { electorate: [1, 2], set: [2], proofs: { 1: { receipt: "left", at: 5 } }, text: "1 of 2 cards, and every other one is proven down" },
  { electorate: [1, 2], set: [2], proofs: { 1: { receipt: "failing", at: 5 } }, text: "1 of 2 cards, and every other one is proven down" },
  { electorate: [1, 2, 3, 4], set: [3, 4], proofs: { 1: reset(5), 2: reset(5) }, text: "2 of 4 cards, and every other one is proven down" },
  // Without power it has not come back since, however old the receipt is.
  { electorate: [1, 2, 3, 4], set: [3, 4], proofs: { 1: reset(9), 2: power(5) }, text: "2 of 4 cards, and every other one is proven down" },
  // The tie-break card has just started, so it decides nothing; the receipts do.
  {
    electorate: [1, 2],
    set: [1],
    proofs: { 2: reset(5) },
    started: { 1: -Infinity },
    text: "1 of 2 cards, and every other one is proven down",
  },
];

const notHeld: readonly Case[] = [
  { electorate: [1, 2, 3, 4, 5], set: [1, 2], continuing: [1], text: "2 of 5 cards: no quorum" },
  { electorate: [1, 2, 3], set: [1], proofs: { 2: power(1), 3: power(1) }, text: "1 of 3 cards: no quorum" },
  { electorate: [1, 2, 3, 4], set: [2, 3], continuing: [2], text: "2 of 4 cards, without the tie-break card 1: no quorum" },
  { electorate: [1, 2], set: [1], text: "1 of 2 cards, and the tie-break card 1 has just started: no quorum" },
  { electorate: [1, 2], set: [1], witness: "missing", continuing: [1], text: "1 of 2 cards, without the witness's lease: no quorum" },
  // With a witness the receipts do not count: the lease may be in the hand of a card that came back.
  {
    electorate: [1, 2],
    set: [2],
    witness: "missing",
    proofs: { 1: power(5) },
    text: "1 of 2 cards, without the witness's lease: no quorum",
  },
  {
    electorate: [1, 2],
    set: [2],
    proofs: { 1: { receipt: "restarted", at: 5 } },
    text: "1 of 2 cards, without the tie-break card 1: no quorum",
  },
  { electorate: [1, 2, 3, 4], set: [3, 4], proofs: { 1: reset(5) }, text: "2 of 4 cards, without the tie-break card 1: no quorum" },
  // Card 2 may have come back after its reset, and gone on with card 1 until that one's.
  {
    electorate: [1, 2, 3, 4],
    set: [3, 4],
    proofs: { 1: reset(5), 2: reset(4) },
    text: "2 of 4 cards, without the tie-break card 1: no quorum",
  },
  {
    electorate: [1, 2, 3, 4],
    set: [1, 3],
    proofs: { 2: reset(4), 4: reset(6) },
    started: { 1: 5 },
    text: "2 of 4 cards, and the tie-break card 1 has just started: no quorum",
  },
  { electorate: [], set: [], text: "0 of 0 cards: no quorum" },
  // Cards without a vote add nothing.
  { electorate: [1, 2, 3], set: [1, 7, 8], text: "1 of 3 cards: no quorum" },
];

test("HA-15: who may go on: more than half, and of exactly half one side, for one of three reasons", () => {
  for (const { set, text, ...facts } of held) assert.equal(quorumOf(cards(...set), factsOf(facts)), { held: true, text });
  for (const { set, text, ...facts } of notHeld) assert.equal(quorumOf(cards(...set), factsOf(facts)), { held: false, text });
});

test("HA-15: of two sets without a common card never both are a quorum, by majority, tie-break card or lease", () => {
  let halves = 0;
  for (let count = 1; count <= 6; count++) {
    const electorate = chassisOfCards(count);
    const sets = Array.from({ length: 2 ** count }, (_, bits) => electorate.filter((_, index) => ((bits >> index) & 1) === 1));
    for (const tieBreak of [undefined, ...electorate]) {
      for (const continuing of sets) {
        const facts: QuorumFacts = {
          electorate,
          tieBreak,
          witness: "none",
          isContinuing: (card) => continuing.includes(card),
          proofOf: () => undefined,
          startedAt: () => 0,
        };
        for (const one of sets) {
          if (!quorumOf(one, facts).held) continue;
          for (const other of sets) {
            if (other.some((card) => one.includes(card))) continue;
            if (isHalf(one, electorate) && isHalf(other, electorate)) halves++;
            assert.not(quorumOf(other, facts).held, `${one} and ${other} of ${count} with tie-break card ${tieBreak}`);
            assert.not(quorumOf(other, { ...facts, witness: "missing" }).held && quorumOf(one, { ...facts, witness: "held" }).held);
          }
        }
      }
    }
  }
  assert.ok(halves > 100);
});

test("the tie-break card is the lowest that votes, unless one that votes is named", () => {
  const electorate = cards(2, 3, 4);
  assert.is(tieBreakOf({ electorate, tieBreak: undefined }), cardAt(1, 2));
  assert.is(tieBreakOf({ electorate, tieBreak: cardAt(1, 4) }), cardAt(1, 4));
  assert.is(tieBreakOf({ electorate, tieBreak: cardAt(1, 1) }), cardAt(1, 2));
  assert.is(tieBreakOf({ electorate: [], tieBreak: cardAt(1, 1) }), undefined);
});

test.run();
