/** What a node is told at its construction and at a reload. All of it is proven at the door, by the card's configuration. */
import type { CardId } from "../base/ids.ts";
import type { LinkPatience } from "../cluster/heartbeat.ts";
import type { LastRun } from "../failover/boot-type.ts";

export type { LinkPatience };

/** Who this card is; fixed while it runs. */
export type Identity = {
  readonly system: number;
  readonly card: CardId;
  readonly incarnation: number;
  /** Eight bytes that name the hardware. */
  readonly uid: Uint8Array;
  readonly name: string;
  /** Drawn at each start, 32 bits. */
  readonly nonce: number;
  readonly software: string;
  /** View numbers up to this one may have been promised by earlier runs of this card; 0 for none. */
  readonly reservedView: number;
  /** What this start has to go by; without it nothing is known of an earlier run. */
  readonly boot?: {
    /** Changes with each start of the card's operating system; empty where it tells nothing. */
    readonly machineBoot: string;
    readonly lastRun: LastRun | undefined;
  };
};

/** What a reload may change. */
export type NodeSettings = {
  readonly ether: LinkPatience;
  readonly serial: LinkPatience;
  /** Bits per second of the serial line; adverts keep within a share of it. */
  readonly baud: number;
  /** The cards that the configuration names, this one included: their absence is reported. */
  readonly expected: readonly CardId[];
  /** Of these, the ones that do not vote: not counted for the quorum, and not taken into views. */
  readonly disabled: readonly CardId[];
  /** Who decides at exactly half of the electorate: the lowest card of it unless another is named. */
  readonly tieBreak?: CardId;
  /** A witness outside of the system decides at exactly half instead. */
  readonly witness: boolean;
  /** The loss of a card's Ethernet or serial redundancy between chassis is an alarm. */
  readonly redundantLinks: boolean;
  /** The time-out of the card's watchdog, where it has one that is fed by the node's word. */
  readonly watchdogMs?: number;
  /** How long a cold start waits for all cards of the configuration; `Infinity`: until an operator says so. 5 minutes when not said. */
  readonly coldWaitMs?: number;
};
