/**
 * What the membership service agrees on and hands upward: numbered node views, and the three kinds of notification
 * (HA-5). Types only.
 */
import type { CardId } from "../base/ids.ts";

/** A member of a node view: one incarnation of a card. */
export type ViewMember = {
  readonly card: CardId;
  readonly incarnation: number;
  /** The number of the view that this card was in before, 0 for a card that has just started. */
  readonly previous: number;
};

/**
 * A card of the electorate that is not a member. `down` is proven (its receipt is known to a member): its resources may
 * be taken over. `unknown` is not: they stay where they are.
 */
export type AbsentCard = { readonly card: CardId; readonly state: "down" | "unknown" };

/** The agreed list of live cards. Equal numbers mean equal views, over all cards and for ever. */
export type NodeView = {
  /** Grows with each view, from 1; numbers may be left out. */
  readonly number: number;
  /** The lowest member; it proposed this view. */
  readonly coordinator: CardId;
  /** By card, lowest first; each confirmed each other one. */
  readonly members: readonly ViewMember[];
  /**
   * The members that confirm each other on Ethernet, lowest first: they exchange ordered messages. A quorum by itself, or
   * empty; then ordered messages stop for all.
   */
  readonly ether: readonly CardId[];
  readonly absent: readonly AbsentCard[];
};

/**
 * `tentative`: a change is under way or there is no quorum, start nothing new. `confirmed`: every absent card of the
 * electorate is down, with a receipt. `unconfirmed`: some absent card is unknown.
 */
export type MembershipNotification =
  | { readonly kind: "tentative"; readonly reason: string }
  | { readonly kind: "confirmed" | "unconfirmed"; readonly view: NodeView };

/** What proves that a card has stopped. */
export type Receipt =
  /** It said goodbye. */
  | "left"
  /** The multiplexor says that its slot has no power, or no card. */
  | "power"
  /** Its reset line was pulled, and the multiplexor acknowledged. */
  | "reset"
  /** It announced that it resets itself. */
  | "failing"
  /** A later incarnation of it was heard. */
  | "restarted"
  /** It has been out of every view for so long that its watchdog has reset it, unless it runs nothing. */
  | "lease";
