/**
 * Which cards know all that is agreed on: those with which it began, and those that were given it since they announced themselves. Part of what is agreed on,
 * so a function of the order alone. Pure.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import type { FailoverEntry } from "./service-types.ts";

/** The pieces of all this that are on their way. */
type Giving = { readonly card: CardId; readonly asOf: number; readonly next: number };

export type KnowingTravelled = {
  readonly knowing: ReadonlyMap<CardId, number>;
  readonly announced: ReadonlyMap<CardId, number>;
  readonly giving?: Giving;
};

export class Knowing {
  /** Each with the incarnation that does. */
  readonly #knowing: Map<CardId, number>;
  /** Cards that have announced themselves and were given nothing since, each with the place of its announcement. */
  readonly #announced: Map<CardId, number>;
  #giving: Giving | undefined;

  constructor({ knowing, announced, giving }: KnowingTravelled) {
    this.#knowing = new Map(knowing);
    this.#announced = new Map(announced);
    this.#giving = giving;
  }

  travelled(): Omit<KnowingTravelled, "giving"> & { readonly giving: Giving | undefined } {
    return { knowing: this.#knowing, announced: this.#announced, giving: this.#giving };
  }

  /** The cards that order messages and know all this, lowest first. */
  speakers({ ether, members }: NodeView): CardId[] {
    const knows = (card: CardId) => members.some((member) => member.card === card && this.#knowing.get(card) === member.incarnation);
    return ether.filter(knows);
  }

  /** Whether these have announced themselves and were given nothing since: none of them knows this. */
  haveAnnounced(cards: readonly CardId[]): boolean {
    return cards.every((card) => this.#announced.has(card));
  }

  onAnnounced(sequence: number, card: CardId): void {
    this.#knowing.delete(card);
    this.#announced.set(card, sequence);
  }

  /** A card is not in the view, or runs anew. */
  onGone(card: CardId, isRestarted: boolean): void {
    this.#announced.delete(card);
    if (isRestarted) this.#knowing.delete(card);
  }

  /** With the last piece all those know this that had announced themselves when it was so. */
  onPiece(
    card: CardId,
    { asOf, index, count }: Extract<FailoverEntry, { kind: "state" }>,
    incarnations: ReadonlyMap<CardId, number>,
  ): void {
    const giving = this.#giving;
    const follows = giving?.card === card && giving.asOf === asOf && giving.next === index;
    this.#giving = follows || index === 0 ? { card, asOf, next: index + 1 } : undefined;
    if (this.#giving === undefined || index < count - 1) return;
    this.#giving = undefined;
    for (const [given, sequence] of [...this.#announced]) {
      if (sequence > asOf) continue;
      this.#announced.delete(given);
      const incarnation = incarnations.get(given);
      if (incarnation !== undefined) this.#knowing.set(given, incarnation);
    }
  }
}
