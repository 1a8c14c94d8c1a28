/** A scheduler whose time passes only when a test lets it. */
import { setImmediate } from "node:timers/promises";
import type { Scheduler } from "../../drivers/simulated/scheduler.ts";

type Action = { readonly at: number; readonly run: () => void };

export class VirtualTime implements Scheduler {
  #now = 0;
  #actions: Action[] = [];

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, run: () => void): void {
    const action = { at: this.#now + Math.max(0, delayMs), run };
    const later = this.#actions.findIndex((other) => other.at > action.at);
    if (later < 0) this.#actions.push(action);
    else this.#actions.splice(later, 0, action);
  }

  /** Runs what is due next, and what follows from it at once. False when nothing is scheduled. */
  async step(): Promise<boolean> {
    await setImmediate();
    const at = this.#actions[0]?.at;
    if (at === undefined) return false;
    this.#now = at;
    while (this.#actions[0] !== undefined && this.#actions[0].at <= at) this.#actions.shift()?.run();
    await setImmediate();
    return true;
  }

  /** Runs until nothing is scheduled any more. */
  async idle(): Promise<void> {
    while (await this.step());
  }
}
