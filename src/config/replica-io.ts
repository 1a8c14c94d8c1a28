/**
 * What the replica is told and what it wants done: its contract with the node that drives it.
 */
import type { CardId } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";
import type { ConfigMessage } from "../wire/message.ts";
import type { ConfigAlarm } from "./replica-alarms.ts";
import type { ConfigAnswer, ConfigRequest } from "./request.ts";
import type { StoreOrder, StoreResult } from "./store.ts";

export type ReplicaInput =
  /** This card has a store: there is a replica. */
  | { readonly kind: "storeFound" }
  | { readonly kind: "stored"; readonly result: StoreResult }
  /** The cards that vote, and the one that decides at exactly half. */
  | { readonly kind: "electorate"; readonly cards: readonly CardId[]; readonly tieBreak: CardId | undefined }
  /** A view, at its place in the order. */
  | { readonly kind: "epoch"; readonly view: NodeView }
  /** What the group service tells its member, and the number of the view whose order it is from. */
  | { readonly kind: "group"; readonly event: ApplicationEvent; readonly epoch: number }
  | { readonly kind: "message"; readonly from: CardId; readonly message: ConfigMessage }
  /** What a card's heartbeat says of its configuration. */
  | { readonly kind: "beat"; readonly from: CardId; readonly head: number }
  | { readonly kind: "configure"; readonly client: number; readonly request: ConfigRequest }
  | { readonly kind: "tick" };

export type ReplicaOutput =
  | { readonly kind: "request"; readonly request: ApplicationRequest }
  /** `isAgain`: it may not have got what it was sent before. */
  | { readonly kind: "send"; readonly to: CardId; readonly message: ConfigMessage; readonly isAgain: boolean }
  | { readonly kind: "store"; readonly order: StoreOrder }
  | { readonly kind: "configured"; readonly client: number; readonly answer: ConfigAnswer }
  /** Another view is needed. */
  | { readonly kind: "unsettled"; readonly reason: string }
  /** Raised, or with new words; without a text it is over. */
  | ConfigAlarm
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: LogFields;
  };

export type LogFields = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
