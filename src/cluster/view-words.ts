/** Views in words, for people: what changed from one to the next, and why a card is missing. */
import type { CardId } from "../base/ids.ts";
import type { Peer } from "./peers.ts";
import type { AbsentCard, NodeView, Receipt } from "./view.ts";

/** A set of cards that is, or is to be, a view. */
export type ViewDraft = {
  readonly members: readonly CardId[];
  /** Of each member. */
  readonly incarnations: readonly number[];
  readonly ether: readonly CardId[];
};

export function draftOf({ members, ether }: NodeView): ViewDraft {
  return { members: members.map(({ card }) => card), incarnations: members.map(({ incarnation }) => incarnation), ether };
}

const receiptTexts: Readonly<Record<Receipt, string>> = {
  left: "left",
  power: "has lost its power",
  reset: "was reset",
  failing: "resets itself",
  restarted: "restarted",
  lease: "has been waited for until its lease was over",
};

/** What `to` changes against the view before. `lossOf` says why a card is not with the members any more. */
export function changeText(
  before: NodeView | undefined,
  to: ViewDraft,
  absent: readonly AbsentCard[] | undefined,
  lossOf: (card: CardId) => string,
): string {
  if (before === undefined) return `the first view of this card, of ${cardsText(to.members)}`;
  const changes: string[] = [];
  for (const { card } of before.members) if (!to.members.includes(card)) changes.push(lossOf(card));
  for (const [index, card] of to.members.entries()) {
    const was = before.members.find((member) => member.card === card);
    if (was === undefined) changes.push(`card ${card} joined`);
    else if (was.incarnation !== to.incarnations[index]) changes.push(`card ${card} restarted`);
    else if (before.ether.includes(card) && !to.ether.includes(card)) changes.push(`card ${card} is not confirmed on Ethernet any more`);
    else if (!before.ether.includes(card) && to.ether.includes(card)) changes.push(`card ${card} is confirmed on Ethernet again`);
  }
  for (const { card, state } of absent ?? []) {
    const was = before.absent.find((other) => other.card === card)?.state;
    if (was === "unknown" && state === "down") changes.push(`${lossOf(card)}, as is proven now`);
  }
  if (changes.length > 0) return changes.join(", ");
  const names = (cards: readonly AbsentCard[]) => cards.map(({ card }) => card).join();
  if (absent !== undefined && names(absent) !== names(before.absent)) return "the configuration has changed";
  return `view ${before.number} is agreed on anew`;
}

/** Why a card is not with the others. `unconfirmed`: one of them that it no longer confirms. */
export function lossText(
  card: CardId,
  { expected, disabled }: { readonly expected: readonly CardId[]; readonly disabled: readonly CardId[] },
  { proof, health }: Peer,
  unconfirmed: CardId | undefined,
): string {
  const name = `card ${card}`;
  if (!expected.includes(card)) return `${name} is not in the configuration any more`;
  if (disabled.includes(card)) return `${name} is disabled`;
  if (proof !== undefined && proof.receipt !== "agreed") return `${name} ${receiptTexts[proof.receipt]}`;
  if (health === "left") return `${name} ${receiptTexts.left}`;
  if (health === "down") return `${name} is down`;
  if (proof !== undefined) return `${name} has ended`;
  return unconfirmed === undefined ? `${name} is left out` : `${name} no longer confirms card ${unconfirmed} on any link`;
}

function cardsText(cards: readonly CardId[]): string {
  if (cards.length === 1) return `card ${cards[0]} alone`;
  return `cards ${cards.slice(0, -1).join(", ")} and ${cards.at(-1)}`;
}
