/**
 * Whose turn it is to propose: who waits in line goes first, for a while after each outcome; a card that does not take its turn holds nobody up.
 */
import { configYieldMs } from "../limits.ts";

export class Turn {
  #yieldUntil = -Infinity;
  #planAt = Infinity;

  /** When a wish that yielded may be planned; `Infinity` when none did. */
  deadline(): number {
    return this.#planAt;
  }

  onTick(now: number): void {
    if (now >= this.#planAt) this.#planAt = Infinity;
  }

  /** Something was accepted or refused: the next one in line has its turn. */
  onOutcome(now: number): void {
    this.#yieldUntil = now + configYieldMs;
  }

  /** Whether a wish may be planned now; `isOthers`: another card is first in the line. */
  isOurs(now: number, isOthers: boolean): boolean {
    const isOurs = !isOthers || now >= this.#yieldUntil;
    this.#planAt = isOurs ? Infinity : this.#yieldUntil;
    return isOurs;
  }

  /** No wish waits that could be planned. */
  pass(): void {
    this.#planAt = Infinity;
  }
}
