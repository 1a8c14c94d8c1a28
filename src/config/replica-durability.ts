/**
 * What this card knows of the others' disks: up to which change each of them has its chain durably. Only their own word counts, and it counts
 * only while this card knows the change that they name; whoever owes it is asked.
 */
import type { CardId } from "../base/ids.ts";
import { configAskMs } from "../limits.ts";
import { equalBytes } from "./chain.ts";
import type { Head } from "./change.ts";
import type { Heads } from "./replica-heads.ts";

export class Durability {
  readonly #heads: Heads;
  readonly #ofOthers = new Map<CardId, Head>();
  #askAt = Infinity;

  constructor(heads: Heads) {
    this.#heads = heads;
  }

  deadline(): number {
    return this.#askAt;
  }

  onDurable(card: CardId, head: Head): void {
    this.#ofOthers.set(card, head);
  }

  /** A card's place among the replicas is over, or begins anew. */
  forget(card: CardId): void {
    this.#ofOthers.delete(card);
  }

  clear(): void {
    this.#ofOthers.clear();
    this.#askAt = Infinity;
  }

  /** What came after it is no longer in the chain. */
  onTakenBack(sequence: number): void {
    for (const [card, head] of this.#ofOthers) if (head.sequence > sequence) this.#ofOthers.delete(card);
  }

  /** The sequence up to which another card has our chain durably, as far as we know; -1 for nothing. */
  upTo(card: CardId): number {
    const head = this.#ofOthers.get(card);
    const ours = head === undefined ? undefined : this.#heads.hashAt(head.sequence);
    return head !== undefined && ours !== undefined && equalBytes(ours, head.hash) ? head.sequence : -1;
  }

  /** Somebody waits for the others' word from now on. */
  expect(now: number): void {
    this.#askAt = Math.min(this.#askAt, now + configAskMs);
  }

  /** Those of the cards whose word for this change is missing; they are to be asked now, and again later. */
  owing(now: number, sequence: number, cards: readonly CardId[]): CardId[] {
    this.#askAt = now + configAskMs;
    return cards.filter((card) => this.upTo(card) < sequence);
  }

  /** Nobody waits any more. */
  rest(): void {
    this.#askAt = Infinity;
  }
}
