/**
 * The watchdog as a lease (HA-15): when its card is fed to the hardware, and how long the others have to wait until a card that nothing else proves to have
 * stopped has stopped for certain. Pure; `limits.ts` has the shares.
 *
 *     the others go on ── at most half a time-out ──► it may serve no more ── stops, idle: fed
 *           │                                                         └────── cannot stop: not fed ── a time-out ──► reset
 *           └──────────────────────── two time-outs ────────────────────────────────────────────────────────────► others start
 *
 * A card that stands still feeds nothing. One that wakes up within half a time-out may feed once more before it learns that the others have gone on: so
 * standing still, serving on and the time-out itself are two time-outs at most. Who stood still for longer and runs something is reset, whatever it believes.
 */
import { leaseServeShare, leaseStallShare, leaseTimeouts, viewGraceMs, viewResendMs, viewResendsMax } from "../limits.ts";

/**
 * How long a card may serve after the others have agreed on a view without it: it is silent to itself, or told of a later view, and has no view of its
 * own for a while. `silenceMs`: after which a peer is down, on the slowest link; `periodMs`: between two heartbeats there.
 */
export function servesOnMs(silenceMs: number, periodMs: number): number {
  return silenceMs + periodMs + viewResendMs * viewResendsMax + viewGraceMs;
}

/** How long the others wait; `undefined` when the time-out is too short for a card to stop in it. */
export function leaseMsOf(timeoutMs: number | undefined, silenceMs: number, periodMs: number): number | undefined {
  if (timeoutMs === undefined || servesOnMs(silenceMs, periodMs) > timeoutMs * leaseServeShare) return undefined;
  return leaseTimeouts * timeoutMs;
}

export class WatchdogLease {
  #fedAt: number | undefined;

  /** Whether the hardware is fed now. `isIdle`: nothing that is failed over runs on this card. */
  feeds(now: number, timeoutMs: number, isIdle: boolean, mayServe: boolean): boolean {
    const stoodStill = this.#fedAt !== undefined && now > this.#fedAt + timeoutMs * leaseStallShare;
    if (!isIdle && (!mayServe || stoodStill)) return false;
    this.#fedAt = now;
    return true;
  }
}
