/** What a card orders. Kinds are imperatives; the edge carries them out in the order given. */
import type { Address, LinkKind } from "../base/ids.ts";
import type { ApplicationEvent } from "../cluster/application.ts";
import type { ConfigAnswer } from "../config/request.ts";
import type { StoreOrder } from "../config/store.ts";
import type { ProceedAnswer } from "../failover/boot.ts";
import type { LastRun } from "../failover/boot-type.ts";
import type { FailoverRecord } from "../failover/failover-record.ts";
import type { HookOrder } from "../failover/resource.ts";
import type { PostCheck, SelfTestCheck } from "../failover/self-test-checks.ts";
import type { OperatorAnswer } from "../failover/service-types.ts";
import type { Message } from "../wire/message.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;

export type Effect =
  /**
   * Sends one frame. The sequence is the node's, so that a history names each frame. On Ethernet it goes to the group of all cards
   * unless there is an `address`.
   */
  | {
    readonly kind: "send";
    readonly link: LinkKind;
    readonly to: Address;
    readonly sequence: number;
    readonly message: Message;
    readonly address?: Uint8Array;
  }
  /** Sends an LLDP frame that announces this card to switches and standard tools. `ttlS` 0 takes it back. */
  | { readonly kind: "sendLldp"; readonly ttlS: number }
  | { readonly kind: "log"; readonly level: LogLevel; readonly event: string; readonly fields: LogFields }
  /** Gives an event to a client of the local socket. */
  | { readonly kind: "application"; readonly client: number; readonly event: ApplicationEvent }
  /** Cuts a client off. */
  | { readonly kind: "closeApplication"; readonly client: number; readonly reason: string }
  /** Gives the store an order; it answers with `stored`. */
  | { readonly kind: "store"; readonly order: StoreOrder }
  /** Answers a client of management. */
  | { readonly kind: "configured"; readonly client: number; readonly answer: ConfigAnswer }
  /** Gives this card's resources an order; it is answered with `hookEnded`. */
  | { readonly kind: "hook"; readonly order: HookOrder }
  /** Answers an operator who ordered something of failover. */
  | { readonly kind: "operated"; readonly client: number; readonly answer: OperatorAnswer }
  /** A record of a failover as it is now, in the place of the one with its id. */
  | { readonly kind: "record"; readonly record: FailoverRecord }
  /** Carries these checks of the start out, each answered with `postChecked`, in any order. */
  | { readonly kind: "post"; readonly checks: readonly PostCheck[] }
  /** Carries these checks of the card out, each answered with `selfTestChecked`, in any order. */
  | { readonly kind: "selfTest"; readonly run: number; readonly checks: readonly SelfTestCheck[] }
  /** Keeps it for the next run of this card, in the place of the one before. */
  | { readonly kind: "recordRun"; readonly record: LastRun }
  /** Answers an operator who said that the start goes on. */
  | { readonly kind: "bootAnswered"; readonly client: number; readonly answer: ProceedAnswer }
  /** Writes down that view numbers up to this one may have been promised, and answers with `reserved`. */
  | { readonly kind: "reserve"; readonly upTo: number }
  /** Asks the witness for its lease, or gives it back. */
  | { readonly kind: "witness"; readonly wanted: boolean }
  /** Ends this card's program so that its hardware is reset: the reason has been told to the others (HA-7). */
  | { readonly kind: "resetCard"; readonly reason: string }
  /** Starts over with an incarnation above the one given: the slot has been heard with a later one than ours. */
  | { readonly kind: "reincarnate"; readonly above: number };
