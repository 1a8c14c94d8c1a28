/**
 * Operator verbs: what an operator asks of sets, services and cards becomes a plan, or a refusal with a code. The plan is found by changing the facts as
 * the verb would and assigning anew, so a dry run shows what would happen and nothing else; carried out, the same changes go into the order.
 */
import type { CardId } from "../base/ids.ts";
import { assign, type Assignment, type Move, type ServiceAssignment } from "./assignment.ts";
import { compareText, type FailoverConfig, type ServiceId, startOrder } from "./config.ts";
import { type Reason, ruleOf, stateOf } from "./eligibility.ts";
import type { CardFacts, Facts, OperatorMark, UnitFacts, UnitId } from "./facts.ts";
import { betterPlace, firstChoice, vetoesOf } from "./failback.ts";
import { rootsOf } from "./seats.ts";
import { type Unit, Units } from "./units.ts";

/** Set and service names are of the configuration; a service of a single or hierarchical set stands for its set. */
export type OperatorOrder =
  & { readonly by: string; readonly comment: string }
  & (
    /** Without a card: to the one that would take over. */
    | { readonly verb: "switch"; readonly subject: string; readonly to: CardId | undefined }
    | { readonly verb: "failback"; readonly subject: string }
    /** `force`: although something would find no other card. */
    | { readonly verb: "drain"; readonly card: CardId; readonly force: boolean }
    | { readonly verb: "undrain"; readonly card: CardId }
    | { readonly verb: "maintenance"; readonly card: CardId; readonly on: boolean; readonly force: boolean }
    | { readonly verb: "lift-quarantine"; readonly subject: string | CardId }
  );

export type FactChange =
  | {
    readonly kind: "wanted";
    readonly unit: UnitId;
    readonly to: CardId;
    readonly verb: "switch" | "failback";
    readonly mark: OperatorMark;
  }
  | { readonly kind: "stayDropped"; readonly unit: UnitId }
  /** An operator sends it to a card where it failed: that is forgotten. */
  | { readonly kind: "failureForgotten"; readonly unit: UnitId; readonly card: CardId }
  | { readonly kind: "drained"; readonly card: CardId; readonly mark: OperatorMark | undefined }
  | { readonly kind: "maintenance"; readonly card: CardId; readonly mark: OperatorMark | undefined }
  | { readonly kind: "cardLifted"; readonly card: CardId }
  | { readonly kind: "unitLifted"; readonly unit: UnitId };

/** Every refusal with what helps. */
export const operatorRefusals = {
  "unknown-card": "See `cardinal members` for the cards of the system.",
  "unknown-subject": "See `set show` for the sets and their services.",
  "is-dormant": "Switch the set that it is a member of.",
  "has-units": "Name one of its services.",
  "is-held": "Prove the unknown card down first: pull it, fence it, or mend its links.",
  "is-moving": "Wait for the move that is under way.",
  "is-quarantined": "Lift its quarantine first.",
  "already-there": "There is nothing to do.",
  "no-other-card": "See `cardinal ready` for what speaks against each card.",
  "not-eligible": "Choose another card, or end what speaks against this one.",
  "no-room": "Choose another card, or move something away from it first.",
  "nothing-better": "There is nothing to do.",
  "would-stop": "Add --force to stop these services, or make room for them elsewhere first.",
  "already-so": "There is nothing to do.",
} as const;

export type OperatorRefusalCode = keyof typeof operatorRefusals;

export type OperatorPlan =
  | {
    readonly kind: "plan";
    readonly changes: readonly FactChange[];
    readonly moves: readonly Move[];
    /** The plan as people read it. */
    readonly lines: readonly string[];
    readonly after: Assignment;
  }
  | { readonly kind: "refused"; readonly code: OperatorRefusalCode; readonly message: string; readonly hint: string };

const freshUnit: UnitFacts = {
  failedOn: new Map(),
  quarantine: undefined,
  wanted: undefined,
  stay: undefined,
  isMoving: false,
  failbacksUndone: [],
};

/** The facts as they are after these changes. */
export function applyChanges(facts: Facts, changes: readonly FactChange[]): Facts {
  const cards = new Map(facts.cards);
  const units = new Map(facts.units);
  const card = (id: CardId, change: Partial<CardFacts>) => {
    const before = cards.get(id);
    if (before !== undefined) cards.set(id, { ...before, ...change });
  };
  const unit = (id: UnitId, change: Partial<UnitFacts>) => void units.set(id, { ...(units.get(id) ?? freshUnit), ...change });
  for (const change of changes) {
    switch (change.kind) {
      case "wanted":
        unit(change.unit, { wanted: { ...change.mark, to: change.to, verb: change.verb } });
        break;
      case "stayDropped":
        unit(change.unit, { stay: undefined });
        break;
      case "failureForgotten": {
        const failedOn = new Map(units.get(change.unit)?.failedOn);
        failedOn.delete(change.card);
        unit(change.unit, { failedOn });
        break;
      }
      case "drained":
        card(change.card, { drained: change.mark });
        break;
      case "maintenance":
        card(change.card, { maintenance: change.mark });
        break;
      case "cardLifted":
        card(change.card, { quarantine: undefined });
        break;
      case "unitLifted":
        unit(change.unit, { quarantine: undefined, failedOn: new Map() });
        break;
      default: {
        const never: never = change;
        throw new Error(`broken invariant: change ${JSON.stringify(never)}`);
      }
    }
  }
  return { ...facts, cards, units };
}

export function planOrder(order: OperatorOrder, config: FailoverConfig, facts: Facts, assignment: Assignment): OperatorPlan {
  const planning = new Planning(config, facts, assignment, { by: order.by, at: facts.now, comment: order.comment });
  switch (order.verb) {
    case "switch":
      return planning.onSwitch(order.subject, order.to);
    case "failback":
      return planning.onFailback(order.subject);
    case "drain":
      return planning.onDrain(order.card, order.force);
    case "undrain":
      return planning.onUndrain(order.card);
    case "maintenance":
      return planning.onMaintenance(order.card, order.on, order.force);
    case "lift-quarantine":
      return typeof order.subject === "number" ? planning.onLiftCard(order.subject) : planning.onLiftUnit(order.subject);
    default: {
      const never: never = order;
      throw new Error(`broken invariant: verb ${JSON.stringify(never)}`);
    }
  }
}

function refuse(code: OperatorRefusalCode, message: string): OperatorPlan {
  return { kind: "refused", code, message, hint: operatorRefusals[code] };
}

class Planning {
  readonly #config: FailoverConfig;
  readonly #facts: Facts;
  readonly #assignment: Assignment;
  readonly #mark: OperatorMark;

  constructor(config: FailoverConfig, facts: Facts, assignment: Assignment, mark: OperatorMark) {
    this.#config = config;
    this.#facts = facts;
    this.#assignment = assignment;
    this.#mark = mark;
  }

  onSwitch(subject: string, to: CardId | undefined): OperatorPlan {
    const unit = this.#movableUnit(subject);
    if ("kind" in unit) return unit;
    if (to !== undefined && !this.#facts.cards.has(to)) return refuse("unknown-card", `there is no card ${to}`);
    if (to !== undefined && to === unit.current?.card) return refuse("already-there", `${subject} is on card ${to} already`);
    const target = to ?? this.#next(unit);
    if (target === undefined) return refuse("no-other-card", `no other card can have ${subject} now`);
    return this.#planMove(unit, subject, target, "switch", []);
  }

  onFailback(subject: string): OperatorPlan {
    const unit = this.#movableUnit(subject);
    if ("kind" in unit) return unit;
    const better = betterPlace(unit, this.#homeOf(unit));
    if (better === undefined) {
      const where = unit.current === undefined ? `${subject} is nowhere` : `${subject} is on card ${unit.current.card}`;
      const first = firstChoice(unit, this.#homeOf(unit));
      const why = first === undefined
        ? "no other card is preferred"
        : `card ${first.card}, which is preferred, cannot have it now${first.reasons.map(({ text }) => `: ${text}`)[0] ?? ""}`;
      return refuse("nothing-better", `${where}, and ${why}`);
    }
    const vetoes = vetoesOf(unit, better, this.#config, this.#facts).filter(({ code }) => code !== "operator-choice");
    const warnings = vetoes.map(({ code, text }) => `warning: an automatic failback would wait (${code}): ${text}`);
    return this.#planMove(unit, subject, better.card, "failback", warnings);
  }

  onDrain(card: CardId, force: boolean): OperatorPlan {
    const known = this.#facts.cards.get(card);
    if (known === undefined) return refuse("unknown-card", `there is no card ${card}`);
    if (known.drained !== undefined) return refuse("already-so", `card ${card} was drained by ${known.drained.by}`);
    return this.#planLeaving(
      card,
      [{ kind: "drained", card, mark: this.#mark }],
      `card ${card} is drained: it serves nothing and backs nothing up`,
      force,
    );
  }

  onUndrain(card: CardId): OperatorPlan {
    const known = this.#facts.cards.get(card);
    if (known === undefined) return refuse("unknown-card", `there is no card ${card}`);
    if (known.drained === undefined) return refuse("already-so", `card ${card} is not drained`);
    return this.#plan([{ kind: "drained", card, mark: undefined }], [`card ${card} serves and backs up again`], []);
  }

  onMaintenance(card: CardId, on: boolean, force: boolean): OperatorPlan {
    const known = this.#facts.cards.get(card);
    if (known === undefined) return refuse("unknown-card", `there is no card ${card}`);
    if ((known.maintenance !== undefined) === on) {
      return refuse("already-so", `card ${card} is ${on ? "" : "not "}in maintenance${on ? " already" : ""}`);
    }
    if (!on) return this.#plan([{ kind: "maintenance", card, mark: undefined }], [`card ${card} is in service again`], []);
    const says = `card ${card} is in maintenance: it has no role, and its failures count for nothing`;
    return this.#planLeaving(card, [{ kind: "maintenance", card, mark: this.#mark }], says, force);
  }

  onLiftCard(card: CardId): OperatorPlan {
    const known = this.#facts.cards.get(card);
    if (known === undefined) return refuse("unknown-card", `there is no card ${card}`);
    if (known.quarantine === undefined || known.quarantine.until <= this.#facts.now) {
      return refuse("already-so", `card ${card} is not in quarantine`);
    }
    return this.#plan([{ kind: "cardLifted", card }], [`the quarantine of card ${card} ends now; it was: ${known.quarantine.reason}`], []);
  }

  onLiftUnit(subject: string): OperatorPlan {
    const unit = this.#unitOf(subject);
    if ("kind" in unit) return unit;
    const { now } = this.#facts;
    const quarantine = unit.facts?.quarantine;
    const failedOn = [...unit.facts?.failedOn ?? []].filter(([, { until }]) => until > now).map(([card]) => card);
    const isQuarantined = quarantine !== undefined && quarantine.until > now;
    if (!isQuarantined && failedOn.length === 0) return refuse("already-so", `${subject} is not in quarantine`);
    const lines = isQuarantined ? [`the quarantine of ${subject} ends now; it was: ${quarantine.reason}`] : [];
    if (failedOn.length > 0) lines.push(`that it failed on card ${failedOn.sort((a, b) => a - b).join(", ")} is forgotten`);
    return this.#plan([{ kind: "unitLifted", unit: unit.id }], lines, []);
  }

  /** The unit that a name stands for. */
  #unitOf(subject: string): Unit | OperatorPlan {
    const units = new Units(this.#config, this.#facts, {
      primaryOf: (set) => this.#assignment.sets.get(set)?.primary,
      ownerOf: (service) => this.#assignment.services.get(service)?.owner,
    });
    const service = this.#config.services.get(subject);
    const set = this.#config.sets.get(service?.set ?? subject);
    if (set === undefined) return refuse("unknown-subject", `there is no set and no service ${subject}`);
    if (set.composition === "n-way") {
      if (service === undefined) return refuse("has-units", `${subject} is N-way: its services move one by one`);
      const unit = units.unitsOf(set).find(({ services }) => services.some(({ id }) => id === subject));
      return unit ?? refuse("unknown-subject", `${subject} is disabled in the configuration`);
    }
    const root = rootsOf(this.#config).find(({ id }) => id === set.id);
    if (root === undefined) return refuse("is-dormant", `${set.id} is a member of another set and moves with it`);
    return units.rootOf(root);
  }

  #movableUnit(subject: string): Unit | OperatorPlan {
    const unit = this.#unitOf(subject);
    if ("kind" in unit) return unit;
    const { current, facts } = unit;
    if (current !== undefined && stateOf(current.card, this.#facts) === "unknown") {
      return refuse("is-held", `card ${current.card}, which has ${subject}, is unknown`);
    }
    if (facts?.quarantine !== undefined && facts.quarantine.until > this.#facts.now) {
      return refuse("is-quarantined", `${subject} is in quarantine: ${facts.quarantine.reason}`);
    }
    return facts?.isMoving === true ? refuse("is-moving", `a move of ${subject} is under way`) : unit;
  }

  /** The card that would take over. */
  #next(unit: Unit): CardId | undefined {
    const from = unit.current?.card;
    if (from === undefined) return unit.seats.find(({ reluctance }) => reluctance < Infinity)?.card;
    const cards = new Map(this.#facts.cards);
    const known = cards.get(from);
    if (known !== undefined) cards.set(from, { ...known, drained: this.#mark });
    const after = assign(this.#config, { ...this.#facts, cards }, this.#assignment);
    const to = unit.isRoot
      ? after.sets.get(unit.id)?.primary?.card
      : after.services.get((unit.services[0] as { id: ServiceId }).id)?.owner?.card;
    return to === from ? undefined : to;
  }

  #homeOf({ services }: Unit): CardId | undefined {
    for (const { id } of services) {
      const home = this.#assignment.services.get(id)?.home;
      if (home !== undefined) return home;
    }
    return undefined;
  }

  #planMove(unit: Unit, subject: string, to: CardId, verb: "switch" | "failback", warnings: readonly string[]): OperatorPlan {
    const seat = unit.seats.find(({ card, reluctance }) => card === to && reluctance < Infinity);
    if (seat === undefined) {
      const reasons = unit.seats.filter(({ card }) => card === to).flatMap((view) => view.reasons);
      return refuse("not-eligible", `card ${to} cannot have ${subject}: ${reasonsText(reasons) || "it is no member of the set"}`);
    }
    const changes: FactChange[] = [{ kind: "wanted", unit: unit.id, to, verb, mark: this.#mark }];
    if (verb === "failback") changes.push({ kind: "stayDropped", unit: unit.id });
    if (unit.facts?.failedOn.has(to) === true) changes.push({ kind: "failureForgotten", unit: unit.id, card: to });
    const after = assign(this.#config, applyChanges(this.#facts, changes), this.#assignment);
    const arrived = unit.isRoot
      ? after.sets.get(unit.id)?.primary?.card
      : after.services.get((unit.services[0] as { id: ServiceId }).id)?.owner?.card;
    if (arrived !== to) return refuse("no-room", `card ${to} has no room for ${subject}, or has what it is to be apart from`);
    const notes = seat.reasons.map(({ text }) => `warning: ${text}`);
    return this.#plan(changes, [], [...warnings, ...notes]);
  }

  #planLeaving(card: CardId, changes: readonly FactChange[], says: string, force: boolean): OperatorPlan {
    const after = assign(this.#config, applyChanges(this.#facts, changes), this.#assignment);
    const stopped = [...this.#assignment.services.values()].filter(({ owner, service }) =>
      owner?.card === card && after.services.get(service)?.owner === undefined
    );
    if (stopped.length > 0 && !force) {
      const why = reasonsText(after.services.get((stopped[0] as ServiceAssignment).service)?.reasons ?? []);
      const names = stopped.map(({ service }) => service).sort(compareText).join(", ");
      return refuse("would-stop", `no other card can have ${names}${why === "" ? "" : `: ${why}`}`);
    }
    return this.#plan(changes, [says], []);
  }

  #plan(changes: readonly FactChange[], head: readonly string[], notes: readonly string[]): OperatorPlan {
    const after = assign(this.#config, applyChanges(this.#facts, changes), this.#assignment);
    const lines = [...head];
    for (const move of after.moves) lines.push(...moveLines(move, this.#config));
    if (after.moves.length === 0) lines.push("nothing moves");
    lines.push(...notes, ...this.#exposed(after));
    return { kind: "plan", changes, moves: after.moves, lines, after };
  }

  /** Sets that would be left without a second card, and were not before. */
  #exposed(after: Assignment): string[] {
    const lines: string[] = [];
    for (const set of rootsOf(this.#config)) {
      const hasSecond = (assignment: Assignment) => assignment.sets.get(set.id)?.seats.some(({ role }) => role === "secondary") === true;
      const isServed = after.sets.get(set.id)?.primary !== undefined;
      if (isServed && hasSecond(this.#assignment) && !hasSecond(after)) lines.push(`warning: ${set.id} would have no card to take over`);
    }
    return lines;
  }
}

function reasonsText(reasons: readonly Reason[]): string {
  return [...new Set(reasons.filter(({ code }) => ruleOf(code).starts === "never").map(({ text }) => text))].join("; ");
}

/** A move and its steps, in their order. */
export function moveLines({ services, unit, from, to, rule, reason }: Move, config: FailoverConfig): string[] {
  const what = services.length === 0 ? `the role of Primary of ${unit}` : services.join(", ");
  const way = to === undefined
    ? `stops on card ${from?.card}`
    : from === undefined
    ? `starts on card ${to.card}`
    : `card ${from.card} -> card ${to.card}`;
  const lines = [`${what}: ${way} (${rule}: ${reason})`];
  const resources = startOrder(services, config);
  if (from !== undefined && resources.length > 0) lines.push(`  stop on card ${from.card}: ${[...resources].reverse().join(", ")}`);
  if (to !== undefined && resources.length > 0) lines.push(`  start on card ${to.card}: ${resources.join(", ")}`);
  return lines;
}
