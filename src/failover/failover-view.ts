/**
 * What the failover service knows in the form in which programs and people get it: lists instead of maps, ages instead of instants of the order,
 * every reason with who can end it and how. Pure; HTTP answers with it, the console and the page show it.
 */
import type { CardId } from "../base/ids.ts";
import type { Role, SeatRole, SetAssignment, Spot } from "./assignment.ts";
import { compareText, type ResourceId, type ServiceId, type SetId } from "./config.ts";
import { type Owner, type Reason, ruleOf } from "./eligibility.ts";
import type { CardFacts, OperatorMark, Quarantine, UnitFacts, UnitId } from "./facts.ts";
import type { ReadinessReason, ReadinessReport } from "./readiness.ts";
import type { ConfigPlace, FailoverStatus, LocalState, ServiceStatus } from "./service-types.ts";

export type ReasonView = {
  readonly code: string;
  readonly card: CardId;
  readonly text: string;
  readonly resource?: ResourceId;
  readonly owner: Owner;
  readonly hint: string;
};

export type SeatView = { readonly card: CardId; readonly seat: string; readonly role: Role; readonly reasons: readonly ReasonView[] };

export type ServiceView = {
  readonly service: ServiceId;
  /** What it moves with. */
  readonly unit: UnitId;
  readonly state: string;
  readonly owner?: Spot;
  /** How far its grant is. */
  readonly grant: string;
  readonly epoch: number;
  readonly home?: CardId;
  readonly reasons: readonly ReasonView[];
  /** On the card that answers. */
  readonly here?: { readonly state: LocalState; readonly waitingFor: readonly ResourceId[] };
};

export type QuarantineView = { readonly reason: string; readonly forMs: number; readonly leftMs?: number };
export type MarkView = { readonly by: string; readonly comment: string; readonly forMs: number };

export type UnitView = {
  readonly unit: UnitId;
  readonly moving: boolean;
  readonly quarantine?: QuarantineView;
  readonly wanted?: MarkView & { readonly to: CardId; readonly verb: "switch" | "failback" };
  readonly stays?: CardId;
  readonly failedOn: readonly (QuarantineView & { readonly card: CardId })[];
};

export type SetView = {
  readonly set: SetId;
  readonly epoch: number;
  readonly dormant: boolean;
  readonly primary?: Spot;
  readonly secondary?: Spot;
  readonly alternates: readonly Spot[];
  /** All seats, in the order in which they would take over. */
  readonly seats: readonly SeatView[];
  readonly services: readonly ServiceView[];
  /** What of it has something behind it or before it. */
  readonly units: readonly UnitView[];
};

export type CardView = {
  readonly card: CardId;
  readonly state: CardFacts["state"];
  readonly joined: boolean;
  readonly readiness: CardFacts["readiness"];
  readonly health: CardFacts["health"];
  readonly healthReasons: readonly string[];
  readonly healthyForMs?: number;
  readonly software: string;
  readonly model?: string;
  readonly configuration: CardFacts["configuration"];
  readonly ports: readonly { readonly port: string; readonly state: "down" | "missing" }[];
  readonly unfit: readonly { readonly resource: ResourceId; readonly code: string; readonly reason: string }[];
  readonly quarantine?: QuarantineView;
  readonly maintenance?: MarkView;
  readonly drained?: MarkView;
};

export type ReadinessReasonView = {
  readonly service: ServiceId;
  readonly code: string;
  readonly card?: CardId;
  readonly text: string;
  readonly forMs: number;
  readonly owner: Owner;
  readonly hint: string;
};

/** Where the card that answers stands. */
export type StandingView = {
  readonly state: FailoverStatus["state"];
  readonly reason?: string;
  readonly configuration?: ConfigPlace;
  readonly ownersKnown: boolean;
};

export type ReadinessView = StandingView & {
  /** Every service would be taken over. */
  readonly ready: boolean;
  readonly reasons: readonly ReadinessReasonView[];
  readonly warnings: readonly ReadinessReasonView[];
};

export type SetsView = StandingView & { readonly sets: readonly SetView[] };

export type ActivityView = { readonly kind: "drill" | "upgrade"; readonly reason: string; readonly forMs: number };

export type FailoverView = ReadinessView & {
  readonly sets: readonly SetView[];
  readonly cards: readonly CardView[];
  readonly activities: readonly ActivityView[];
};

export function standingView({ state, reason, configuration, ownersKnown }: FailoverStatus): StandingView {
  return { state, ...(reason === undefined ? {} : { reason }), ...(configuration === undefined ? {} : { configuration }), ownersKnown };
}

export function failoverView(status: FailoverStatus, readiness: ReadinessReport | undefined): FailoverView {
  const { facts, now } = status;
  return {
    ...readinessView(status, readiness),
    sets: setViews(status),
    cards: [...facts?.cards ?? []].sort(([a], [b]) => a - b).map(([card, about]) => cardView(card, about, now)),
    activities: (facts?.activities ?? []).map(({ kind, reason, since }) => ({ kind, reason, forMs: age(now, since) })),
  };
}

export function setsView(status: FailoverStatus): SetsView {
  return { ...standingView(status), sets: setViews(status) };
}

/** Who does not know what is agreed on, or may not serve, is ready for nothing. */
export function readinessView(status: FailoverStatus, readiness: ReadinessReport | undefined): ReadinessView {
  const { state, now } = status;
  const { reasons = [], warnings = [] } = readiness ?? {};
  const view = (reason: ReadinessReason) => readinessReasonView(reason, now);
  return {
    ...standingView(status),
    ready: state === "known" && readiness !== undefined && reasons.length === 0,
    reasons: reasons.map(view),
    warnings: warnings.map(view),
  };
}

function readinessReasonView({ service, code, card, text, since, owner, hint }: ReadinessReason, now: number): ReadinessReasonView {
  return { service, code, ...(card === undefined ? {} : { card }), text, forMs: age(now, since), owner, hint };
}

export function setViews(status: FailoverStatus): SetView[] {
  return [...status.assignment?.sets.values() ?? []].sort((a, b) => compareText(a.set, b.set)).map((set) => setView(set, status));
}

function setView({ set, epoch, isDormant, primary, seats }: SetAssignment, status: FailoverStatus): SetView {
  const services = status.services.filter((service) => service.set === set).sort((a, b) => compareText(a.service, b.service));
  const spotOf = ({ card, seat }: SeatRole): Spot => ({ card, seat });
  const [secondary] = seats.filter(({ role }) => role === "secondary").map(spotOf);
  const units = [...status.facts?.units ?? []].filter(([unit]) => unit === set || unit.startsWith(`${set}/`));
  return {
    set,
    epoch,
    dormant: isDormant,
    ...(primary === undefined ? {} : { primary }),
    ...(secondary === undefined ? {} : { secondary }),
    alternates: seats.filter(({ role }) => role === "alternate").map(spotOf),
    seats: seats.map(({ card, seat, role, reasons }) => ({ card, seat, role, reasons: reasons.map(reasonView) })),
    services: services.map((service) => serviceView(service, status)),
    units: units.flatMap(([unit, about]) => unitView(unit, about, status.now)).sort((a, b) => compareText(a.unit, b.unit)),
  };
}

function serviceView({ service, set, state, grant, epoch, here }: ServiceStatus, { assignment }: FailoverStatus): ServiceView {
  const assigned = assignment?.services.get(service);
  const { owner, home, unit = set, reasons = [] } = assigned ?? {};
  return {
    service,
    unit,
    state,
    ...(owner === undefined ? {} : { owner }),
    grant,
    epoch,
    ...(home === undefined ? {} : { home }),
    reasons: reasons.map(reasonView),
    ...(here === undefined ? {} : { here }),
  };
}

function reasonView({ code, card, text, resource }: Reason): ReasonView {
  const { owner, hint } = ruleOf(code);
  return { code, card, text, ...(resource === undefined ? {} : { resource }), owner, hint };
}

/** Nothing for a unit of which there is nothing to tell. */
function unitView(unit: UnitId, { failedOn, quarantine, wanted, stay, isMoving }: UnitFacts, now: number): UnitView[] {
  const failed = [...failedOn].filter(([, { until }]) => until > now).sort(([a], [b]) => a - b);
  const isQuarantined = quarantine !== undefined && quarantine.until > now;
  if (!isMoving && !isQuarantined && wanted === undefined && stay === undefined && failed.length === 0) return [];
  return [{
    unit,
    moving: isMoving,
    ...(isQuarantined ? { quarantine: quarantineView(quarantine, now) } : {}),
    ...(wanted === undefined ? {} : { wanted: { ...markView(wanted, now), to: wanted.to, verb: wanted.verb } }),
    ...(stay === undefined ? {} : { stays: stay }),
    failedOn: failed.map(([card, about]) => ({ card, ...quarantineView(about, now) })),
  }];
}

function cardView(card: CardId, about: CardFacts, now: number): CardView {
  const { healthySince, model, quarantine, maintenance, drained } = about;
  return {
    card,
    state: about.state,
    joined: about.joined,
    readiness: about.readiness,
    health: about.health,
    healthReasons: about.healthReasons,
    ...(healthySince === undefined ? {} : { healthyForMs: age(now, healthySince) }),
    software: about.software,
    ...(model === undefined ? {} : { model }),
    configuration: about.configuration,
    ports: [...about.ports].map(([port, state]) => ({ port, state })),
    unfit: [...about.unfit].map(([resource, { code, reason }]) => ({ resource, code, reason })),
    ...(quarantine === undefined || quarantine.until <= now ? {} : { quarantine: quarantineView(quarantine, now) }),
    ...(maintenance === undefined ? {} : { maintenance: markView(maintenance, now) }),
    ...(drained === undefined ? {} : { drained: markView(drained, now) }),
  };
}

function quarantineView({ reason, since, until }: Quarantine, now: number): QuarantineView {
  return { reason, forMs: age(now, since), ...(until === Infinity ? {} : { leftMs: age(until, now) }) };
}

function markView({ by, at, comment }: OperatorMark, now: number): MarkView {
  return { by, comment, forMs: age(now, at) };
}

/** Cards' estimates of the order's time differ a little: what has just come is not from the future. */
function age(now: number, since: number): number {
  return Math.max(0, Math.round(now - since));
}
