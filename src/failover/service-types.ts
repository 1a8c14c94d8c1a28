/**
 * What goes into the failover service of a card and what comes out of it. Types only; `FAILOVER.md` tells the whole. Instants of these are of
 * this card's monotonic clock where they are called local; all others are those of the order (`Facts.now`).
 */
import type { CardId } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import type { NodeView, Receipt } from "../cluster/view.ts";
import type { Row } from "../config/change.ts";
import type { TableName } from "../config/rules.ts";
import type { Assignment } from "./assignment.ts";
import type { Characterization, Evidence } from "./characterization.ts";
import type { ResourceId, ServiceId, SetId } from "./config.ts";
import type { CardFacts, Facts, Readiness } from "./facts.ts";
import type { FailoverEvent, FailoverRecord } from "./failover-record.ts";
import type { Grant } from "./grant.ts";
import type { ReadingName } from "./health.ts";
import type { OperatorOrder, OperatorRefusalCode } from "./operator-plan.ts";
import type { ReadinessStudy, Surroundings } from "./readiness.ts";
import type { HookOrder, HookOutcome, HookResult, ResourceEvent } from "./resource.ts";

/** The group of the system whose members are the failover services of all cards. */
export const failoverGroup = "cardinal.failover";

/** The tables whose rows decide on failover; a configuration is theirs, at one head. */
export const failoverTables = [
  "cards",
  "portGroups",
  "failoverSets",
  "setMembers",
  "services",
  "resources",
  "dependencies",
  "subgroups",
  "subgroupMembers",
  "policies",
] as const satisfies readonly TableName[];

export type FailoverTable = typeof failoverTables[number];

/** Which change a configuration is as of. Two heads are compared by epoch, then by sequence. */
export type ConfigPlace = { readonly epoch: number; readonly sequence: number };

/** What this card is, for as long as its program runs. */
export type FailoverIdentity = {
  readonly card: CardId;
  readonly incarnation: number;
  /** Drawn at each start, 32 bits. */
  readonly nonce: number;
  /** 1.2.3 */
  readonly software: string;
  /** What sort of card it is; undefined when nobody knows. */
  readonly model: string | undefined;
};

export type FailoverInput =
  /** A view at its place in the order, before what is ordered in it. */
  | { readonly kind: "epoch"; readonly view: NodeView }
  /** What the group service tells its member. */
  | { readonly kind: "group"; readonly event: ApplicationEvent }
  /**
   * Whether this card may serve: it is in a view that holds, and what that says of Ethernet does not leave it out. Told by membership at
   * once, and not by the order. Without it everything stops here (HA-15). `view`: the number of the one that holds, also where it keeps this card out
   * of its order; undefined when there is none. Nothing starts before the order has come to that view: until then it is history.
   */
  | { readonly kind: "authority"; readonly held: boolean; readonly reason: string; readonly view: number | undefined }
  /** The rows of the failover tables as this card's replica has them, while it is current. Told at each change of one of them, and once it is current. */
  | { readonly kind: "configuration"; readonly place: ConfigPlace; readonly rows: Readonly<Record<FailoverTable, readonly Row[]>> }
  /** This card's replica is current, or is not. */
  | { readonly kind: "replica"; readonly state: "current" | "behind" }
  /** What the boot service says of this card. */
  | { readonly kind: "readiness"; readonly readiness: Readiness }
  /** New values of some of this card's readings. */
  | { readonly kind: "readings"; readonly values: ReadonlyMap<ReadingName, number> }
  /** This card has stopped for certain when it has been out of every view for so long; `undefined`: nothing sees to that. */
  | { readonly kind: "lease"; readonly ms: number | undefined }
  /** Of this card's network interfaces, those that are not up. */
  | { readonly kind: "ports"; readonly ports: ReadonlyMap<string, "down" | "missing"> }
  | { readonly kind: "hookEnded"; readonly result: HookResult }
  | { readonly kind: "resourceEvent"; readonly event: ResourceEvent }
  /** Each client's order has one answer. Clients are numbered by the edge, never twice in a run. */
  | { readonly kind: "operate"; readonly client: number; readonly order: OperatorRequest; readonly dryRun: boolean }
  /** What this card knows that proves a card's end, and of which incarnation; with its local instant. */
  | { readonly kind: "receipt"; readonly card: CardId; readonly incarnation: number; readonly receipt: Receipt; readonly at: number }
  /** What this card saw, asked, was answered or concluded about a card: for the record alone. `at` is local. */
  | { readonly kind: "evidence"; readonly about: CardId; readonly event: FailoverEvent }
  /** A card that is kept out of the order says that it runs nothing, and starts nothing before it is in again; as of this view. */
  | { readonly kind: "idleHeard"; readonly from: CardId; readonly incarnation: number; readonly view: number }
  /** The highest number of the records of failovers that this card has kept from earlier runs. */
  | { readonly kind: "archived"; readonly last: number }
  /** This card is about to leave in good order: it hands over what it has, then says `left`. */
  | { readonly kind: "leave" }
  /** An operator has said to the boot service that a cold start goes on with the cards that are there: those that are silent run nothing. */
  | { readonly kind: "proceeded"; readonly by: string }
  /** What the self-test found about a card, at each change of the row of the table. */
  | {
    readonly kind: "verdict";
    readonly card: CardId;
    readonly evidence: Evidence;
    readonly characterization: Characterization;
    readonly mayFence: boolean;
  }
  /** For the readiness: cards that could not be survived, or not be proven down. */
  | { readonly kind: "surroundings"; readonly surroundings: Surroundings }
  | { readonly kind: "tick" };

export type FailoverOutput =
  | { readonly kind: "request"; readonly request: ApplicationRequest }
  /** For this card's resources. Each is answered with `hookEnded`. */
  | { readonly kind: "hook"; readonly order: HookOrder }
  /** The reset line of a card of our chassis, or its hook: nothing proves that it stopped. Repeated until a view says that it is down or up. */
  | { readonly kind: "fence"; readonly card: CardId; readonly incarnation: number; readonly reason: string }
  /** A card has been unknown for as long as its lease: what it ran has stopped. */
  | { readonly kind: "leaseOver"; readonly card: CardId; readonly incarnation: number }
  /** This card cannot stop what it must: the others are told, and it is reset. */
  | { readonly kind: "resetCard"; readonly reason: string }
  /** After `leave`: nothing runs here any more, and nothing will. Its goodbye may be said, for it proves that to the others. */
  | { readonly kind: "left" }
  /** To all, on both links: this card runs nothing, and starts nothing before it is in the order again. */
  | { readonly kind: "sayIdle"; readonly view: number }
  /** Whether this card knows what all agree on: the boot service waits for it to be told a role (ARBITRATE). */
  | { readonly kind: "known"; readonly known: boolean }
  /** What the boot service has to know of the own card: whether it rests, is in maintenance, and its highest role in any set. */
  | { readonly kind: "standing"; readonly standing: Standing }
  | { readonly kind: "operated"; readonly client: number; readonly answer: OperatorAnswer }
  /** A record was opened, has grown, or is closed; the one before with its id is replaced. */
  | { readonly kind: "record"; readonly record: FailoverRecord }
  /** Raised, or with new words; without a text it is over. */
  | { readonly kind: "alarm"; readonly code: FailoverAlarmCode; readonly about: string; readonly text: string | undefined }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  };

export type FailoverAlarmCode =
  /** A service has no card, or an unknown card holds it. */
  | "service-unserved"
  | "service-quarantined"
  | "card-quarantined"
  /** A card is failing or degraded, by its own readings. */
  | "card-health"
  | "rival-address"
  /** What is to stand by on this card does not run: its service would be longer in coming. */
  | "standby-failed"
  /** The configuration of failover has errors: it is in force as far as it leads anywhere. */
  | "failover-configuration";

export type Standing = {
  /** Why it rests. */
  readonly quarantine: string | undefined;
  readonly maintenance: boolean;
  readonly role: "none" | "alternate" | "secondary" | "primary";
};

/** An operator's order; besides those that are planned, the word that after a cold start silent cards run nothing. */
export type OperatorRequest = OperatorOrder | { readonly verb: "assume-idle"; readonly by: string; readonly comment: string };

export type OperatorAnswer =
  /** What would happen, or has been ordered: as people read it. */
  | { readonly kind: "plan" | "ordered"; readonly lines: readonly string[] }
  | {
    readonly kind: "refused";
    readonly code: OperatorRefusalCode | "not-known" | "no-quorum" | "unanswered";
    readonly message: string;
    readonly hint: string;
  };

/** What a card says of itself, all of it at once. */
export type CardReport = Pick<
  CardFacts,
  "software" | "model" | "readiness" | "health" | "healthReasons" | "configuration" | "ports" | "unfit" | "leaseMs"
>;

/**
 * What the services put into the order. Whether it holds is decided where it is delivered (`service-state.ts`). Each carries the instant of its
 * saying, by its sender's estimate of the order's time.
 */
export type FailoverEntry =
  & {
    readonly at: number;
    /** The beginning whose state the sender knows: the number of its view; 0 while it knows none. */
    readonly of: number;
  }
  & (
    /**
     * "I am here and know nothing": from a card that has just joined, or has missed something. `records`: the highest number of a record that it has; new
     * ones are numbered above.
     */
    | { readonly kind: "announce"; readonly records: number }
    /** Nobody knew anything: it begins anew. Counts while the group's view has this number, if all of its members have announced themselves. */
    | { readonly kind: "begin"; readonly groupView: number }
    /** A piece of all that is agreed on, as it was after the message with the sequence `asOf`. */
    | {
      readonly kind: "state";
      readonly asOf: number;
      readonly index: number;
      readonly count: number;
      readonly data: Uint8Array;
    }
    /** A piece of the rows of the failover tables at a head; in force with the last piece, unless a later one is. */
    | {
      readonly kind: "configuration";
      readonly place: ConfigPlace;
      readonly index: number;
      readonly count: number;
      readonly data: Uint8Array;
    }
    | { readonly kind: "report"; readonly incarnation: number; readonly report: CardReport }
    /** A card has ended, proven by a receipt. */
    | { readonly kind: "ended"; readonly card: CardId; readonly incarnation: number; readonly receipt: Receipt }
    /** A card that is kept out of the order has said that it runs nothing. */
    | { readonly kind: "idle"; readonly card: CardId; readonly incarnation: number; readonly view: number }
    /** The sender has these running, or has stopped them with proof. */
    | { readonly kind: "started" | "released"; readonly grants: readonly ServiceEpoch[]; readonly hooks: readonly HookTiming[] }
    | {
      readonly kind: "stopFailed";
      readonly service: ServiceId;
      readonly epoch: number;
      readonly why: string;
      readonly hooks: readonly HookTiming[];
    }
    /** Its start failed, or what ran has ended. `isUnfit`: trying again here helps nothing. */
    | {
      readonly kind: "failed";
      readonly service: ServiceId;
      readonly epoch: number;
      readonly why: string;
      readonly isUnfit: boolean;
      readonly hooks: readonly HookTiming[];
    }
    /** Its own doing: it had to stop while it was not in the order, and runs these no more. */
    | { readonly kind: "demoted"; readonly grants: readonly ServiceEpoch[]; readonly why: string }
    /** The time of a restart has come. */
    | { readonly kind: "retry"; readonly service: ServiceId; readonly epoch: number }
    | { readonly kind: "operate"; readonly id: number; readonly order: OperatorRequest }
    /** What was seen of a card's end, for its record. */
    | { readonly kind: "evidence"; readonly about: CardId; readonly events: readonly FailoverEvent[] }
    /** Time has passed. */
    | { readonly kind: "time" }
  );

/** A hook that a card carried out, for the record; its end at an instant of the order. */
export type HookTiming = {
  readonly hook: "start" | "stop";
  readonly resource: ResourceId;
  readonly service: ServiceId;
  readonly endedAt: number;
  readonly ms: number;
  readonly outcome: HookOutcome;
  readonly reason: string;
};

export type ServiceEpoch = { readonly service: ServiceId; readonly epoch: number };

/** What a service is doing on this card. */
export type LocalState = "starting" | "running" | "stopping" | "stopped" | "failed";

export type ServiceStatus = {
  readonly service: ServiceId;
  readonly set: SetId;
  /** The assignment's word. */
  readonly state: string;
  readonly owner: CardId | undefined;
  /** How far the grant is. */
  readonly grant: Grant["state"];
  readonly epoch: number;
  readonly reasons: readonly string[];
  /** On this card, with its resources that are not running. */
  readonly here: { readonly state: LocalState; readonly waitingFor: readonly string[] } | undefined;
};

/** What all agree on, as far as one card has come. */
export type FailoverDecided = {
  readonly sequence: number;
  /** The view in which that was. */
  readonly view: number;
  /** The view in which it began. */
  readonly generation: number;
  readonly assignment: Assignment;
  readonly facts: Facts;
};

/** What `set show`, `ready` and `failovers` print, and `/v1/failovers` gives. */
export type FailoverStatus = {
  /** `out`: this card may not serve. */
  readonly state: "joining" | "out" | "known";
  readonly reason: string | undefined;
  /** The order's time now, by this card's estimate: ages are told by it. */
  readonly now: number;
  readonly configuration: ConfigPlace | undefined;
  readonly ownersKnown: boolean;
  readonly facts: Facts | undefined;
  readonly assignment: Assignment | undefined;
  readonly services: readonly ServiceStatus[];
  /** The newest last. */
  readonly records: readonly FailoverRecord[];
  /** Whether each service would be taken over: to be worked out by whoever asks, a step at a time. */
  readonly readiness: ReadinessStudy | undefined;
};
