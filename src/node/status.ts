/** What a node says of itself and of its peers: the shape that the console, HTTP and the checkers read. */
import type { CardId, LinkKind } from "../base/ids.ts";
import type { CardHealth as HeardHealth, LinkHealth } from "../cluster/heartbeat.ts";

import type { ConfigurationStatus } from "../config/request.ts";
import type { BootStatus } from "../failover/boot.ts";
import type { SelfTestStatus } from "../failover/self-test.ts";

export type { BootStatus, ConfigurationStatus, LinkHealth, SelfTestStatus };

/** A peer as this card sees it; `absent`: the configuration names it and it was never heard. */
export type CardHealth = HeardHealth | "absent";

export type PeerLinkStatus = {
  readonly health: LinkHealth;
  /** Why it is not up, in words. */
  readonly reason?: string;
  /** Milliseconds since the last frame; absent when there was none. */
  readonly silentForMs?: number;
  /** The peer says that it hears us on this link. */
  readonly ticked: boolean;
  /** Frames accepted, and those dropped as replayed or of an old incarnation. */
  readonly accepted: number;
  readonly dropped: number;
};

export type PeerStatus = {
  readonly card: CardId;
  readonly chassis: number;
  readonly slot: number;
  readonly health: CardHealth;
  /** Seen by its adverts on one link at least. */
  readonly candidate: boolean;
  /** The same identity and nonce confirmed on each link that we share (FS-2). */
  readonly verified: boolean;
  /** What still keeps it from being verified, in words. */
  readonly unverifiedBecause?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly software?: string;
  readonly incarnation?: number;
  readonly links: Partial<Record<LinkKind, PeerLinkStatus>>;
};

export type OwnLinkStatus = {
  readonly port: "up" | "down";
  readonly reason?: string;
  readonly sent: number;
  readonly accepted: number;
  /** Frames dropped, by reason: the malformed ones, and `replayed`, `oldIncarnation`, `ownIdentity`, `fragments`. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly heartbeatPeriodMs: number;
  /** Serial only: whether the multiplexor has been heard lately. */
  readonly multiplexor?: "heard" | "unheard";
};

export type Alarm = {
  readonly code: string;
  readonly text: string;
  /** How long it has been raised. */
  readonly forMs: number;
};

/** What the membership service says: `cardinal members`, `GET /v1/members`. */
export type MembershipStatus = {
  readonly state: "tentative" | "confirmed" | "unconfirmed";
  /** Why it is tentative, in words; absent otherwise. */
  readonly reason?: string;
  /** The last view that this card took over; absent before the first. It holds unless the state is `tentative`. */
  readonly view?: {
    readonly number: number;
    readonly coordinator: CardId;
    readonly members: readonly {
      readonly card: CardId;
      readonly incarnation: number;
      readonly previous: number;
      readonly ether: boolean;
    }[];
    readonly absent: readonly { readonly card: CardId; readonly state: "down" | "unknown"; readonly receipt?: string }[];
  };
  /** The cards that vote, lowest first. */
  readonly electorate: readonly CardId[];
  /** In words, such as "3 of 5 cards: more than half" or "2 of 5 cards: no quorum". */
  readonly quorum: { readonly held: boolean; readonly text: string };
  /** The tick matrix: whom each card says that it hears on each link, as it was last heard. This card's own row is first. */
  readonly ticks: readonly { readonly card: CardId; readonly ether: readonly CardId[]; readonly serial: readonly CardId[] }[];
  /** The last notifications, newest first. */
  readonly history: readonly {
    readonly state: "tentative" | "confirmed" | "unconfirmed";
    readonly view?: number;
    readonly members?: readonly CardId[];
    readonly reason: string;
    readonly agoMs: number;
  }[];
};

/** What the group service says: `cardinal groups`, `GET /v1/groups`. */
export type GroupsStatus = {
  /** `flushing` members of a new view level what they hold; `exchanging` subgroups exchange group data; `stopped` see `reason`. */
  readonly state: "running" | "flushing" | "exchanging" | "stopped";
  readonly reason?: string;
  /** The number of the view whose order is being followed, 0 before the first. */
  readonly epoch: number;
  readonly coordinator?: CardId;
  /** The last sequence that this card holds, knows to be committed, and has delivered. */
  readonly held: number;
  readonly committed: number;
  readonly delivered: number;
  /** Local messages that are not committed yet. */
  readonly pending: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly groups: readonly {
    readonly name: string;
    readonly view: number;
    readonly messages: number;
    readonly members: readonly {
      readonly card: CardId;
      readonly number: number;
      readonly name: string;
      readonly critical: boolean;
      /** Registered on this card. */
      readonly local: boolean;
    }[];
  }[];
};

export type NodeStatus = {
  readonly card: CardId;
  readonly chassis: number;
  readonly slot: number;
  readonly name: string;
  readonly uid: string;
  readonly incarnation: number;
  readonly software: string;
  /** Milliseconds since this node was started. */
  readonly uptimeMs: number;
  readonly state: "running" | "leaving";
  readonly links: Readonly<Record<LinkKind, OwnLinkStatus>>;
  readonly peers: readonly PeerStatus[];
  readonly alarms: readonly Alarm[];
  readonly membership: MembershipStatus;
  readonly groups: GroupsStatus;
  /** Absent on a card without a store. */
  readonly configuration?: ConfigurationStatus;
  /** How far this card is with its start, and how it and its peers stand by their self-tests. */
  readonly boot: BootStatus;
  readonly selfTest: SelfTestStatus;
  /** Late ticks of this card, which count for nobody's death: how many, and how long in all. */
  readonly lateTicks: { readonly count: number; readonly totalMs: number; readonly worstMs: number };
};

/** The whole card: the node, and what its edge adds. `GET /v1/status` and `cardinal status --json` give exactly this. */
export type CardStatus = NodeStatus & {
  readonly system: string;
  readonly version: string;
  readonly profile: string;
  readonly ports: {
    readonly ether: { readonly interface: string; readonly mac: string; readonly counters: Readonly<Record<string, number>> };
    readonly serial: { readonly device: string; readonly baud: number; readonly counters: Readonly<Record<string, number>> };
  };
  readonly process: {
    readonly pid: number;
    /** "binary", "node" or "deno", and the runtime's version. */
    readonly runtime: string;
    /** ISO 8601, for people; nothing is decided by it. */
    readonly startedAt: string;
    readonly residentBytes: number;
    /** Share of one core used since the start, 0 to 1. */
    readonly cpuShare: number;
    readonly realtime: boolean;
  };
};
