/**
 * Readiness answers before anything fails: would each service find another card if its own one failed now? It is found out by failing each card in
 * thought and assigning anew, so it can never disagree with what would happen. Each reason has its code, its age, who can end it and how.
 */
import type { CardId } from "../base/ids.ts";
import { assign, type Assignment, type ServiceAssignment } from "./assignment.ts";
import { compareText, type FailoverConfig, type ServiceId } from "./config.ts";
import { durationText, type Owner, type Reason, type ReasonCode, ruleOf } from "./eligibility.ts";
import type { CardFacts, Facts } from "./facts.ts";

export type ReadinessCode =
  | ReasonCode
  | "held"
  | "quarantined-service"
  | "not-served"
  /** No other card of the set has room. */
  | "no-room"
  /** There is no other card in the set. */
  | "only-card"
  /** Without its card the others are no quorum. */
  | "no-quorum"
  /** Nothing could prove that the card is down but waiting. */
  | "no-fence";

export type ReadinessReason = {
  readonly service: ServiceId;
  readonly code: ReadinessCode;
  /** The card that the reason is about, where it is about one. */
  readonly card: CardId | undefined;
  readonly text: string;
  readonly since: number;
  readonly owner: Owner;
  readonly hint: string;
};

export type ReadinessReport = {
  readonly at: number;
  /** By service, then by card. Empty: every service would be taken over. */
  readonly reasons: readonly ReadinessReason[];
  /** What makes a takeover slower or less safe without preventing it. */
  readonly warnings: readonly ReadinessReason[];
};

/** What lies outside of the sets: of each card, why it could not be survived or proven down. */
export type Surroundings = {
  /** Cards without which the others would be no quorum, each with the reason. */
  readonly noQuorumWithout: ReadonlyMap<CardId, string>;
  /** Cards that only the end of their lease would prove down, if they have one, each with the reason. */
  readonly noFence: ReadonlyMap<CardId, string>;
};

export const noSurroundings: Surroundings = { noQuorumWithout: new Map(), noFence: new Map() };

type Finding = Omit<ReadinessReason, "since">;

/**
 * The report in the making: a card is failed in thought at each step, for in a large system all of them together take longer than a card's program may
 * stand still.
 */
export class ReadinessStudy {
  readonly #config: FailoverConfig;
  readonly #facts: Facts;
  readonly #assignment: Assignment;
  readonly #surroundings: Surroundings;
  readonly #before: ReadinessReport | undefined;
  readonly #reasons: Finding[] = [];
  readonly #warnings: Finding[] = [];
  /** The cards that serve, with what they do, whose failure was not thought of yet; the last one is next. */
  readonly #owners: [CardId, ServiceAssignment[]][];
  #report: ReadinessReport | undefined;

  /** `before`: the last report, for the ages of the reasons. */
  constructor(
    config: FailoverConfig,
    facts: Facts,
    assignment: Assignment,
    surroundings: Surroundings,
    before: ReadinessReport | undefined,
  ) {
    this.#config = config;
    this.#facts = facts;
    this.#assignment = assignment;
    this.#surroundings = surroundings;
    this.#before = before;
    const owners = new Map<CardId, ServiceAssignment[]>();
    for (const service of assignment.services.values()) {
      const { state, owner } = service;
      if (state === "disabled" || state === "dormant") continue;
      if (state !== "placed" || owner === undefined) this.#reasons.push(...withoutCard(service));
      else if (owners.get(owner.card)?.push(service) === undefined) owners.set(owner.card, [service]);
    }
    this.#owners = [...owners].sort(([a], [b]) => b - a);
  }

  /** Once all of it was thought of. */
  get report(): ReadinessReport | undefined {
    return this.#report;
  }

  /** Fails the next card in thought; gives the report when there is none left. */
  step(): ReadinessReport | undefined {
    const next = this.#owners.pop();
    if (next !== undefined) this.#failInThought(...next);
    if (this.#owners.length > 0) return undefined;
    const { now } = this.#facts;
    return this.#report ??= {
      at: now,
      reasons: aged(this.#reasons, this.#before?.reasons, now),
      warnings: aged(this.#warnings, this.#before?.warnings, now),
    };
  }

  /** All that is left of it. */
  finish(): ReadinessReport {
    for (;;) {
      const report = this.step();
      if (report !== undefined) return report;
    }
  }

  #failInThought(card: CardId, services: readonly ServiceAssignment[]): void {
    const noQuorum = this.#surroundings.noQuorumWithout.get(card);
    const noFence = this.#surroundings.noFence.get(card);
    const after = assign(this.#config, withCardDown(this.#facts, card), this.#assignment);
    for (const { service } of services) {
      if (noQuorum !== undefined) this.#reasons.push(quorumFinding(service, card, noQuorum));
      if (noFence !== undefined) this.#warnings.push(fenceFinding(service, card, noFence, this.#facts.cards.get(card)?.leaseMs));
      const then = after.services.get(service);
      if (then?.owner === undefined) this.#reasons.push(...nobodyElse(service, card, then, after));
    }
  }
}

/** The whole report at once. */
export function readinessOf(...of: ConstructorParameters<typeof ReadinessStudy>): ReadinessReport {
  return new ReadinessStudy(...of).finish();
}

function withCardDown(facts: Facts, card: CardId): Facts {
  const known = facts.cards.get(card);
  if (known === undefined) return facts;
  const down: CardFacts = { ...known, state: "down", healthySince: undefined };
  return { ...facts, cards: new Map([...facts.cards, [card, down]]) };
}

function withoutCard({ service, state, owner, reasons }: ServiceAssignment): Finding[] {
  const card = owner?.card;
  switch (state) {
    case "held": {
      const text = reasons[0]?.text ?? "an unknown card may run it";
      return [{ service, code: "held", card, text, owner: ruleOf("unknown").owner, hint: ruleOf("unknown").hint }];
    }
    case "quarantined":
      return [{
        service,
        code: "quarantined-service",
        card,
        text: "it failed too often and is started nowhere",
        owner: "operator",
        hint: "Find the cause, then `set lift-quarantine`.",
      }];
    default:
      if (reasons.length === 0) return [noRoom(service, undefined)];
      return reasons.map((reason) => findingOf(service, reason));
  }
}

/** Why no card would have a service when its own one is gone: what speaks against each of the others. */
function nobodyElse(service: ServiceId, card: CardId, then: ServiceAssignment | undefined, after: Assignment): Finding[] {
  const others = (then?.reasons ?? []).filter((reason) => reason.card !== card);
  if (others.length > 0) return others.map((reason) => findingOf(service, reason));
  const seats = after.sets.get(then?.set ?? "")?.seats ?? [];
  if (seats.some((seat) => seat.card !== card)) return [noRoom(service, card)];
  return [{
    service,
    code: "only-card",
    card,
    text: `card ${card} is the only card that it can run on`,
    owner: "configuration",
    hint: "Add another card to its failover set.",
  }];
}

function noRoom(service: ServiceId, card: CardId | undefined): Finding {
  return {
    service,
    code: "no-room",
    card,
    text: card === undefined ? "no card has room for it" : `without card ${card} no card has room for it`,
    owner: "configuration",
    hint: "Raise a card's capacity, lower weights, or add a card to the set.",
  };
}

function quorumFinding(service: ServiceId, card: CardId, text: string): Finding {
  return {
    service,
    code: "no-quorum",
    card,
    text,
    owner: "operator",
    hint: "Bring absent cards back, or configure a witness or the tie-break.",
  };
}

function fenceFinding(service: ServiceId, card: CardId, why: string, leaseMs: number | undefined): Finding {
  const text = leaseMs === undefined
    ? `${why}: nothing would prove card ${card} down, and what it runs would stay there`
    : `${why}: only the end of its lease, ${durationText(leaseMs)}, would prove card ${card} down`;
  const hint = leaseMs === undefined
    ? "Mend the multiplexor's reset line, or configure the card's watchdog."
    : "Mend the multiplexor's reset line: it takes milliseconds.";
  return { service, code: "no-fence", card, text, owner: "card", hint };
}

function findingOf(service: ServiceId, reason: Reason): Finding {
  const { owner, hint } = ruleOf(reason.code);
  return { service, code: reason.code, card: reason.card, text: reason.text, owner, hint };
}

function aged(findings: readonly Finding[], before: readonly ReadinessReason[] | undefined, at: number): ReadinessReason[] {
  const since = new Map((before ?? []).map((reason) => [keyOf(reason), reason.since]));
  const aged = findings.map((finding) => ({ ...finding, since: since.get(keyOf(finding)) ?? at }));
  return aged.sort((a, b) => compareText(a.service, b.service) || (a.card ?? 0) - (b.card ?? 0) || compareText(a.code, b.code));
}

function keyOf({ service, code, card }: Finding): string {
  return `${service} ${code} ${card}`;
}

/** A line for each reason: "web: card 2 is down (card, for 3 min). Bring the card back: ..." */
export function readinessText({ at, reasons, warnings }: ReadinessReport): string[] {
  const lineOf = ({ service, code, text, owner, since, hint }: ReadinessReason) =>
    `${service}: ${code}: ${text} (${owner}, ${at === since ? "now" : `for ${durationText(at - since)}`}). ${hint}`;
  if (reasons.length === 0 && warnings.length === 0) return ["every service would be taken over"];
  return [...reasons.map(lineOf), ...warnings.map((warning) => `warning: ${lineOf(warning)}`)];
}
