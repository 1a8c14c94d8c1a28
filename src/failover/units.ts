/**
 * Units: what moves as one, where it may be, and whether something makes it move. All services of a single set are one; of a hierarchical set,
 * those of all sets along the path to its seat; in an N-way set a service by itself, or those that stay together.
 */
import type { CardId } from "../base/ids.ts";
import type { FailoverConfig, ResourceId, ServiceConfig, ServiceId, SetConfig, SetId } from "./config.ts";
import { cardReasons, cardTypeReasons, portGroupReasons, type Reason, type ReasonCode, resourceReasons, ruleOf } from "./eligibility.ts";
import type { Facts, UnitFacts, UnitId } from "./facts.ts";
import { type Seat, seatsOf } from "./seats.ts";

/** A seat as one unit sees it. */
export type SeatView = {
  readonly card: CardId;
  /** The seat's key; of a place that is no seat of the set any more, what it was. */
  readonly key: string;
  readonly seat: Seat | undefined;
  /** What speaks against it, the weightiest first. */
  readonly reasons: readonly Reason[];
  /** How gladly a unit starts there: 0 gladly, higher only when there is nothing better, `Infinity` not at all. */
  readonly reluctance: number;
};

/** The reluctance of a place where the unit has failed; a degraded card's is less. */
export const reluctanceFailed = 2;

export type Unit = {
  readonly id: UnitId;
  readonly set: SetConfig;
  /** A single or hierarchical set, whose services are those along the path of its seat; else one of an N-way set. */
  readonly isRoot: boolean;
  readonly services: readonly ServiceConfig[];
  /** In the configured order. */
  readonly seats: readonly SeatView[];
  readonly facts: UnitFacts | undefined;
  /** Where it is. */
  readonly current: SeatView | undefined;
};

export function unitOf(service: ServiceConfig, set: SetConfig): UnitId {
  if (set.composition !== "n-way") return set.id;
  return service.together === undefined ? `${set.id}/${service.id}` : `${set.id}/+${service.together}`;
}

/** What a unit was and where, as the assignment before has it. */
export type Past = {
  readonly primaryOf: (set: SetId) => { readonly card: CardId; readonly seat: string } | undefined;
  readonly ownerOf: (service: ServiceId) => { readonly card: CardId; readonly seat: string } | undefined;
};

/** Views of all sets, made once for each decision. */
export class Units {
  readonly #config: FailoverConfig;
  readonly #facts: Facts;
  readonly #past: Past;
  readonly #services = new Map<SetId, ServiceConfig[]>();
  readonly #seats = new Map<SetId, readonly Seat[]>();
  readonly #ofCard = new Map<CardId, readonly Reason[]>();
  readonly #bases = new Map<SetId, readonly SeatView[]>();

  constructor(config: FailoverConfig, facts: Facts, past: Past) {
    this.#config = config;
    this.#facts = facts;
    this.#past = past;
    for (const service of config.services.values()) {
      if (!service.enabled) continue;
      const list = this.#services.get(service.set);
      if (list === undefined) this.#services.set(service.set, [service]);
      else list.push(service);
    }
  }

  /** The services of a set that are to run, by name. */
  servicesOf(set: SetId): readonly ServiceConfig[] {
    return this.#services.get(set) ?? [];
  }

  /** The services that run with a root that has this seat, those of the outermost set first; the N-way sets on the path have units of their own. */
  servicesAt(seat: Seat | undefined, root: SetId): readonly ServiceConfig[] {
    const sets = seat?.sets ?? [root];
    return sets.flatMap((set) => this.#config.sets.get(set)?.composition === "n-way" ? [] : this.servicesOf(set));
  }

  seatsOf(set: SetId): readonly Seat[] {
    let seats = this.#seats.get(set);
    if (seats === undefined) this.#seats.set(set, seats = seatsOf(set, this.#config));
    return seats;
  }

  cardReasons(card: CardId): readonly Reason[] {
    let reasons = this.#ofCard.get(card);
    if (reasons === undefined) this.#ofCard.set(card, reasons = cardReasons(card, this.#config, this.#facts));
    return reasons;
  }

  rootOf(set: SetConfig): Unit {
    const facts = this.#facts.units.get(set.id);
    const seats = this.seatsOf(set.id).map((seat) => {
      const resources = this.servicesAt(seat, set.id).flatMap(({ reaches }) => reaches);
      return this.#with(this.#view(seat, seat.sets, resources), [], facts);
    });
    const spot = this.#past.primaryOf(set.id) ?? this.#ownerOf(this.servicesOf(set.id));
    return { id: set.id, set, isRoot: true, services: [], seats, facts, current: currentOf(spot, seats, set.id, this) };
  }

  /** The units of an N-way set, by name. */
  unitsOf(set: SetConfig): Unit[] {
    const groups = new Map<UnitId, ServiceConfig[]>();
    for (const service of this.servicesOf(set.id)) {
      const id = unitOf(service, set);
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [service]);
      else group.push(service);
    }
    return [...groups].map(([id, services]) => {
      const facts = this.#facts.units.get(id);
      const resources = services.flatMap(({ reaches }) => reaches);
      const bases = this.#basesOf(set.id);
      const isBase = resources.length === 0 && (facts === undefined || facts.failedOn.size === 0);
      const seats = isBase ? bases : bases.map((base) => this.#with(base, resources, facts));
      return { id, set, isRoot: false, services, seats, facts, current: currentOf(this.#ownerOf(services), seats, set.id, this) };
    });
  }

  /** The seats of a set without regard to what is to run there: who may be its Primary. */
  membersOf(set: SetId): SeatView[] {
    return this.seatsOf(set).map((seat) => this.#view(seat, [], []));
  }

  #ownerOf(services: readonly ServiceConfig[]) {
    for (const { id } of services) {
      const owner = this.#past.ownerOf(id);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** The seats of an N-way set as they are for a service that needs nothing. */
  #basesOf(set: SetId): readonly SeatView[] {
    let bases = this.#bases.get(set);
    if (bases === undefined) this.#bases.set(set, bases = this.seatsOf(set).map((seat) => this.#view(seat, [set], [])));
    return bases;
  }

  /** What speaks against a seat: of its card, its port group and its device, and of what each set wants of a card that has these resources. */
  #view(seat: Seat, sets: readonly SetId[], resources: readonly ResourceId[]): SeatView {
    const { card, key, portGroup, device } = seat;
    const ofCard = this.cardReasons(card);
    const state = this.#facts.cards.get(card);
    if (state?.state !== "up") return { card, key, seat, reasons: ofCard, reluctance: Infinity };
    const reasons = [...ofCard];
    if (portGroup !== undefined) reasons.push(...portGroupReasons(card, portGroup, this.#config, this.#facts));
    if (device !== undefined) reasons.push(...resourceReasons(card, device, this.#config, state));
    for (const id of sets) {
      const set = this.#config.sets.get(id);
      if (set !== undefined) reasons.push(...cardTypeReasons(card, set, this.#config, state));
    }
    for (const id of resources) reasons.push(...resourceReasons(card, id, this.#config, state));
    return { card, key, seat, reasons, reluctance: this.#reluctance(reasons) };
  }

  /** The view with what speaks against it for one unit: its resources, and that it failed there. The same view where nothing does. */
  #with(view: SeatView, resources: readonly ResourceId[], facts: UnitFacts | undefined): SeatView {
    const { card, key, seat } = view;
    const state = this.#facts.cards.get(card);
    if (state?.state !== "up") return view;
    const failed = facts?.failedOn.get(card);
    const hasFailed = failed !== undefined && failed.until > this.#facts.now;
    let more: Reason[] | undefined;
    for (const id of resources) {
      const found = resourceReasons(card, id, this.#config, state);
      if (found.length > 0) (more ??= []).push(...found);
    }
    if (hasFailed) (more ??= []).push({ code: "failed-here", card, text: failed.reason });
    if (more === undefined) return view;
    const reasons = [...view.reasons, ...more];
    return { card, key, seat, reasons, reluctance: this.#reluctance(reasons) };
  }

  #reluctance(reasons: readonly Reason[]): number {
    let reluctance = 0;
    for (const { code } of reasons) {
      if (ruleOf(code).starts === "never") return Infinity;
      if (code === "failed-here") reluctance += reluctanceFailed;
      else if (this.#config.policy.degradedLast) reluctance += 1;
    }
    return reluctance;
  }
}

function currentOf(
  spot: { readonly card: CardId; readonly seat: string } | undefined,
  seats: readonly SeatView[],
  set: SetId,
  units: Units,
): SeatView | undefined {
  if (spot === undefined) return undefined;
  const { card, seat } = spot;
  const known = seats.find((view) => view.key === seat && view.card === card) ?? seats.find((view) => view.card === card);
  if (known !== undefined) return known;
  const reasons: Reason[] = [...units.cardReasons(card), { code: "no-member", card, text: `card ${card} is no member of ${set} any more` }];
  return { card, key: seat, seat: undefined, reasons, reluctance: Infinity };
}

/** What makes a unit leave a place: the first reason that always does, else the first that does when there is another place. */
export function leavingOf(
  reasons: readonly Reason[],
): { readonly reason: Reason; readonly code: ReasonCode; readonly isForced: boolean } | undefined {
  const forced = reasons.find(({ code }) => ruleOf(code).leaves === "always");
  const reason = forced ?? reasons.find(({ code }) => ruleOf(code).leaves === "elsewhere");
  return reason === undefined ? undefined : { reason, code: reason.code, isForced: forced !== undefined };
}
