/**
 * A grant decides, step by step, that one thing passes from one card to another: a service, or the role of Primary of a set. Pure: the order
 * carries the events, every card computes the same grant, and the orders are carried out by those they name.
 *
 *     idle ──────────wanted──────────┐          ┌─ retry ──┐
 *                                    ▼          ▼          │
 *     releasing ─released─► released ─┬─► granted ─► starting ─► running
 *        ▲  │                         │     │           │ │         │
 *        │  └────proven────► proven ──┘     │           │ └─► failed ◄┘
 *        └──────────── wanted elsewhere ────┴───────────┴──── from each of these; a proof leads from each to proven
 *
 * Follows FS-5 and HA-15. What must hold: nobody is granted what another card has or may have (released: it says that it stopped, and its monitor
 * proves it; proven: it is down). The losers have heard no before the winner hears yes. Epochs only grow, and an answer to an older one is
 * nothing. The surprising part: a card that failed to start counts as having it, because half a start holds as much as a whole one.
 */
import type { CardId } from "../base/ids.ts";

export type GrantState = "idle" | "releasing" | "released" | "proven" | "granted" | "starting" | "running" | "failed";

export type Grant = {
  readonly state: GrantState;
  /** Who has it, or may have it. */
  readonly holder: CardId | undefined;
  /** Who is to have it; undefined when it is to stop. */
  readonly target: CardId | undefined;
  /** Of the last grant; 0 when there was none. */
  readonly epoch: number;
  /** Losers that have not heard no yet. */
  readonly unheard: readonly CardId[];
  /** The holder could not stop: it is being fenced. */
  readonly isFencing: boolean;
};

export type GrantEvent =
  /** The assignment wants it there. `losers`: every other card that is up and could have it. */
  | { readonly kind: "wanted"; readonly to: CardId | undefined; readonly losers: readonly CardId[] }
  /** The holder has stopped it, proven by its monitor. */
  | { readonly kind: "released"; readonly by: CardId }
  | { readonly kind: "stopFailed"; readonly by: CardId }
  /** A card is proven down. */
  | { readonly kind: "proven"; readonly card: CardId }
  /** A loser knows that this epoch is not its own. */
  | { readonly kind: "refusalHeard"; readonly by: CardId; readonly epoch: number }
  /** The winner begins to start. */
  | { readonly kind: "accepted"; readonly by: CardId; readonly epoch: number }
  | { readonly kind: "started"; readonly by: CardId; readonly epoch: number }
  /** A start failed, or what ran has ended. */
  | { readonly kind: "failed"; readonly by: CardId; readonly epoch: number }
  /** It is started again where it is: a restart keeps its grant. */
  | { readonly kind: "retry"; readonly by: CardId };

export type GrantOrder =
  | { readonly kind: "release"; readonly card: CardId }
  | { readonly kind: "fence"; readonly card: CardId }
  | { readonly kind: "refuse"; readonly card: CardId; readonly epoch: number }
  | { readonly kind: "grant"; readonly card: CardId; readonly epoch: number };

export const idleGrant: Grant = { state: "idle", holder: undefined, target: undefined, epoch: 0, unheard: [], isFencing: false };

/** Which state may follow which; a state that stays is none. */
export const grantTransitions: Readonly<Record<GrantState, readonly GrantState[]>> = {
  idle: ["released", "granted"],
  releasing: ["released", "proven", "granted", "idle"],
  released: ["granted", "idle"],
  proven: ["granted", "idle"],
  granted: ["starting", "releasing", "proven"],
  starting: ["running", "failed", "releasing", "proven"],
  running: ["failed", "releasing", "proven"],
  failed: ["starting", "releasing", "proven"],
};

export type GrantStep = { readonly grant: Grant; readonly orders: readonly GrantOrder[] };

/** The states in which a card has it or may have it. */
export function isHeld({ state }: Grant): boolean {
  return state === "releasing" || state === "granted" || state === "starting" || state === "running" || state === "failed";
}

/** What follows from an event. An event that fits no more, because something overtook it, changes nothing. */
export function stepGrant(grant: Grant, event: GrantEvent): GrantStep {
  switch (event.kind) {
    case "wanted":
      return onWanted(grant, event.to, event.losers);
    case "released":
      return grant.state === "releasing" && event.by === grant.holder ? onFree(grant, "released") : unchanged(grant);
    case "stopFailed":
      return grant.state === "releasing" && event.by === grant.holder && !grant.isFencing
        ? { grant: { ...grant, isFencing: true }, orders: [{ kind: "fence", card: event.by }] }
        : unchanged(grant);
    case "proven":
      return onProven(grant, event.card);
    case "refusalHeard":
      return event.epoch === grant.epoch + 1 ? onHeard(grant, event.by) : unchanged(grant);
    case "accepted":
      return onWinner(grant, event, "granted", "starting");
    case "started":
      return onWinner(grant, event, "starting", "running");
    case "failed":
      return grant.state === "running" ? onWinner(grant, event, "running", "failed") : onWinner(grant, event, "starting", "failed");
    case "retry":
      return grant.state === "failed" && event.by === grant.holder && grant.target === grant.holder
        ? { grant: { ...grant, state: "starting" }, orders: [] }
        : unchanged(grant);
    default: {
      const never: never = event;
      throw new Error(`broken invariant: grant event ${JSON.stringify(never)}`);
    }
  }
}

function unchanged(grant: Grant): GrantStep {
  return { grant, orders: [] };
}

function onWanted(grant: Grant, to: CardId | undefined, losers: readonly CardId[]): GrantStep {
  const { state, holder } = grant;
  switch (state) {
    case "idle":
      return to === undefined ? unchanged(grant) : refuseThenGrant({ ...grant, target: to }, "released", losers);
    case "released":
    case "proven":
      if (to !== undefined && to === grant.target && losers.every((card) => grant.unheard.includes(card))) return unchanged(grant);
      return refuseThenGrant({ ...grant, target: to }, state, losers);
    case "releasing":
      return unchanged({ ...grant, target: to, unheard: losers });
    case "granted":
    case "starting":
    case "running":
      if (to === holder) return unchanged(grant);
      return release({ ...grant, target: to, unheard: losers });
    case "failed":
      // Half a start is undone before it is tried anywhere, here too.
      return release({ ...grant, target: to, unheard: losers });
  }
}

function release(grant: Grant): GrantStep {
  return { grant: { ...grant, state: "releasing", isFencing: false }, orders: [{ kind: "release", card: grant.holder as CardId }] };
}

/** Nobody has it any more. */
function onFree(grant: Grant, state: "released" | "proven"): GrantStep {
  return refuseThenGrant({ ...grant, holder: undefined, isFencing: false }, state, grant.unheard);
}

function refuseThenGrant(grant: Grant, state: "released" | "proven", losers: readonly CardId[]): GrantStep {
  const { target, epoch } = grant;
  if (target === undefined) return { grant: { ...grant, state: "idle", holder: undefined, unheard: [] }, orders: [] };
  const unheard = losers.filter((card) => card !== target);
  if (unheard.length === 0) return give(grant, target);
  return { grant: { ...grant, state, unheard }, orders: unheard.map((card) => ({ kind: "refuse", card, epoch: epoch + 1 })) };
}

function give(grant: Grant, target: CardId): GrantStep {
  const epoch = grant.epoch + 1;
  return {
    grant: { ...grant, state: "granted", holder: target, target, epoch, unheard: [], isFencing: false },
    orders: [{ kind: "grant", card: target, epoch }],
  };
}

function onHeard(grant: Grant, by: CardId): GrantStep {
  const { state, unheard, target } = grant;
  if ((state !== "released" && state !== "proven") || !unheard.includes(by) || target === undefined) return unchanged(grant);
  const rest = unheard.filter((card) => card !== by);
  return rest.length === 0 ? give(grant, target) : unchanged({ ...grant, unheard: rest });
}

function onProven(grant: Grant, card: CardId): GrantStep {
  const { state, holder, target, unheard } = grant;
  const rest = unheard.filter((other) => other !== card);
  if (isHeld(grant) && card === holder) {
    // What it was to have itself, it is to have no more.
    const to = target === card ? undefined : target;
    return to === undefined
      ? { grant: { ...grant, state: "proven", holder: undefined, target: undefined, unheard: rest, isFencing: false }, orders: [] }
      : onFree({ ...grant, target: to, unheard: rest }, "proven");
  }
  if (state === "released" || state === "proven") {
    if (card === target) return unchanged({ ...grant, target: undefined, unheard: rest });
    return unheard.includes(card) ? onHeard(grant, card) : unchanged(grant);
  }
  return unchanged(unheard.includes(card) ? { ...grant, unheard: rest } : grant);
}

function onWinner(grant: Grant, event: { readonly by: CardId; readonly epoch: number }, from: GrantState, to: GrantState): GrantStep {
  const fits = grant.state === from && event.by === grant.holder && event.epoch === grant.epoch;
  return fits ? { grant: { ...grant, state: to }, orders: [] } : unchanged(grant);
}
