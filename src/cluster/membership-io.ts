/**
 * What membership is told and what it wants done: its contract with the node that drives it.
 */
import type { Address, CardId, LinkKind } from "../base/ids.ts";
import type { CommittedView, CommitView, Heartbeat, PromiseView, ProposeView, RefuseView, WantView } from "../wire/message.ts";
import type { CardHealth, LinkPatience } from "./heartbeat.ts";
import type { MembershipNotification, Receipt } from "./view.ts";

export type MembershipMessage = WantView | ProposeView | PromiseView | RefuseView | CommitView | CommittedView;

export type MembershipSettings = {
  readonly ether: LinkPatience;
  readonly serial: LinkPatience;
  /** The cards that the configuration names, this one included. */
  readonly expected: readonly CardId[];
  /** Of these, the ones that do not vote. */
  readonly disabled: readonly CardId[];
  readonly tieBreak?: CardId;
  readonly witness: boolean;
};

export type MembershipInput =
  /** What the heartbeat service concluded. */
  | { readonly kind: "cardHealth"; readonly card: CardId; readonly health: CardHealth | "absent" }
  /** An accepted heartbeat of a peer, and our own as it is sent: the rows of the tick matrix. */
  | { readonly kind: "beat"; readonly link: LinkKind; readonly from: CardId; readonly beat: Heartbeat }
  | { readonly kind: "ownBeat"; readonly link: LinkKind; readonly beat: Heartbeat }
  /** The first frame of an incarnation of a peer. */
  | { readonly kind: "heard"; readonly card: CardId; readonly incarnation: number }
  /** May come on both links, late, and in any order. */
  | { readonly kind: "message"; readonly from: CardId; readonly incarnation: number; readonly message: MembershipMessage }
  /** `upTo`: the newest incarnation whose end it proves; missing where it is about whichever runs. */
  | { readonly kind: "receipt"; readonly card: CardId; readonly receipt: Receipt; readonly upTo?: number }
  /** The slot has power again: that it had none proves nothing any more. */
  | { readonly kind: "powerOn"; readonly card: CardId }
  | { readonly kind: "settings"; readonly settings: MembershipSettings }
  | { readonly kind: "witness"; readonly held: boolean }
  | { readonly kind: "reserved"; readonly upTo: number }
  /** This card was late by so much: it is taken off everybody's silence. */
  | { readonly kind: "late"; readonly ms: number }
  /** The view that this card took over is of no use to it, for a reason that membership does not see: it wants another one. */
  | { readonly kind: "unsettled"; readonly reason: string }
  | { readonly kind: "leave" }
  | { readonly kind: "tick" };

export type MembershipOutput =
  | { readonly kind: "send"; readonly to: Address; readonly message: MembershipMessage }
  /** The reason is for people. */
  | { readonly kind: "notification"; readonly notification: MembershipNotification; readonly reason: string }
  | { readonly kind: "reserve"; readonly upTo: number }
  | { readonly kind: "witness"; readonly wanted: boolean }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  };
