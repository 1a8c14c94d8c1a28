/**
 * Monitor decides when a member that asked for it is asked whether it lives, and when its silence means that it does not
 * (HA-6, liveliness).
 *
 *     resting ── withinMs ──► asked ── answered ──► resting
 *                              │ withinMs without an answer, and we were awake
 *                              ▼
 *                             dead
 *
 * A late tick is evidence about this card: the answer may wait unread. So who did not answer in time gets as much time again
 * as we were late, no more than `withinMs` at once, and is dead only when we were late by no more than that again.
 */
import { lateTickMs } from "../limits.ts";

export class Monitor {
  readonly withinMs: number;
  /** When to ask, or until when to be answered. */
  #at: number;
  /** Asked and not answered. */
  #nonce: number | undefined;
  #graceMs = lateTickMs;

  constructor(now: number, withinMs: number) {
    this.withinMs = withinMs;
    this.#at = now + withinMs;
  }

  deadline(): number {
    return this.#at;
  }

  onAlive(nonce: number): void {
    if (nonce === this.#nonce) this.#nonce = undefined;
  }

  /** `nonce` is the one to ask with if it is time to. */
  onTick(now: number, nonce: number): "ask" | "dead" | undefined {
    if (now < this.#at) return undefined;
    if (this.#nonce === undefined) {
      this.#nonce = nonce;
      this.#at = now + this.withinMs;
      this.#graceMs = lateTickMs;
      return "ask";
    }
    const lateMs = now - this.#at;
    if (lateMs <= this.#graceMs) return "dead";
    this.#graceMs = Math.min(lateMs, this.withinMs);
    this.#at = now + this.#graceMs;
    return undefined;
  }
}
