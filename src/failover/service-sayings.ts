/**
 * What a card has said and what it has yet to say: remembers what is on its way into the order, so that it is not said twice, and how long something is due that
 * any card could say, so that each waits for those before it. Pure.
 */
import { failoverResayMs, failoverTurnMs } from "../limits.ts";

export class Sayings {
  /** By what is said: the request that carries it, and until when it is not said again. */
  readonly #said = new Map<string, { readonly request: number; until: number }>();
  /** Since when something is due that any card could say. */
  readonly #due = new Map<string, number>();
  readonly #dueNow = new Set<string>();

  /** `rank`: our place among those that could say it. */
  instants(rank: number): number[] {
    return [
      ...[...this.#said.values()].map(({ until }) => until),
      ...[...this.#due.values()].map((since) => since + rank * failoverTurnMs),
    ];
  }

  has(key: string): boolean {
    return this.#said.has(key);
  }

  add(key: string, request: number): void {
    this.#said.set(key, { request, until: Infinity });
  }

  /** It is in the order, or was not taken: when nothing comes of it, it is said again in a while. */
  onEnded(now: number, request: number): void {
    for (const said of this.#said.values()) if (said.request === request) said.until = now + failoverResayMs;
  }

  expire(now: number): void {
    for (const [key, { until }] of this.#said) if (now >= until) this.#said.delete(key);
  }

  // ---- what any card could say

  beginTurn(): void {
    this.#dueNow.clear();
  }

  isOurTurn(now: number, key: string, rank: number): boolean {
    this.#dueNow.add(key);
    const since = this.#due.get(key) ?? now;
    this.#due.set(key, since);
    return now >= since + rank * failoverTurnMs;
  }

  /** What was not asked for in this turn is due no more. */
  endTurn(): void {
    for (const key of [...this.#due.keys()]) if (!this.#dueNow.has(key)) this.#due.delete(key);
  }
}
