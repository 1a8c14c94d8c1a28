/**
 * Decides when a card asks its witness for what, and how long it may believe that it holds the witness. Pure: time comes
 * in, requests go out, one at a time.
 *
 * ```
 * wanted ──► grant ──► take ──► (a while) ──► keepAlive ──► take ──► ...        not wanted ──► revoke
 *              ▲                                  │ gone
 *              └──────────────────────────────────┘
 * ```
 *
 * A lease of etcd lives for its time to live from when the server last heard of it, which is after the request *began*.
 * Who holds the key under a lease holds the witness; it believes so for `heldShare` of that time from the beginning of the
 * request, by its own monotonic clock, and another can take the key only after all of it. So two never believe it at once
 * as long as their clocks' rates differ by less than the rest. Whether the key is ours is asked each time (`take` puts
 * it where there is none): who finds another's there gives up at once.
 */
import { unreachable } from "../base/assert.ts";
import type { LogFields, LogLevel } from "../node/effect.ts";

/** Of the lease's time to live: for how long it is believed, how long a request may take, how often it is renewed, and the rest after a round of failures. */
const heldShare = 2 / 3;
const requestShare = 1 / 4;
const renewShare = 1 / 5;
const pauseShare = 1 / 10;
/** Failures that follow on one another are logged at most this often. */
const failureLogMs = 60_000;

export type WitnessRequest =
  | { readonly kind: "grant" }
  /** Puts the key under the lease where there is none, and says whose it is. */
  | { readonly kind: "take"; readonly lease: string }
  | { readonly kind: "keepAlive"; readonly lease: string }
  | { readonly kind: "revoke"; readonly lease: string };

export type WitnessLeaseInput =
  | { readonly kind: "wanted"; readonly wanted: boolean }
  /** The answer to `grant` or `keepAlive`: the lease lives; the request began at `beganAt`. */
  | { readonly kind: "lives"; readonly lease: string; readonly beganAt: number; readonly ttlMs: number }
  /** The answer to `take`: the key is under our lease, or `by` holds it. */
  | { readonly kind: "taken" }
  | { readonly kind: "occupied"; readonly by: string }
  /** The answer to `keepAlive`, `take` or `revoke`: there is no such lease (any more). */
  | { readonly kind: "gone" }
  /** No answer to any request, or none that is understood. */
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "tick" };

export type WitnessLeaseOutput =
  /** Answered by exactly one input, however long that takes. `endpoint` counts from 0. */
  | { readonly kind: "request"; readonly request: WitnessRequest; readonly endpoint: number }
  | { readonly kind: "held"; readonly held: boolean }
  | { readonly kind: "log"; readonly level: LogLevel; readonly event: string; readonly fields: LogFields };

export class WitnessLease {
  readonly #ttlMs: number;
  readonly #endpointCount: number;
  #endpoint = 0;
  #wanted = false;
  #lease: string | undefined;
  /** When the request began that last proved the lease to live, and its time to live. */
  #provenAt = -Infinity;
  #provenForMs = 0;
  /** The lease has just been proven, and whose key it is has not been asked since. */
  #isFresh = false;
  #heldUntil = -Infinity;
  #isHeld = false;
  #isAsking = false;
  #nextAt = -Infinity;
  /** Requests in a row without an answer. */
  #failures = 0;
  #failureLoggedAt = -Infinity;
  #occupiedBy: string | undefined;

  constructor(ttlMs: number, endpointCount: number) {
    this.#ttlMs = ttlMs;
    this.#endpointCount = endpointCount;
  }

  /** How long a request may take. */
  get requestMs(): number {
    return this.#ttlMs * requestShare;
  }

  step(now: number, input: WitnessLeaseInput): WitnessLeaseOutput[] {
    const outputs: WitnessLeaseOutput[] = [];
    if (input.kind !== "wanted" && input.kind !== "tick") this.#isAsking = false;
    switch (input.kind) {
      case "wanted":
        if (input.wanted !== this.#wanted) this.#nextAt = now;
        this.#wanted = input.wanted;
        if (!input.wanted) this.#end(outputs, "info", "it is not wanted any more");
        break;
      case "lives":
        this.#onAnswer();
        this.#lease = input.lease;
        this.#provenAt = input.beganAt;
        this.#provenForMs = Math.min(this.#ttlMs, input.ttlMs);
        this.#isFresh = true;
        this.#nextAt = now;
        break;
      case "taken":
        this.#onAnswer();
        this.#occupiedBy = undefined;
        if (this.#wanted) this.#heldUntil = this.#provenAt + this.#provenForMs * heldShare;
        this.#nextAt = this.#provenAt + this.#ttlMs * renewShare;
        break;
      case "occupied":
        this.#onAnswer();
        this.#end(outputs, "warn", `${input.by} holds it`);
        if (this.#wanted && this.#occupiedBy !== input.by) this.#log(outputs, "info", "witness occupied", { by: input.by });
        this.#occupiedBy = input.by;
        this.#nextAt = this.#provenAt + this.#ttlMs * renewShare;
        break;
      case "gone":
        this.#onAnswer();
        this.#lease = undefined;
        this.#end(outputs, "warn", "the lease is gone");
        this.#nextAt = now + this.#ttlMs * pauseShare;
        break;
      case "failed":
        this.#onFailure(now, input.reason, outputs);
        break;
      case "tick":
        break;
      default:
        unreachable(input);
    }
    if (this.#isHeld && now >= this.#heldUntil) this.#end(outputs, "warn", "the lease could not be renewed in time");
    else if (!this.#isHeld && now < this.#heldUntil) {
      this.#isHeld = true;
      outputs.push({ kind: "held", held: true });
      this.#log(outputs, "info", "witness held", {});
    }
    this.#ask(now, outputs);
    return outputs;
  }

  deadline(): number {
    const nextAt = !this.#isAsking && (this.#wanted || this.#lease !== undefined) ? this.#nextAt : Infinity;
    return this.#isHeld ? Math.min(nextAt, this.#heldUntil) : nextAt;
  }

  /** Nothing is held, wanted, asked for or left behind. */
  get isIdle(): boolean {
    return !this.#wanted && this.#lease === undefined && !this.#isAsking;
  }

  #ask(now: number, outputs: WitnessLeaseOutput[]): void {
    if (this.#isAsking || now < this.#nextAt) return;
    const lease = this.#lease;
    const request = this.#requestFor(lease);
    if (request === undefined) return;
    this.#isFresh = false;
    this.#isAsking = true;
    outputs.push({ kind: "request", request, endpoint: this.#endpoint });
  }

  #requestFor(lease: string | undefined): WitnessRequest | undefined {
    if (lease === undefined) return this.#wanted ? { kind: "grant" } : undefined;
    if (!this.#wanted) return { kind: "revoke", lease };
    return { kind: this.#isFresh ? "take" : "keepAlive", lease };
  }

  #onAnswer(): void {
    this.#failures = 0;
  }

  /** The next endpoint is tried at once, and after a round of all of them a little later. */
  #onFailure(now: number, reason: string, outputs: WitnessLeaseOutput[]): void {
    if (now >= this.#failureLoggedAt + failureLogMs) {
      this.#failureLoggedAt = now;
      this.#log(outputs, "warn", "witness unreachable", { reason });
    }
    this.#endpoint = (this.#endpoint + 1) % this.#endpointCount;
    this.#failures++;
    const isRoundOver = this.#failures % this.#endpointCount === 0;
    this.#nextAt = isRoundOver ? now + this.#ttlMs * pauseShare : now;
    // A lease that cannot be given back ends by itself.
    if (!this.#wanted && isRoundOver) this.#lease = undefined;
  }

  #end(outputs: WitnessLeaseOutput[], level: LogLevel, reason: string): void {
    this.#heldUntil = -Infinity;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    outputs.push({ kind: "held", held: false });
    this.#log(outputs, level, "witness no longer held", { reason });
  }

  #log(outputs: WitnessLeaseOutput[], level: LogLevel, event: string, fields: LogFields): void {
    outputs.push({ kind: "log", level, event, fields });
  }
}
