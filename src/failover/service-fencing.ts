/**
 * Which cards are to be fenced, and by whom: a card that was in a view, is unknown in a later one and has a service or may have; one of the view whose
 * self-test nobody answers, before a later view says that it is gone; and a holder that cannot stop; by the lowest card of its chassis that orders messages, for the reset lines are the chassis's. Again and again, until a view says that it is down or
 * up. A silent card that runs nothing is left alone: nobody waits for it. Pure.
 */
import { type CardId, chassisOf } from "../base/ids.ts";
import { failoverFenceMs } from "../limits.ts";
import type { CharacterizationAction } from "./characterization.ts";
import type { FailoverState } from "./service-state.ts";

export type Fence = { readonly card: CardId; readonly incarnation: number; readonly reason: string };

export class Fencing {
  readonly #card: CardId;
  readonly #orderedAt = new Map<CardId, number>();
  /** The incarnations of cards whose self-test nobody answers. */
  readonly #condemned = new Map<CardId, number>();

  constructor(card: CardId) {
    this.#card = card;
  }

  /** The instants at which something may have to be said again. */
  instants(): number[] {
    return [...this.#orderedAt.values()].map((at) => at + failoverFenceMs);
  }

  /** What this card concluded of a card by self-tests; `none` where it may not act on that. */
  onVerdict(card: CardId, incarnation: number | undefined, action: CharacterizationAction): void {
    const isCondemned = action === "shield, fence, take over" || action === "shield, fence, wait for proof";
    if (isCondemned && incarnation !== undefined) this.#condemned.set(card, incarnation);
    else this.#condemned.delete(card);
  }

  /** What this card is to order now. While a view is being agreed on the order's last one may be history: what it says is unknown counts for nothing then. */
  due(now: number, state: FailoverState, isViewHeld: boolean): Fence[] {
    const wanted = this.#wanted(state, isViewHeld);
    for (const card of [...this.#orderedAt.keys()]) if (!wanted.has(card)) this.#orderedAt.delete(card);
    const chassis = chassisOf(this.#card);
    const orderer = (state.view?.ether ?? []).find((card) => chassisOf(card) === chassis && !wanted.has(card));
    if (orderer !== this.#card) return [];
    const fences: Fence[] = [];
    for (const [card, reason] of wanted) {
      const incarnation = state.incarnationOf(card);
      const isDue = now >= (this.#orderedAt.get(card) ?? -Infinity) + failoverFenceMs;
      if (chassisOf(card) !== chassis || incarnation === undefined || !isDue) continue;
      this.#orderedAt.set(card, now);
      fences.push({ card, incarnation, reason });
    }
    return fences;
  }

  #wanted(state: FailoverState, isViewHeld: boolean): Map<CardId, string> {
    const wanted = new Map<CardId, string>();
    const holders = new Set([...state.grants.values()].map(({ holder }) => holder));
    const isAnyoneSuspect = !state.ownersKnown && state.assignment.services.size > 0;
    for (const card of state.cards()) {
      const known = state.reportOf(card)?.state;
      // A view without it has said more than the verdict; when it is back, it counts no more.
      if (known !== "up") this.#condemned.delete(card);
      const mayServe = isAnyoneSuspect || holders.has(card);
      const incarnation = state.incarnationOf(card);
      if (!mayServe || incarnation === undefined) continue;
      if (known === "unknown" && isViewHeld) wanted.set(card, "it is silent, and nothing proves that it stopped");
      else if (known === "up" && this.#condemned.get(card) === incarnation) {
        wanted.set(card, "nobody hears it, and nobody's self-test is answered");
      }
    }
    if (!isViewHeld) return wanted;
    for (const [service, { isFencing, holder }] of state.grants) {
      if (isFencing && holder !== undefined && holder !== this.#card) wanted.set(holder, `it cannot stop ${service}`);
    }
    return wanted;
  }
}
