/** Rivals: who else answers for an address that this card has, until nothing has been heard of it for a while. Pure. */
import { failoverRivalMs } from "../limits.ts";
import type { ResourceId } from "./config.ts";

export class Rivals {
  /** Each with what was said of it last, and when that is over. */
  readonly #seen = new Map<ResourceId, { readonly reason: string; readonly until: number }>();
  /** What was said last of each; another map after each change. */
  list: ReadonlyMap<ResourceId, string> = new Map();

  deadline(): number {
    let deadline = Infinity;
    for (const { until } of this.#seen.values()) deadline = Math.min(deadline, until);
    return deadline;
  }

  onSeen(now: number, resource: ResourceId, reason: string): void {
    this.#seen.set(resource, { reason, until: now + failoverRivalMs });
    this.#tell();
  }

  onTick(now: number): void {
    let isOver = false;
    for (const [resource, { until }] of [...this.#seen]) if (now >= until) isOver = this.#seen.delete(resource);
    if (isOver) this.#tell();
  }

  #tell(): void {
    this.list = new Map([...this.#seen].map(([resource, { reason }]) => [resource, reason]));
  }
}
