/**
 * The witness outside of the system: it gives its one lease to the card that asks first, for as long as that card
 * reaches it. A holder that is not heard for `leaseMs` has lost it; its own card knows that no later than the witness.
 */
import type { Prng } from "../base/prng.ts";
import type { Run, SimCard } from "./sim-card.ts";

type LeaseWorld = { readonly at: number; later(at: number, run: (at: number) => void): void };
type Tell = (card: SimCard, run: Run, input: { readonly kind: "witness"; readonly held: boolean }) => void;

/** The lease runs out when its holder has not been heard for this long. */
export const leaseMs = 1_000;
/** How often a card renews what it holds, or asks again for what it wants. */
export const leaseRenewMs = 250;

export class Lease {
  readonly #world: LeaseWorld;
  readonly #tell: Tell;
  readonly #prng: Prng;
  readonly #wanted = new Set<Run>();
  /** Who holds it, until when. */
  #holder: { readonly run: Run; readonly until: number } | undefined;
  readonly #heldUntil = new Map<Run, number>();
  /** What each run was told last. */
  readonly #told = new Map<Run, boolean>();

  constructor(world: LeaseWorld, tell: Tell, prng: Prng) {
    this.#world = world;
    this.#tell = tell;
    this.#prng = prng;
  }

  /** Whether the run holds the lease as the witness sees it. */
  isHeldBy(run: Run): boolean {
    return this.#holder?.run === run && this.#holder.until > this.#world.at;
  }

  /** Whether it held the lease a moment ago, when what it did with it was decided. */
  wasHeldBy(run: Run): boolean {
    return (this.#heldUntil.get(run) ?? -Infinity) > this.#world.at - leaseMs;
  }

  onWish(card: SimCard, run: Run, wanted: boolean): void {
    if (!wanted) {
      this.#wanted.delete(run);
      if (this.#holder?.run === run) this.#holder = undefined;
      this.#told.set(run, false);
      return;
    }
    if (this.#wanted.has(run)) return;
    this.#wanted.add(run);
    this.#ask(card, run);
  }

  /** A card that has stood still finds its lease run out before it does anything else. */
  onWake(card: SimCard, run: Run): void {
    if (this.#told.get(run) === true && !this.isHeldBy(run)) this.#say(card, run, false);
  }

  #ask(card: SimCard, run: Run): void {
    if (card.run !== run || !this.#wanted.has(run)) return;
    const { at } = this.#world;
    const reaches = run.port.ether && card.etherPort.attached && !card.etherPort.cutTx && !card.etherPort.cutRx && run.stall === undefined;
    if (reaches) {
      if (this.#holder === undefined || this.#holder.until <= at || this.#holder.run === run) {
        this.#holder = { run, until: at + leaseMs };
        this.#heldUntil.set(run, at + leaseMs);
        if (this.#told.get(run) !== true) {
          this.#world.later(at + this.#prng.between(0.5, 20), () => {
            if (this.isHeldBy(run) && this.#wanted.has(run) && this.#told.get(run) !== true) this.#say(card, run, true);
          });
        }
      }
    }
    // A card that does not reach the witness gives the lease up before the witness does.
    const isSafe = this.isHeldBy(run) && (this.#holder?.until ?? 0) - at > leaseRenewMs;
    if (this.#told.get(run) === true && !isSafe) this.#say(card, run, false);
    this.#world.later(at + leaseRenewMs, () => this.#ask(card, run));
  }

  #say(card: SimCard, run: Run, held: boolean): void {
    if (card.run !== run || run.stall !== undefined) return;
    this.#told.set(run, held);
    this.#tell(card, run, { kind: "witness", held });
  }
}
