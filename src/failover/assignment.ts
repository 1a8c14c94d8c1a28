/**
 * Assignment decides who is Primary, Secondary and Alternate in each failover set and where each service runs (FS-3, FS-5, HA-13): one pure function
 * of the configuration, the facts and the assignment before. Every card computes it for itself and comes to the same result.
 *
 * What must always hold: nothing moves without cause; what an unknown card may run is started nowhere else; no card has a role in quarantine, in
 * maintenance or drained; at most one Primary for each set and epoch; everything is served where capacity allows.
 *
 * What moves as one is a *unit*: all services of a single set; of a hierarchical set, those of all sets along the path to its place; in an N-way
 * set a service, or those that stay together. Each unit has seats (`seats.ts`) that something speaks for or against (`eligibility.ts`); `placement.ts`
 * finds room. The surprising part: a unit that has to leave and a unit that would rather leave are the same thing to placement, but for the place
 * that the second one falls back to.
 */
import type { CardId } from "../base/ids.ts";
import { compareText, type FailoverConfig, type ServiceConfig, type ServiceId, type SetConfig, type SetId } from "./config.ts";
import { durationText, type Reason, type ReasonCode, ruleOf, stateOf, untilText } from "./eligibility.ts";
import { betterPlace, failbackModeOf, preferredOf, vetoesOf } from "./failback.ts";
import type { Facts, UnitId } from "./facts.ts";
import { type Candidate, type Item, type Place, place, placeWithoutMoves } from "./placement.ts";
import { rootsOf, sharedSteps } from "./seats.ts";
import { leavingOf, reluctanceFailed, type SeatView, type Unit, unitOf, Units } from "./units.ts";

export type Role = "primary" | "secondary" | "alternate" | "unassigned" | "failed";

/** A place as the assignment names it: the card, and the path of its seat. */
export type Spot = { readonly card: CardId; readonly seat: string };

export type SeatRole = Spot & {
  readonly role: Role;
  /** What speaks against it; of an eligible one, what makes it the last choice. */
  readonly reasons: readonly Reason[];
};

export type SetAssignment = {
  readonly set: SetId;
  /** Grows with each new Primary. */
  readonly epoch: number;
  /** A member of another set in which that one does not serve now has no Primary. */
  readonly isDormant: boolean;
  readonly primary: Spot | undefined;
  /** In the order in which they would take over. */
  readonly seats: readonly SeatRole[];
};

export type ServiceState =
  | "placed"
  /** An unknown card has it, or may have it. */
  | "held"
  | "quarantined"
  /** No card can have it. */
  | "unserved"
  | "disabled"
  /** Its set is a member of one that serves elsewhere. */
  | "dormant";

export type ServiceAssignment = {
  readonly service: ServiceId;
  readonly set: SetId;
  readonly unit: UnitId;
  readonly state: ServiceState;
  readonly owner: Spot | undefined;
  /** Grows with each new owner. */
  readonly epoch: number;
  /** Where it was placed first, to go back to when nothing else is preferred. */
  readonly home: CardId | undefined;
  /** Why it has no owner, or is held; of one that is placed, what speaks against its card. */
  readonly reasons: readonly Reason[];
};

export type MoveRule =
  /** It had no owner. */
  | "start"
  /** Its owner cannot have it any more, with the code of the reason. */
  | ReasonCode
  | "switch"
  | "failback"
  | "automatic-failback"
  /** The configuration put it together with what is elsewhere. */
  | "regrouped"
  /** It makes room for another one. */
  | "rebalance"
  /** It stops for a more important one. */
  | "shed"
  | "quarantine"
  | "disabled"
  | "parent";

export type Move = {
  readonly unit: UnitId;
  readonly set: SetId;
  /** Empty where only the role moves. */
  readonly services: readonly ServiceId[];
  readonly from: Spot | undefined;
  readonly to: Spot | undefined;
  readonly rule: MoveRule;
  readonly reason: string;
};

export type Assignment = {
  readonly sets: ReadonlyMap<SetId, SetAssignment>;
  readonly services: ReadonlyMap<ServiceId, ServiceAssignment>;
  readonly moves: readonly Move[];
};

export const nothingAssigned: Assignment = { sets: new Map(), services: new Map(), moves: [] };

export function assign(config: FailoverConfig, facts: Facts, previous: Assignment): Assignment {
  return new Assigning(config, facts, previous).run();
}

/** What is to be done with a unit before anybody asks where there is room. */
type Intent =
  /** It stays where it is, or nowhere; no room is looked for. */
  | {
    readonly kind: "settled";
    readonly state: ServiceState;
    readonly at: SeatView | undefined;
    readonly rule: MoveRule;
    readonly reason: string;
  }
  /** It stays unless room is needed for another one. */
  | { readonly kind: "stay"; readonly at: SeatView }
  /** It needs one of these, in this order of reluctance; where it is otherwise, `fallback`. */
  | {
    readonly kind: "find";
    readonly seats: readonly SeatView[];
    readonly fallback: SeatView | undefined;
    /** A wish for which nothing else moves. */
    readonly isWish: boolean;
    readonly rule: MoveRule;
    readonly reason: string;
  };

type OpenIntent = Exclude<Intent, { readonly kind: "settled" }>;

type Outcome = {
  readonly unit: Unit;
  readonly state: ServiceState;
  readonly at: SeatView | undefined;
  readonly rule: MoveRule;
  readonly reason: string;
};

/** Tiers of the seats of an N-way unit: those that it prefers come first, by their place in its list; then these. */
const tierHome = 64;
const tierMember = 65;
const tierSpare = 66;
const tierReluctant = 1_000;

class Assigning {
  readonly #config: FailoverConfig;
  readonly #facts: Facts;
  readonly #previous: Assignment;
  readonly #units: Units;
  readonly #cards: readonly CardId[];
  readonly #indexes: ReadonlyMap<CardId, number>;

  constructor(config: FailoverConfig, facts: Facts, previous: Assignment) {
    this.#config = config;
    this.#facts = facts;
    this.#previous = previous;
    this.#units = new Units(config, facts, {
      primaryOf: (set) => previous.sets.get(set)?.primary,
      ownerOf: (service) => previous.services.get(service)?.owner,
    });
    const cards = new Set([...config.cards.keys(), ...facts.cards.keys()]);
    for (const id of config.sets.keys()) for (const { card } of this.#units.seatsOf(id)) cards.add(card);
    for (const { owner } of previous.services.values()) if (owner !== undefined) cards.add(owner.card);
    for (const { primary } of previous.sets.values()) if (primary !== undefined) cards.add(primary.card);
    this.#cards = [...cards].sort((a, b) => a - b);
    this.#indexes = new Map(this.#cards.map((card, index) => [card, index]));
  }

  run(): Assignment {
    const roots = rootsOf(this.#config);
    const rootUnits = roots.flatMap((set) => set.composition === "n-way" ? this.#units.unitsOf(set) : [this.#units.rootOf(set)]);
    const outcomes = this.#decide(rootUnits, []);
    const active = activeSets(roots, outcomes);
    // The N-way sets within others: where these do not serve, their services stop.
    const nested = [...this.#config.sets.values()].filter((set) =>
      set.composition === "n-way" && !roots.includes(set) && active.has(set.id)
    );
    outcomes.push(...this.#decide(nested.flatMap((set) => this.#units.unitsOf(set)), outcomes));
    const services = this.#services(outcomes);
    const sets = this.#sets(active, outcomes);
    return { sets, services, moves: this.#moves(sets, services, outcomes) };
  }

  /** Where each of these units goes, with room taken by those that are decided. */
  #decide(units: readonly Unit[], decided: readonly Outcome[]): Outcome[] {
    if (units.length === 0) return [];
    const outcomes: Outcome[] = [];
    const open: { readonly unit: Unit; readonly intent: OpenIntent }[] = [];
    for (const unit of units) {
      const intent = this.#intentOf(unit);
      if (intent.kind !== "settled") open.push({ unit, intent });
      else outcomes.push({ unit, state: intent.state, at: intent.at, rule: intent.rule, reason: intent.reason });
    }
    const fixed = [...decided, ...outcomes].flatMap((outcome) => outcome.at === undefined ? [] : [this.#fixed(outcome, outcome.at)]);
    const capacities = this.#cards.map((card) => this.#config.cards.get(card)?.capacity ?? 0);
    // Mostly there is room for all without a move of what stays, and then the other seats of what stays need not be looked at.
    for (const mayMove of [false, true]) {
      const seats = open.map(({ unit, intent }) => this.#candidatesOf(unit, intent, mayMove));
      const items = open.map(({ unit, intent }, index) => this.#itemOf(unit, intent, seats[index] ?? [], mayMove));
      const places = mayMove ? place([...items, ...fixed], capacities) : placeWithoutMoves([...items, ...fixed], capacities);
      if (places === undefined) continue;
      for (const [index, { unit, intent }] of open.entries()) {
        outcomes.push(this.#outcomeOf(unit, intent, seats[index] ?? [], places[index] as Place));
      }
      break;
    }
    return outcomes;
  }

  #intentOf(unit: Unit): Intent {
    const { current, facts: about, seats, set } = unit;
    const now = this.#facts.now;
    if (current !== undefined && this.#isUnknown(current.card)) {
      return {
        kind: "settled",
        state: "held",
        at: current,
        rule: "unknown",
        reason: `card ${current.card} is unknown and may still run it`,
      };
    }
    if (about?.quarantine !== undefined && about.quarantine.until > now) {
      const { reason, until } = about.quarantine;
      return {
        kind: "settled",
        state: "quarantined",
        at: undefined,
        rule: "quarantine",
        reason: `in quarantine${untilText(until, now)}: ${reason}`,
      };
    }
    const silent = current !== undefined || this.#facts.ownersKnown ? undefined : seats.find(({ card }) => this.#isUnknown(card));
    if (silent !== undefined) {
      return {
        kind: "settled",
        state: "held",
        at: undefined,
        rule: "unknown",
        reason: `nobody knows what card ${silent.card} runs: it is unknown, and the others have just started`,
      };
    }
    const usable = () => seats.filter(({ reluctance }) => reluctance < Infinity);
    if (current === undefined) {
      return { kind: "find", seats: usable(), fallback: undefined, isWish: false, rule: "start", reason: "it had no card" };
    }
    const wanted = about?.wanted;
    const to = wantedCard(unit);
    const wish = to === current.card ? undefined : seats.find(({ card, reluctance }) => card === to && reluctance < Infinity);
    const leaving = leavingOf(current.reasons);
    const others = () => usable().filter(({ card, key }) => card !== current.card || key !== current.key);
    if (leaving?.isForced === true) {
      return { kind: "find", seats: others(), fallback: undefined, isWish: false, rule: leaving.code, reason: leaving.reason.text };
    }
    if (wish !== undefined && wanted !== undefined) {
      const comment = wanted.comment === "" ? "" : ` (${wanted.comment})`;
      return {
        kind: "find",
        seats: [wish],
        fallback: current,
        isWish: true,
        rule: wanted.verb,
        reason: `wanted by ${wanted.by}${comment}`,
      };
    }
    if (leaving?.code === "failed-here") {
      const seats = to === current.card ? [] : this.#placesAfterFailure(unit, current, others());
      if (seats.length > 0) {
        return { kind: "find", seats, fallback: current, isWish: false, rule: leaving.code, reason: leaving.reason.text };
      }
    } else if (leaving !== undefined) {
      return { kind: "find", seats: others(), fallback: current, isWish: false, rule: leaving.code, reason: leaving.reason.text };
    }
    const rival = set.composition === "n-way" ? this.#rivalOf(unit) : undefined;
    if (rival !== undefined) {
      return {
        kind: "find",
        seats: others(),
        fallback: current,
        isWish: false,
        rule: "rebalance",
        reason: `${rival} is on card ${current.card} too, and they are to be apart`,
      };
    }
    const better = betterPlace(unit, this.#homeOf(unit));
    if (better !== undefined && failbackModeOf(unit, better, this.#config) === "automatic") {
      if (vetoesOf(unit, better, this.#config, this.#facts).length === 0) {
        const since = this.#facts.cards.get(better.card)?.healthySince ?? now;
        const asked = durationText(1_000 * this.#config.policy.failbackAfterS);
        const reason = `card ${better.card} is preferred and has been healthy for ${
          durationText(now - since)
        }, failbackAfterS asks for ${asked}`;
        return { kind: "find", seats: [better], fallback: current, isWish: true, rule: "automatic-failback", reason };
      }
    }
    return { kind: "stay", at: current };
  }

  /** Where it has not failed; when it has everywhere, where that is the longest ago. So it goes round, and rests where it has come to. */
  #placesAfterFailure({ facts }: Unit, current: SeatView, others: readonly SeatView[]): readonly SeatView[] {
    const failedUntil = ({ card }: SeatView) => {
      const failed = facts?.failedOn.get(card);
      return failed === undefined || failed.until <= this.#facts.now ? -Infinity : failed.until;
    };
    const untouched = others.filter((view) => failedUntil(view) === -Infinity);
    if (untouched.length > 0) return untouched;
    const oldest = Math.min(...others.map(failedUntil));
    return oldest < failedUntil(current) ? others.filter((view) => failedUntil(view) === oldest).slice(0, 1) : [];
  }

  /** An earlier service, by name, that is to be apart from this unit's and was on the same card. */
  #rivalOf({ services, set, current }: Unit): ServiceId | undefined {
    const words = services.map(({ apart }) => apart).filter((word) => word !== undefined);
    if (words.length === 0) return undefined;
    return this.#units.servicesOf(set.id).find(({ id, apart }) =>
      apart !== undefined && words.includes(apart) && id < (services[0] as ServiceConfig).id && !services.some((own) => own.id === id) &&
      this.#previous.services.get(id)?.owner?.card === current?.card
    )?.id;
  }

  #homeOf({ services }: Unit): CardId | undefined {
    for (const { id } of services) {
      const home = this.#previous.services.get(id)?.home;
      if (home !== undefined) return home;
    }
    return undefined;
  }

  /** The seats that a unit may take, the first ones first where nothing else decides. */
  #candidatesOf(unit: Unit, intent: OpenIntent, mayMove: boolean): readonly SeatView[] {
    if (intent.kind === "stay" && (!mayMove || unit.isRoot)) return [intent.at];
    const open = intent.kind === "find" ? intent.seats : [intent.at, ...unit.seats.filter(({ reluctance }) => reluctance < Infinity)];
    const usable = [...new Set(open)];
    if (!unit.isRoot) return usable;
    const from = unit.current?.seat;
    const isFirst = (view: SeatView) => intent.kind === "find" && wantedCard(unit) === view.card;
    const shared = (view: SeatView) => from === undefined || view.seat === undefined ? 0 : sharedSteps(from, view.seat);
    return usable.sort((a, b) =>
      Number(isFirst(b)) - Number(isFirst(a)) || Number(isLastResort(a)) - Number(isLastResort(b)) || shared(b) - shared(a) ||
      a.reluctance - b.reluctance ||
      (a.seat?.index ?? -1) - (b.seat?.index ?? -1)
    );
  }

  #itemOf(unit: Unit, intent: OpenIntent, seats: readonly SeatView[], mayMove: boolean): Item {
    const preferred = preferredOf(unit);
    const home = this.#homeOf(unit);
    const hasFailed = intent.kind === "find" &&
      unit.seats.some(({ seat, reluctance }) => seat?.path[0]?.spare === false && reluctance === Infinity);
    const tierOf = (view: SeatView, index: number): number => {
      if (unit.isRoot) return index;
      const at = preferred.indexOf(view.card);
      const isSpare = view.seat?.path[0]?.spare === true && !hasFailed;
      const tier = at !== -1 ? at : view.card === home ? tierHome : isSpare ? tierSpare : tierMember;
      return wantedCard(unit) === view.card ? -1 : tier + tierReluctant * view.reluctance;
    };
    const services = (view: SeatView) => unit.isRoot ? this.#units.servicesAt(view.seat, unit.set.id) : unit.services;
    const candidates = seats.map((view, index): Candidate => ({
      card: this.#indexOf(view.card),
      weight: this.#weightOf(unit, view),
      tier: tierOf(view, index),
    }));
    const all = unit.isRoot ? unit.seats.flatMap(services) : unit.services;
    const common = {
      id: unit.id,
      priority: Math.max(...all.map(({ priority }) => priority), -Infinity),
      cost: Math.max(1, unit.services.length),
      candidates,
      apart: unit.services.flatMap(({ apart }) => apart === undefined ? [] : [`${unit.set.id}/${apart}`]),
    };
    if (intent.kind === "stay") {
      const movable = mayMove && !unit.isRoot && this.#config.policy.rebalance && unit.facts?.isMoving !== true;
      return { ...common, home: 0, ...(movable ? { movable } : {}), pushes: true };
    }
    if (intent.fallback === undefined) return { ...common, pushes: true };
    const fallback = { card: this.#indexOf(intent.fallback.card), weight: this.#weightOf(unit, intent.fallback) };
    return { ...common, fallback, pushes: !intent.isWish };
  }

  /** What takes room where it is and is not to be touched. */
  #fixed({ unit }: Outcome, at: SeatView): Item {
    return {
      id: unit.id,
      priority: Infinity,
      cost: 1,
      candidates: [{ card: this.#indexOf(at.card), weight: this.#weightOf(unit, at), tier: 0 }],
      home: 0,
      movable: false,
      pushes: false,
      apart: unit.services.flatMap(({ apart }) => apart === undefined ? [] : [`${unit.set.id}/${apart}`]),
    };
  }

  #indexOf(card: CardId): number {
    return this.#indexes.get(card) as number;
  }

  #outcomeOf(unit: Unit, intent: OpenIntent, seats: readonly SeatView[], at: Place): Outcome {
    const view = at === "none" ? undefined : at === "fallback" ? unit.current : seats[at];
    if (intent.kind === "find") {
      return { unit, state: view === undefined ? "unserved" : "placed", at: view, rule: intent.rule, reason: intent.reason };
    }
    if (view !== undefined) {
      return { unit, state: "placed", at: view, rule: "rebalance", reason: "it makes room for a service that has nowhere else to go" };
    }
    return { unit, state: "unserved", at: undefined, rule: "shed", reason: "it makes room for a more important service" };
  }

  #services(outcomes: readonly Outcome[]): ReadonlyMap<ServiceId, ServiceAssignment> {
    const byUnit = new Map(outcomes.map((outcome) => [outcome.unit.id, outcome]));
    const loads = new Map<CardId, number>();
    for (const { unit, at } of outcomes) if (at !== undefined) loads.set(at.card, (loads.get(at.card) ?? 0) + this.#weightOf(unit, at));
    const services = new Map<ServiceId, ServiceAssignment>();
    for (const service of this.#config.services.values()) {
      const set = this.#config.sets.get(service.set);
      if (set === undefined) continue;
      const outcome = this.#outcomeOfService(service, set, byUnit, outcomes);
      services.set(service.id, this.#serviceAssignment(service, set, outcome, loads));
    }
    // A service that is gone from the configuration, and that an unknown card may run, is not forgotten.
    for (const [id, before] of this.#previous.services) {
      if (services.has(id) || !this.#isUnknown(before.owner?.card)) continue;
      services.set(id, { ...before, state: "held" });
    }
    return services;
  }

  #isUnknown(card: CardId | undefined): boolean {
    return card !== undefined && stateOf(card, this.#facts) === "unknown";
  }

  /** The outcome that decides on a service; undefined when its set serves elsewhere. */
  #outcomeOfService(
    service: ServiceConfig,
    set: SetConfig,
    byUnit: ReadonlyMap<UnitId, Outcome>,
    outcomes: readonly Outcome[],
  ): Outcome | undefined {
    if (set.composition === "n-way") return byUnit.get(unitOf(service, set));
    const own = byUnit.get(set.id);
    if (own !== undefined) return own;
    return outcomes.find(({ unit, at }) => unit.isRoot && at?.seat?.sets.includes(set.id) === true);
  }

  #serviceAssignment(
    service: ServiceConfig,
    set: SetConfig,
    outcome: Outcome | undefined,
    loads: ReadonlyMap<CardId, number>,
  ): ServiceAssignment {
    const { id } = service;
    const before = this.#previous.services.get(id);
    const epoch = before?.epoch ?? this.#facts.epochsFrom;
    const home = before?.home;
    const unit = outcome?.unit.id ?? unitOf(service, set);
    if (before?.owner !== undefined && this.#isUnknown(before.owner.card)) {
      const text = `card ${before.owner.card} is unknown and may still run it`;
      return {
        service: id,
        set: set.id,
        unit,
        state: "held",
        owner: before.owner,
        epoch,
        home,
        reasons: [{ code: "unknown", card: before.owner.card, text }],
      };
    }
    const nobody = { service: id, set: set.id, unit, owner: undefined, epoch, home };
    if (!service.enabled) return { ...nobody, state: "disabled", reasons: [] };
    if (outcome === undefined) return { ...nobody, state: "dormant", reasons: [] };
    const { state, at } = outcome;
    if (at === undefined) return { ...nobody, state, reasons: this.#reasonsOf(outcome, loads) };
    const owner = { card: at.card, seat: at.key };
    return {
      service: id,
      set: set.id,
      unit,
      state,
      owner,
      epoch: before?.owner?.card === at.card ? epoch : epoch + 1,
      home: home ?? (set.composition === "n-way" ? at.card : undefined),
      reasons: at.reasons,
    };
  }

  /** Why a unit has no card: what speaks against each of its seats. */
  #reasonsOf({ unit, state }: Outcome, loads: ReadonlyMap<CardId, number>): readonly Reason[] {
    if (state === "held") return unit.seats.flatMap(({ reasons }) => reasons.filter(({ code }) => code === "unknown"));
    if (state !== "unserved") return [];
    return unit.seats.flatMap((view): readonly Reason[] => {
      if (view.reluctance === Infinity) return view.reasons.filter(({ code }) => ruleOf(code).starts === "never").slice(0, 1);
      const weight = this.#weightOf(unit, view);
      const [load, capacity] = [loads.get(view.card) ?? 0, this.#config.cards.get(view.card)?.capacity ?? 0];
      const text = load + weight > capacity
        ? `card ${view.card} has no room: ${load} of ${capacity} are taken, and it weighs ${weight}`
        : `card ${view.card} has what it is to be apart from`;
      return [{ code: "no-room", card: view.card, text }];
    });
  }

  #weightOf(unit: Unit, view: SeatView): number {
    const services = unit.isRoot ? this.#units.servicesAt(view.seat, unit.set.id) : unit.services;
    return services.reduce((sum, { weight }) => sum + weight, 0);
  }

  #sets(active: ReadonlySet<SetId>, outcomes: readonly Outcome[]): ReadonlyMap<SetId, SetAssignment> {
    const sets = new Map<SetId, SetAssignment>();
    const roots = outcomes.filter(({ unit }) => unit.isRoot);
    for (const set of this.#config.sets.values()) {
      const own = roots.find(({ unit, at }) => unit.id === set.id || at?.seat?.sets.includes(set.id) === true);
      const isDormant = !active.has(set.id);
      const before = this.#previous.sets.get(set.id);
      const members = this.#units.membersOf(set.id);
      const views = own?.unit.id === set.id ? own.unit.seats : members;
      const chosen = isDormant ? undefined : set.composition === "n-way" ? this.#arbiterOf(members, before?.primary) : own?.at;
      const primary = chosen === undefined ? undefined : { card: chosen.card, seat: keyWithin(set.id, chosen) };
      const isSame = before?.primary?.card === primary?.card && before?.primary?.seat === primary?.seat;
      const epoch = (before?.epoch ?? this.#facts.epochsFrom) + (primary === undefined || isSame ? 0 : 1);
      sets.set(set.id, { set: set.id, epoch, isDormant, primary, seats: rolesOf(views, primary) });
    }
    return sets;
  }

  /** The Primary of an N-way set, which every member serves something of: it stays while it may, else the first that may. */
  #arbiterOf(members: readonly SeatView[], before: Spot | undefined): SeatView | undefined {
    const view = members.find(({ card, key }) => card === before?.card && key === before.seat);
    const leaving = view === undefined ? undefined : leavingOf(view.reasons);
    if (view !== undefined && leaving === undefined) return view;
    if (!this.#facts.ownersKnown && before === undefined && members.some(({ card }) => this.#isUnknown(card))) return undefined;
    const usable = members.filter(({ reluctance }) => reluctance < Infinity).sort((a, b) => a.reluctance - b.reluctance);
    return usable[0] ?? (leaving?.isForced === false ? view : undefined);
  }

  #moves(
    sets: ReadonlyMap<SetId, SetAssignment>,
    services: ReadonlyMap<ServiceId, ServiceAssignment>,
    outcomes: readonly Outcome[],
  ): Move[] {
    const byUnit = new Map(outcomes.map((outcome) => [outcome.unit.id, outcome]));
    const moves = new Map<string, Move & { readonly services: ServiceId[] }>();
    for (const [id, after] of services) {
      const before = this.#previous.services.get(id);
      const [from, to] = [before?.owner, after.owner];
      if (from?.card === to?.card && (from?.seat === to?.seat || after.state === "held")) continue;
      const set = this.#config.services.get(id)?.set ?? "";
      const key = `${after.unit} ${from?.card} ${from?.seat} ${to?.card} ${after.state}`;
      const known = moves.get(key);
      if (known !== undefined) {
        known.services.push(id);
        continue;
      }
      const { rule, reason } = whyOf(after, before, byUnit.get(after.unit));
      moves.set(key, { unit: after.unit, set, services: [id], from, to, rule, reason });
    }
    for (const [id, before] of this.#previous.services) {
      if (services.has(id) || before.owner === undefined) continue;
      moves.set(`gone ${id}`, {
        unit: before.unit,
        set: "",
        services: [id],
        from: before.owner,
        to: undefined,
        rule: "disabled",
        reason: "it is no longer configured",
      });
    }
    for (const [id, { primary }] of sets) {
      const before = this.#previous.sets.get(id)?.primary;
      const outcome = byUnit.get(id);
      const isSame = before?.card === primary?.card && before?.seat === primary?.seat;
      if (isSame || outcome === undefined || [...moves.values()].some((move) => move.unit === id)) continue;
      moves.set(`role ${id}`, { unit: id, set: id, services: [], from: before, to: primary, rule: outcome.rule, reason: outcome.reason });
    }
    // Of one unit: what only stops, then what moves, then what only starts.
    const order = ({ from, to }: Move) => (to === undefined ? 0 : from === undefined ? 2 : 1);
    return [...moves.values()].sort((a, b) =>
      compareText(a.unit, b.unit) || order(a) - order(b) || compareText(a.services[0] ?? "", b.services[0] ?? "")
    );
  }
}

function whyOf(
  { state, owner, set }: ServiceAssignment,
  before: ServiceAssignment | undefined,
  outcome: Outcome | undefined,
): { readonly rule: MoveRule; readonly reason: string } {
  if (state === "disabled") return { rule: "disabled", reason: "it is disabled in the configuration" };
  if (state === "dormant" || outcome === undefined) {
    return { rule: "parent", reason: "the set that its set is a member of serves elsewhere" };
  }
  const { unit, at } = outcome;
  if (at === undefined || at !== unit.current || before?.owner?.card === at.card) return outcome;
  // Its unit is where it was: it is the service that is new there.
  if (before?.owner === undefined) return { rule: "start", reason: `what it moves with is on card ${owner?.card}` };
  return { rule: "regrouped", reason: `by the configuration it belongs to ${set} and moves with what is on card ${at.card}` };
}

/** A place where the unit has failed counts as none while there is another one, in its own child too. */
function isLastResort({ reluctance }: SeatView): boolean {
  return reluctance >= reluctanceFailed;
}

/** Where an operator wants a unit; not any more where it has failed since. */
function wantedCard({ facts }: Unit): CardId | undefined {
  if (facts?.wanted === undefined) return undefined;
  const { to, at } = facts.wanted;
  return (facts.failedOn.get(to)?.since ?? -Infinity) >= at ? undefined : to;
}

/** The sets that may serve: the roots, and those on the paths of where they are. */
function activeSets(roots: readonly SetConfig[], outcomes: readonly Outcome[]): Set<SetId> {
  const active = new Set(roots.map(({ id }) => id));
  for (const { unit, at } of outcomes) if (unit.isRoot) { for (const set of at?.seat?.sets ?? []) active.add(set); }
  return active;
}

/** The key of a seat as a set within its path has it. */
function keyWithin(set: SetId, { seat, key }: SeatView): string {
  if (seat === undefined) return key;
  const at = seat.path.findIndex((step) => step.set === set);
  return at <= 0 ? key : seat.path.slice(at).map((step) => step.key).join(" > ");
}

/** The roles of the seats of a set, the Primary's first, the others in the order in which they would take over (FS-5). */
function rolesOf(views: readonly SeatView[], primary: Spot | undefined): SeatRole[] {
  const seat = views.find(({ card, key }) => card === primary?.card && key === primary.seat)?.seat;
  const shared = (view: SeatView) => seat === undefined || view.seat === undefined ? 0 : sharedSteps(seat, view.seat);
  const others = views.filter(({ card, key }) => card !== primary?.card || key !== primary.seat);
  const usable = others.filter(({ reluctance }) => reluctance < Infinity);
  usable.sort((a, b) =>
    Number(isLastResort(a)) - Number(isLastResort(b)) || shared(b) - shared(a) || a.reluctance - b.reluctance ||
    (a.seat?.index ?? 0) - (b.seat?.index ?? 0)
  );
  const roles: SeatRole[] = [];
  if (primary !== undefined) {
    const reasons = views.find(({ card, key }) => card === primary.card && key === primary.seat)?.reasons ?? [];
    roles.push({ ...primary, role: "primary", reasons });
  }
  for (const [at, { card, key, reasons }] of usable.entries()) {
    roles.push({ card, seat: key, role: at === 0 ? "secondary" : "alternate", reasons });
  }
  for (const { card, key, reasons, reluctance } of others) {
    if (reluctance < Infinity) continue;
    const isFailed = reasons.some(({ code }) => ruleOf(code).role === "failed");
    roles.push({ card, seat: key, role: isFailed ? "failed" : "unassigned", reasons });
  }
  return roles;
}
