/** What a card has said into the storage group, so that it is not said twice, and how long something is due that any card could say. Pure. */
import { storageResayMs, storageTurnMs } from "../limits.ts";

export class Sayings {
  /** By what is said: the request that carries it, and until when it is not said again. */
  readonly #said = new Map<string, { readonly request: number; until: number }>();
  readonly #due = new Map<string, number>();
  readonly #dueNow = new Set<string>();

  instants(rank: number): number[] {
    return [...[...this.#said.values()].map(({ until }) => until), ...[...this.#due.values()].map((since) => since + rank * storageTurnMs)];
  }

  has(key: string): boolean {
    return this.#said.has(key);
  }

  /** Whether something of this beginning is on its way, and not known to be in the order or refused. */
  isUnderWay(prefix: string): boolean {
    return [...this.#said].some(([key, { until }]) => until === Infinity && key.startsWith(prefix));
  }

  add(key: string, request: number): void {
    this.#said.set(key, { request, until: Infinity });
  }

  /** It is in the order, or was not taken: when nothing comes of it, it is said again in a while. */
  onEnded(now: number, request: number): void {
    for (const said of this.#said.values()) if (said.request === request) said.until = now + storageResayMs;
  }

  expire(now: number): void {
    for (const [key, { until }] of this.#said) if (now >= until) this.#said.delete(key);
  }

  beginTurn(): void {
    this.#dueNow.clear();
  }

  isOurTurn(now: number, key: string, rank: number): boolean {
    this.#dueNow.add(key);
    const since = this.#due.get(key) ?? now;
    this.#due.set(key, since);
    return now >= since + rank * storageTurnMs;
  }

  /** What was not asked for in this turn is due no more. */
  endTurn(): void {
    for (const key of [...this.#due.keys()]) if (!this.#dueNow.has(key)) this.#due.delete(key);
  }
}
