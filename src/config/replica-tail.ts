/**
 * The changes that are accepted and not in the store's hands yet, each following on the one before. Their bytes are bounded: the oldest are
 * given up beyond that, and asked for again from others. Pure.
 */
import { configCommitBytesMax, configTailBytesMax } from "../limits.ts";
import { equalBytes } from "./chain.ts";
import type { Change, Head } from "./change.ts";

export class Tail {
  #changes: Change[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#changes.length === 0;
  }

  clear(): void {
    this.#changes = [];
    this.#bytes = 0;
  }

  /** One more that was accepted. */
  push(change: Change): void {
    this.#changes.push(change);
    this.#bytes += change.changeset.length;
    while (this.#bytes > configTailBytesMax && this.#changes.length > 1) this.#shift();
  }

  /** Those that the store has given back. */
  unshift(changes: readonly Change[]): void {
    this.#changes.unshift(...changes);
    this.#bytes += changes.reduce((sum, { changeset }) => sum + changeset.length, 0);
  }

  /** Whether the next one follows on `head`, once those that it has already are forgotten. */
  followsOn(head: Head): boolean {
    const index = this.#changes.findIndex(({ previous }) => equalBytes(previous, head.hash));
    for (let skipped = 0; skipped < index; skipped++) this.#shift();
    return index >= 0;
  }

  /** What goes into one transaction: at least one change, and more as far as they are small. */
  take(isOneByOne: boolean): Change[] {
    const taken: Change[] = [];
    let bytes = 0;
    while (this.#changes[0] !== undefined) {
      bytes += this.#changes[0].changeset.length;
      if (taken.length > 0 && (isOneByOne || bytes > configCommitBytesMax)) break;
      taken.push(this.#shift());
    }
    return taken;
  }

  #shift(): Change {
    const change = this.#changes.shift() as Change;
    this.#bytes -= change.changeset.length;
    return change;
  }
}
