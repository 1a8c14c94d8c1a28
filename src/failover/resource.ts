/**
 * A resource as a card runs it, and the hooks by which it does: orders that the takeover gives, results that the edge gives back. Types only.
 * `src/io/resources/` carries them out; the simulator has its own.
 */
import type { CardId } from "../base/ids.ts";

/** The parameters of an OCF resource agent, or of a command's environment: names as the agent has them. */
export type Parameters = Readonly<Record<string, string>>;

/** What runs an application: an OCF resource agent ("heartbeat", "nginx"), a systemd unit, or plain commands. */
export type ApplicationAgent =
  | { readonly kind: "ocf"; readonly provider: string; readonly type: string; readonly parameters: Parameters }
  | { readonly kind: "systemd"; readonly unit: string }
  /** Each is an argument vector, run without a shell. `monitor` exits 0 while it runs and 7 when it does not, as OCF has it. */
  | {
    readonly kind: "command";
    readonly start: readonly string[];
    readonly stop: readonly string[];
    readonly monitor: readonly string[];
    readonly environment: Parameters;
  };

export type ResourceSpec =
  /** An IPv4 or IPv6 address with its prefix length on one of the card's interfaces. */
  | { readonly kind: "address"; readonly address: string; readonly prefix: number; readonly interface: string }
  | {
    readonly kind: "filesystem";
    readonly device: string;
    readonly mountPoint: string;
    readonly type: string;
    readonly options: readonly string[];
    /** `auto` checks what was not unmounted cleanly; `always` before each mount. */
    readonly check: "never" | "auto" | "always";
  }
  | { readonly kind: "application"; readonly agent: ApplicationAgent }
  /** A device node that one card at a time opens; `exclusive` proves by opening it that nobody else on this card has it. */
  | { readonly kind: "device"; readonly path: string; readonly exclusive: boolean };

export type ResourceKind = ResourceSpec["kind"];

/** `monitor` asks whether it runs; `announce` tells the network again where an address is; `validate` proves the specification without starting it. */
export type HookKind = "validate" | "start" | "stop" | "monitor" | "announce";

export type HookOrder = {
  /** Counts the orders of one run of the card; the result carries it back. */
  readonly order: number;
  readonly hook: HookKind;
  readonly resource: string;
  readonly spec: ResourceSpec;
  /** The hook is killed, with all of its processes, after this. */
  readonly deadlineMs: number;
};

export type HookOutcome =
  /** Of `stop`: it does not run any more, proven. */
  | "done"
  /** `monitor`, `announce` and `stop`: it does not run here, proven. */
  | "notRunning"
  /** Tried and not achieved; the state of the resource is not known where `start` or `stop` failed. */
  | "failed"
  | "timeout"
  /** Ended unfinished, or not begun: a `stop`, or a `start` where this is neither, was ordered for the same resource. */
  | "overtaken"
  /** The specification, the agent or what it needs is wrong or missing on this card: trying again helps nothing. */
  | "invalid";

export type HookResult = {
  readonly order: number;
  readonly hook: HookKind;
  readonly resource: string;
  readonly outcome: HookOutcome;
  /** In words, with the last lines of what the hook wrote; empty when done. */
  readonly reason: string;
  readonly ms: number;
};

/** What a running resource tells unasked: a rival that answers for an address; that its last process has ended, that an address was removed by somebody else. */
export type ResourceEvent = {
  readonly resource: string;
  readonly kind: "rival" | "ended";
  readonly reason: string;
  /** The card that the rival is, where that is known. */
  readonly card?: CardId;
};
