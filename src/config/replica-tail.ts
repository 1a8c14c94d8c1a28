/**
 * The changes that are accepted and not in the store's hands yet, each following on the one before. Their bytes are bounded: the oldest are
 * given up beyond that, and asked for again from others. Pure.
 *
 * When some do not fit the tables, which of them it is is found by giving them one by one; while this card objects to that one, none is given.
 */
import { configCommitBytesMax, configTailBytesMax } from "../limits.ts";
import { equalBytes } from "./chain.ts";
import type { Change, Head } from "./change.ts";
import type { StoreFault } from "./store.ts";

export class Tail {
  #changes: Change[] = [];
  #bytes = 0;
  #isOneByOne = false;
  #objection: { readonly fault: StoreFault; readonly until: number } | undefined;

  clear(): void {
    this.#changes = [];
    this.#bytes = 0;
    this.#isOneByOne = false;
    this.#objection = undefined;
  }

  /** One more that was accepted. */
  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += change.changeset.length;
    while (this.#bytes > configTailBytesMax && this.#changes.length > 1) this.#shift();
  }

  /** Those that the store has given back, because one of them does not fit: they are given to it one by one. */
  unshift(changes: readonly Change[]): void {
    this.#changes.unshift(...changes);
    this.#bytes += changes.reduce((sum, { changeset }) => sum + changeset.length, 0);
    this.#isOneByOne = true;
  }

  /** The first one does not fit, by itself: the others' word is waited for until then. */
  objectTo(fault: StoreFault, until: number): void {
    this.#objection = { fault, until };
  }

  get objection(): { readonly fault: StoreFault; readonly until: number } | undefined {
    return this.#objection;
  }

  /** Whether the next one follows on `head`, once those that it has already are forgotten. */
  followsOn(head: Head): boolean {
    const index = this.#changes.findIndex(({ previous }) => equalBytes(previous, head.hash));
    for (let skipped = 0; skipped < index; skipped++) this.#shift();
    return index >= 0;
  }

  /** What goes into one transaction upon `head`: nothing, or at least one change, and more as far as they are small. */
  take(head: Head): Change[] {
    const taken: Change[] = [];
    if (this.#objection !== undefined || !this.followsOn(head)) return taken;
    let bytes = 0;
    while (this.#changes[0] !== undefined) {
      bytes += this.#changes[0].changeset.length;
      if (taken.length > 0 && (this.#isOneByOne || bytes > configCommitBytesMax)) break;
      taken.push(this.#shift());
    }
    if (this.#changes.length === 0) this.#isOneByOne = false;
    return taken;
  }

  #shift(): Change {
    const change = this.#changes.shift() as Change;
    this.#bytes -= change.changeset.length;
    return change;
  }
}
