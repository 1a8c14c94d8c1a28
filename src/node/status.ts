/** What a node says of itself and of its peers: the shape that the console, HTTP and the checkers read. */
import type { CardId, LinkKind } from "../base/ids.ts";
import type { CardHealth as HeardHealth, LinkHealth } from "../cluster/heartbeat.ts";

export type { LinkHealth };

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
