/**
 * What is known, alike on every card: what the order has told of cards, services and operators. Types only. Every instant is a number that an
 * entry of the order carried, in milliseconds; a decision is a function of the configuration, these facts and what it decided before, and of
 * nothing else.
 */
import type { CardId } from "../base/ids.ts";
import type { ResourceId } from "./config.ts";

export type HealthGrade = "good" | "degraded" | "failing";

/** How far a card is with its start, as its boot service said last. */
export type Readiness =
  | { readonly kind: "ready" }
  | { readonly kind: "booting"; readonly phase: string }
  /** It stays out until the reason is gone; the code is one of the boot service. */
  | { readonly kind: "hold"; readonly code: string; readonly reason: string };

/** Why a card cannot serve one resource. */
export type Unfitness = {
  readonly code:
    /** It does not reach the device. */
    | "unreachable"
    /** Its copy is behind: a leg that synchronizes never becomes primary. */
    | "not-in-sync"
    /** What it needs is wrong or missing on this card: the hook said `invalid`. */
    | "not-installed";
  readonly reason: string;
};

export type Quarantine = {
  readonly reason: string;
  readonly since: number;
  /** `Infinity`: until it is lifted. */
  readonly until: number;
};

export type OperatorMark = {
  /** Who said so. */
  readonly by: string;
  readonly at: number;
  readonly comment: string;
};

export type CardFacts = {
  /** In the node view, or why not: `down` is proven, `unknown` is not. */
  readonly state: "up" | "down" | "unknown";
  /** Whether it takes part in the order: it is joined to the others on Ethernet. */
  readonly joined: boolean;
  readonly readiness: Readiness;
  readonly health: HealthGrade;
  /** Why it is not good, in words, the worst first. */
  readonly healthReasons: readonly string[];
  /** Since when it is up, ready and good; undefined while it is not. */
  readonly healthySince: number | undefined;
  /** 1.2.3 */
  readonly software: string;
  /** What sort of card sits in the slot, as it says itself. */
  readonly model: string | undefined;
  /** Whether its configuration is the system's. */
  readonly configuration: "current" | "behind";
  /** Of its network interfaces, those that are not up. */
  readonly ports: ReadonlyMap<string, "down" | "missing">;
  readonly unfit: ReadonlyMap<ResourceId, Unfitness>;
  /** It has stopped for certain when it has been out of every view for so long; `undefined` where nothing sees to that. */
  readonly leaseMs: number | undefined;
  readonly quarantine: Quarantine | undefined;
  readonly maintenance: OperatorMark | undefined;
  readonly drained: OperatorMark | undefined;
};

/** What one group of services that move together has behind it: a set's, or one of an N-way set. Its name is its unit's. */
export type UnitFacts = {
  /** Cards where it failed more often than restarts are allowed: since when, and until when that counts, each with a reason. */
  readonly failedOn: ReadonlyMap<CardId, { readonly reason: string; readonly since: number; readonly until: number }>;
  /** It is not started anywhere. */
  readonly quarantine: Quarantine | undefined;
  /** An operator wants it there now. Dropped once it runs there or cannot. */
  readonly wanted: (OperatorMark & { readonly to: CardId; readonly verb: "switch" | "failback" }) | undefined;
  /** An operator put it there: it does not go back by itself. Dropped by `failback`, and when the card fails. */
  readonly stay: CardId | undefined;
  /** A move of it is under way. */
  readonly isMoving: boolean;
  /** When automatic failbacks of it were undone by a failover. */
  readonly failbacksUndone: readonly number[];
};

/** What stands in the way of moving a service without need. */
export type Activity = { readonly kind: "drill" | "upgrade"; readonly reason: string; readonly since: number };

export type Facts = {
  /** The newest instant that the order has carried. */
  readonly now: number;
  /** Every configured card. */
  readonly cards: ReadonlyMap<CardId, CardFacts>;
  /** Units that have something behind them, by their name. */
  readonly units: ReadonlyMap<UnitId, UnitFacts>;
  readonly activities: readonly Activity[];
  /**
   * Whether these cards know who was given what. After a cold start they do not, and then a card that is unknown may run anything that it could
   * have been given, until all cards were heard or an operator says that it does not.
   */
  readonly ownersKnown: boolean;
  /** The first epoch of what has had none: above all that were given before these facts began. */
  readonly epochsFrom: number;
};

/** What moves as one. A set's name; in an N-way set the set's name, a slash, and the service, or a plus and the word of those that stay together. */
export type UnitId = string;
