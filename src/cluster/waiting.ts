/**
 * What a card waits for before it acts by itself: other cards that may come into the view too, and the proposal of the card that
 * should coordinate it. Both waits end, and neither runs while this card was late.
 */
import type { CardId } from "../base/ids.ts";
import { viewMuteMs } from "../limits.ts";

export class Waiting {
  #joinAt = Infinity;
  #coordinator: { readonly card: CardId; since: number } | undefined;

  /** Until when a would-be view that grows waits for others that come too: for `listenMs` from the first time that it is asked. */
  joinUntil(now: number, listenMs: number): number {
    if (this.#joinAt === Infinity) this.#joinAt = now + listenMs;
    return this.#joinAt;
  }

  stopJoining(): void {
    this.#joinAt = Infinity;
  }

  /** When a coordinator that has proposed nothing since is taken for mute. Another coordinator has all of the time again. */
  muteAt(now: number, coordinator: CardId, listenMs: number): number {
    if (this.#coordinator?.card !== coordinator) this.#coordinator = { card: coordinator, since: now };
    return this.#coordinator.since + viewMuteMs + listenMs;
  }

  onProposal(now: number, from: CardId): void {
    if (this.#coordinator?.card === from) this.#coordinator.since = now;
  }

  stopWatching(): void {
    this.#coordinator = undefined;
  }

  stop(): void {
    this.stopJoining();
    this.stopWatching();
  }

  onLate(ms: number): void {
    this.#joinAt += ms;
    if (this.#coordinator !== undefined) this.#coordinator.since += ms;
  }
}
