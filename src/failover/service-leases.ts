/**
 * How long the cards that a view calls unknown are waited for: a card that is reset by its own watchdog unless it is in a view, or runs nothing, has stopped
 * for certain once its lease is over. What counts is the first view without it that this card has taken over, on this card's own clock. Pure.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import type { FailoverState } from "./service-state.ts";
import type { FailoverOutput } from "./service-types.ts";

export class Leases {
  /** Since when each card is unknown, and whether the end of its lease was told. */
  readonly #unknown = new Map<CardId, { readonly since: number; isTold: boolean }>();

  /** Each view of the order, those too that are replayed: a card that was in one of them has to be waited for anew. */
  onView(now: number, view: NodeView): void {
    const unknown = view.absent.filter(({ state }) => state === "unknown").map(({ card }) => card);
    for (const card of [...this.#unknown.keys()]) if (!unknown.includes(card)) this.#unknown.delete(card);
    for (const card of unknown) if (!this.#unknown.has(card)) this.#unknown.set(card, { since: now, isTold: false });
  }

  /** What was agreed on before is not known any more. */
  forget(): void {
    this.#unknown.clear();
  }

  instants(state: FailoverState | undefined): number[] {
    return [...this.#unknown].flatMap(([card, { since, isTold }]) => {
      const leaseMs = state?.reportOf(card)?.leaseMs;
      return isTold || leaseMs === undefined ? [] : [since + leaseMs];
    });
  }

  /** The cards whose lease is over now. */
  due(now: number, state: FailoverState): FailoverOutput[] {
    const over: FailoverOutput[] = [];
    for (const [card, wait] of this.#unknown) {
      const ms = state.reportOf(card)?.leaseMs;
      const incarnation = state.incarnationOf(card);
      if (wait.isTold || ms === undefined || incarnation === undefined || now < wait.since + ms) continue;
      wait.isTold = true;
      over.push({ kind: "log", level: "warn", event: "lease over", fields: { peer: card, ms } }, { kind: "leaseOver", card, incarnation });
    }
    return over;
  }
}
