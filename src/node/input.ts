/** What a card learns. Kinds are facts: they have happened. */
import type { LinkKind } from "../base/ids.ts";
import type { ApplicationRequest } from "../cluster/application.ts";
import type { ConfigRequest } from "../config/request.ts";
import type { StoreResult } from "../config/store.ts";
import type { CheckOutcome, PostCheck, SelfTestCheck } from "../failover/self-test-checks.ts";
import type { FailoverInput } from "../failover/service-types.ts";
import type { Frame, MalformedReason } from "../wire/frame.ts";
import type { NodeSettings } from "./settings.ts";

/** What of failover the edge tells; the rest comes from the node's own services. */
export type FailoverEdgeInput = Extract<
  FailoverInput,
  { kind: "hookEnded" | "resourceEvent" | "configuration" | "readings" | "archived" | "ports" | "operate" | "surroundings" }
>;

export type Input =
  /** An authentic frame came in on a link; on Ethernet from this address, which no tag covers, where the edge knows addresses. */
  | { readonly kind: "heard"; readonly link: LinkKind; readonly frame: Frame; readonly source?: Uint8Array }
  /** Bytes came in that are not a frame for us. */
  | { readonly kind: "malformed"; readonly link: LinkKind; readonly reason: MalformedReason }
  /** Our own port works: carrier on Ethernet, the tty open. `frameBytesMax` where it carries less than the link's largest frame. */
  | { readonly kind: "portUp"; readonly link: LinkKind; readonly frameBytesMax?: number }
  /** Our own port does not: no carrier, the tty gone or refused. */
  | { readonly kind: "portDown"; readonly link: LinkKind; readonly reason: string }
  /** The node's deadline is reached. */
  | { readonly kind: "tick" }
  /** An operator or the system asks the card to leave in good order. */
  | { readonly kind: "leave"; readonly reason: "stop" | "restart" | "maintenance" | "upgrade" }
  /** A client of the local socket asks for something. Clients are numbered by the edge, never twice in a run. */
  | { readonly kind: "application"; readonly client: number; readonly request: ApplicationRequest }
  /** A client's connection has ended, in words why. */
  | { readonly kind: "applicationGone"; readonly client: number; readonly reason: string }
  /** View numbers up to this one are reserved on disk: this card may promise them. */
  | { readonly kind: "reserved"; readonly upTo: number }
  /** The witness has given us its lease, or we no longer hold it. */
  | { readonly kind: "witness"; readonly held: boolean }
  /** This card has a store for the system's configuration: it keeps a replica from now on. */
  | { readonly kind: "storeFound" }
  /** What came of an order to the store that this node gave. */
  | { readonly kind: "stored"; readonly result: StoreResult }
  /** Management asks something of the configuration. Clients are numbered by the edge, never twice in a run; each gets one answer. */
  | { readonly kind: "configure"; readonly client: number; readonly request: ConfigRequest }
  /** This card has resources: it takes part in failover from now on. */
  | { readonly kind: "resourcesFound" }
  /**
   * What concerns failover: results and events of resources, rows of the configuration, readings, an operator's order. Its clients are numbered by the
   * edge, never twice in a run.
   */
  | { readonly kind: "failover"; readonly input: FailoverEdgeInput }
  /** What came of one of the checks of the start that were ordered. */
  | { readonly kind: "postChecked"; readonly check: PostCheck; readonly outcome: CheckOutcome }
  /** What came of one of the checks of a self-test, with the number of its run. */
  | { readonly kind: "selfTestChecked"; readonly run: number; readonly check: SelfTestCheck; readonly outcome: CheckOutcome }
  /** An operator says that what this card's start waits for does not run. Clients are numbered by the edge, never twice in a run. */
  | { readonly kind: "bootProceed"; readonly client: number; readonly by: string }
  /** The settings were read again. */
  | { readonly kind: "reloaded"; readonly settings: NodeSettings };
