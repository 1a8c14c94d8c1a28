/** What a card orders. Kinds are imperatives; the edge carries them out in the order given. */
import type { Address, LinkKind } from "../base/ids.ts";
import type { Message } from "../wire/message.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;

export type Effect =
  /** Sends one frame. The sequence is the node's, so that a history names each frame. */
  | { readonly kind: "send"; readonly link: LinkKind; readonly to: Address; readonly sequence: number; readonly message: Message }
  /** Sends an LLDP frame that announces this card to switches and standard tools. `ttlS` 0 takes it back. */
  | { readonly kind: "sendLldp"; readonly ttlS: number }
  | { readonly kind: "log"; readonly level: LogLevel; readonly event: string; readonly fields: LogFields }
  /** Starts over with an incarnation above the one given: the slot has been heard with a later one than ours. */
  | { readonly kind: "reincarnate"; readonly above: number };
