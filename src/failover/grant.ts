/**
 * A grant decides, step by step, that one thing passes from one card to another: a service, or the role of Primary of a set. Pure: the order
 * carries the events, every card computes the same grant, and the orders are carried out by those they name.
 *
 *     idle ───wanted────┐                  ┌─ retry ──┐
 *                       ▼                  ▼          │
 *     releasing ─released─────────────► starting ─► running
 *        ▲  │                              │  │        │
 *        │  └────proven────► proven ───────┘  └─► failed ◄┘
 *        └──────────── wanted elsewhere ─────── from each of these; a proof leads from each to proven
 *
 * Follows FS-5 and HA-15. What must hold: nobody is granted what another card has or may have (released: it says that it stopped, and its monitor
 * proves it; proven: it is down). Epochs only grow, and an answer to an older one is nothing. The losers have heard no before the winner hears yes,
 * and no message of its own is needed for that: what grants is an entry of the order, which is delivered nowhere before it has been around the
 * ring and each card of the order holds it. The surprising part: a card that failed to start counts as having it, because half a start holds as
 * much as a whole one.
 */
import type { CardId } from "../base/ids.ts";

export type GrantState = "idle" | "releasing" | "proven" | "starting" | "running" | "failed";

export type Grant = {
  readonly state: GrantState;
  /** Who has it, or may have it. */
  readonly holder: CardId | undefined;
  /** Who is to have it; undefined when it is to stop. */
  readonly target: CardId | undefined;
  /** Of the last grant; 0 when there was none. */
  readonly epoch: number;
  /** The holder could not stop: it is being fenced. */
  readonly isFencing: boolean;
};

export type GrantEvent =
  /** The assignment wants it there. */
  | { readonly kind: "wanted"; readonly to: CardId | undefined }
  /** The holder has stopped it, proven by its monitor. */
  | { readonly kind: "released"; readonly by: CardId }
  | { readonly kind: "stopFailed"; readonly by: CardId }
  /** A card is proven down. */
  | { readonly kind: "proven"; readonly card: CardId }
  | { readonly kind: "started"; readonly by: CardId; readonly epoch: number }
  /** A start failed, or what ran has ended. */
  | { readonly kind: "failed"; readonly by: CardId; readonly epoch: number }
  /** It is started again where it is: a restart keeps its grant. */
  | { readonly kind: "retry"; readonly by: CardId };

export type GrantOrder =
  | { readonly kind: "release"; readonly card: CardId }
  | { readonly kind: "fence"; readonly card: CardId }
  /** It begins to start at once. */
  | { readonly kind: "grant"; readonly card: CardId; readonly epoch: number };

export const idleGrant: Grant = { state: "idle", holder: undefined, target: undefined, epoch: 0, isFencing: false };

/** Which state may follow which; a state that stays is none. */
export const grantTransitions: Readonly<Record<GrantState, readonly GrantState[]>> = {
  idle: ["starting"],
  releasing: ["proven", "starting", "idle"],
  proven: ["starting", "idle"],
  starting: ["running", "failed", "releasing", "proven"],
  running: ["failed", "releasing", "proven"],
  failed: ["starting", "releasing", "proven"],
};

export type GrantStep = { readonly grant: Grant; readonly orders: readonly GrantOrder[] };

/** The states in which a card has it or may have it. */
export function isHeld({ state }: Grant): boolean {
  return state === "releasing" || state === "starting" || state === "running" || state === "failed";
}

/** What follows from an event. An event that fits no more, because something overtook it, changes nothing. */
export function stepGrant(grant: Grant, event: GrantEvent): GrantStep {
  switch (event.kind) {
    case "wanted":
      return onWanted(grant, event.to);
    case "released":
      return grant.state === "releasing" && event.by === grant.holder ? onFree(grant) : unchanged(grant);
    case "stopFailed":
      return grant.state === "releasing" && event.by === grant.holder && !grant.isFencing
        ? { grant: { ...grant, isFencing: true }, orders: [{ kind: "fence", card: event.by }] }
        : unchanged(grant);
    case "proven":
      return onProven(grant, event.card);
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

function onWanted(grant: Grant, to: CardId | undefined): GrantStep {
  const { state, holder } = grant;
  switch (state) {
    case "idle":
    case "proven":
      return onFree({ ...grant, target: to });
    case "releasing":
      return unchanged({ ...grant, target: to });
    case "starting":
    case "running":
      return to === holder ? unchanged(grant) : release({ ...grant, target: to });
    case "failed":
      // Half a start is undone before it is tried anywhere, here too.
      return release({ ...grant, target: to });
  }
}

function release(grant: Grant): GrantStep {
  return { grant: { ...grant, state: "releasing", isFencing: false }, orders: [{ kind: "release", card: grant.holder as CardId }] };
}

/** Nobody has it any more. */
function onFree(grant: Grant): GrantStep {
  const { target } = grant;
  if (target === undefined) return grant.state === "idle" ? unchanged(grant) : unchanged({ ...grant, ...nobody, state: "idle" });
  const epoch = grant.epoch + 1;
  return {
    grant: { ...grant, state: "starting", holder: target, epoch, isFencing: false },
    orders: [{ kind: "grant", card: target, epoch }],
  };
}

const nobody = { holder: undefined, target: undefined, isFencing: false } as const;

/** Who is to have it now is decided anew: whoever was to have it before may be gone with it. */
function onProven(grant: Grant, card: CardId): GrantStep {
  return isHeld(grant) && card === grant.holder ? unchanged({ ...grant, ...nobody, state: "proven" }) : unchanged(grant);
}

function onWinner(grant: Grant, event: { readonly by: CardId; readonly epoch: number }, from: GrantState, to: GrantState): GrantStep {
  const fits = grant.state === from && event.by === grant.holder && event.epoch === grant.epoch;
  return fits ? { grant: { ...grant, state: to }, orders: [] } : unchanged(grant);
}
