/**
 * What applications and the group service say to each other on one card: requests come from a client of the local
 * socket, events go to it. Types only; `src/io/application-wire.ts` turns them into bytes and back.
 *
 * A client is one connection. It may be a member of several groups, once in each; a member is also called an
 * application instance (HA-6).
 */
import type { CardId } from "../base/ids.ts";

/** A member of a group, the same everywhere. `number` counts the members of one incarnation of a card, from 1; 0 is a sender that is no member. */
export type Member = {
  readonly card: CardId;
  readonly number: number;
  /** For people; at most memberNameBytesMax bytes. */
  readonly name: string;
  readonly critical: boolean;
};

/** A group's agreed membership. `number` grows by one with each change, from 1. Members by card, then number. */
export type GroupView = { readonly number: number; readonly members: readonly Member[] };

/**
 * How a member came or went. `exited`: the process ended or stopped answering, or its card left the view, without
 * unregistering: what it did last is not known. `returned`: its card was away and came back with it.
 */
export type MemberChange = { readonly member: Member; readonly change: "joined" | "left" | "exited" | "returned" };

export type ApplicationRequest =
  /**
   * Registers this client as a member. With `monitorMs` above 0 it must answer each `monitor` within that time. A critical
   * member that goes without `leave` resets its card (HA-7).
   */
  | {
    readonly kind: "join";
    readonly request: number;
    readonly group: string;
    readonly name: string;
    readonly critical: boolean;
    readonly monitorMs: number;
  }
  | { readonly kind: "leave"; readonly request: number; readonly group: string }
  /** Sends to all members, the sender included; a sender need not be a member. Answered with `sent` once it is committed. */
  | { readonly kind: "send"; readonly request: number; readonly group: string; readonly data: Uint8Array }
  /** Receives what the group receives, without being a member. */
  | { readonly kind: "watch"; readonly request: number; readonly group: string }
  | { readonly kind: "alive"; readonly nonce: number };

/** `state`: the wish contradicts what is (join twice, leave without join); `bounds`: too long, too many; `stopped`: no ordered messages now; `busy`: too many messages under way. */
export type ApplicationRefusalCode = "state" | "bounds" | "stopped" | "busy";

export type ApplicationEvent =
  | {
    readonly kind: "joined";
    readonly request: number;
    readonly group: string;
    readonly sequence: number;
    readonly member: Member;
    readonly view: GroupView;
  }
  | { readonly kind: "left"; readonly request: number; readonly group: string }
  | { readonly kind: "watching"; readonly request: number; readonly group: string; readonly view: GroupView }
  /** Committed: every card that orders messages holds it. `sequence` is 0 when it was delivered while this card was away. */
  | { readonly kind: "sent"; readonly request: number; readonly group: string; readonly sequence: number }
  | { readonly kind: "refused"; readonly request: number; readonly code: ApplicationRefusalCode; readonly message: string }
  /** `sequence` is the message's place in the order of all messages of the system; `view` the group view in which it is delivered. */
  | {
    readonly kind: "message";
    readonly group: string;
    readonly sequence: number;
    readonly view: number;
    readonly from: Member;
    readonly data: Uint8Array;
  }
  /** The group's membership changed; in the same order as messages everywhere. */
  | {
    readonly kind: "view";
    readonly group: string;
    readonly sequence: number;
    readonly view: GroupView;
    readonly changes: readonly MemberChange[];
  }
  /** Messages before `sequence` may have been missed: this card was away for too long, or its memory was overtaken. */
  | { readonly kind: "lost"; readonly group: string; readonly sequence: number; readonly reason: string }
  /** Ordered messages stand still on this card, and why; what was sent is kept and goes on afterwards. */
  | { readonly kind: "stopped"; readonly reason: string }
  | { readonly kind: "resumed" }
  /** To be answered with `alive` and the same nonce within `withinMs`. */
  | { readonly kind: "monitor"; readonly nonce: number; readonly withinMs: number };
