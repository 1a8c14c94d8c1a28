/**
 * What a card's management (HTTP, console) asks of the replica, and its answers. Types only. Plain reads go to the card's store at the edge, not
 * through the node; the node's status says how fresh they are.
 */
import type { CardId } from "../base/ids.ts";
import type { ConfigRefusal, Head, Wish } from "./change.ts";
import type { Branch } from "./store.ts";

export type ConfigRequest =
  /** One change. Answered when every replica has it durably. A card that is catching up or in hold forwards it to one that is current. */
  | { readonly kind: "change"; readonly wish: Wish }
  /** Proves the store; with `repair` takes what is wrong from another card: a snapshot, or all of it. */
  | { readonly kind: "check"; readonly repair: boolean }
  | { readonly kind: "discardBranch"; readonly id: string };

export type ConfigAnswer =
  | {
    readonly kind: "changed";
    readonly head: Head;
    readonly servedBy: CardId; /** It was known by its key already. */
    readonly repeated: boolean;
  }
  | { readonly kind: "checked"; readonly findings: readonly string[]; readonly repaired: boolean }
  | { readonly kind: "discarded" }
  | { readonly kind: "refused"; readonly refusal: ConfigRefusal; readonly servedBy: CardId };

/** In a card's status. */
export type ConfigurationStatus = {
  readonly state: "opening" | "joining" | "catching-up" | "current" | "stale" | "hold";
  /** Why it is not current, in words; with `hold` the coded reason too. */
  readonly reason?: string;
  readonly code?: string;
  /** The durable head; its hash in hex. */
  readonly head: { readonly sequence: number; readonly epoch: number; readonly hash: string };
  readonly level: number;
  /** The highest level that this card's software stores. */
  readonly levelMax: number;
  readonly replicas: readonly CardId[];
  /** How long ago this card last knew that its head is the system's; 0 while it is current. */
  readonly ageMs: number;
  readonly progress?: { readonly what: "changes" | "snapshot"; readonly done: number; readonly of: number; readonly from: CardId };
  readonly branches: readonly (Omit<Branch, "head" | "common"> & { readonly changes: number; readonly since: number })[];
  /** Changes of this card's callers that are under way. */
  readonly pending: number;
  /** Requests of management that this card served for its own callers, for other cards, and forwarded to others, since its start. */
  readonly load: { readonly served: number; readonly servedForOthers: number; readonly forwarded: number };
  readonly counters: Readonly<Record<string, number>>;
};
