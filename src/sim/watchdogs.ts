/**
 * The hardware watchdogs of the cards of a world: each resets its card's machine when it was not fed for its time-out. A card's edge feeds it four times in that
 * time while its program says so; a program that has ended, or stands still, feeds nothing. Power and a reset disarm it, and so does a goodbye.
 */
import type { Run, SimCard } from "./sim-card.ts";

export type WatchdogWorld = {
  readonly world: {
    readonly at: number;
    later(at: number, run: (at: number) => void): void;
    readonly failover: { isIdle(card: SimCard): boolean } | undefined;
  };
  reset(card: SimCard): void;
};

const feedsPerTimeout = 4;

export class Watchdogs {
  readonly #edge: WatchdogWorld;
  readonly #timeoutMs: number;
  /** When each armed one was fed last. */
  readonly #fedAt = new Map<SimCard, number>();

  constructor(edge: WatchdogWorld, timeoutMs: number) {
    this.#edge = edge;
    this.#timeoutMs = timeoutMs;
  }

  /** The card's program has opened it. */
  onBegin(card: SimCard, run: Run): void {
    this.#fed(card);
    this.#feedLater(card, run);
  }

  disarm(card: SimCard): void {
    this.#fedAt.delete(card);
  }

  #feedLater(card: SimCard, run: Run): void {
    const { world } = this.#edge;
    world.later(world.at + this.#timeoutMs / feedsPerTimeout, (at) => {
      if (card.run !== run) return;
      const now = Math.max(run.now, card.clock.localAt(at));
      const isIdle = world.failover?.isIdle(card) !== false;
      if (run.stall === undefined && run.program.feedsWatchdog?.(now, isIdle) === true) this.#fed(card);
      this.#feedLater(card, run);
    });
  }

  #fed(card: SimCard): void {
    const { world } = this.#edge;
    const fedAt = world.at;
    this.#fedAt.set(card, fedAt);
    world.later(fedAt + this.#timeoutMs, () => {
      if (this.#fedAt.get(card) !== fedAt) return;
      this.disarm(card);
      this.#edge.reset(card);
    });
  }
}
