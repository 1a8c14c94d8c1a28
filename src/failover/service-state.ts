/**
 * What the failover services of all cards agree on: facts, assignment, grants, failures, as they are after a place in the order. Pure: `apply`, `onView`
 * and nothing else change it, and what they do is a function of the state and of what was ordered (FS-5, FS-7, HA-15).
 *
 *     view, entry ─► facts ─► assign ─► wants ─► grants ─► what failed is started again, moves, or rests
 *
 * Invariants: a thing is granted only when its last holder said that it stopped, or is proven down, or stopped before it was kept out of the
 * order; epochs only grow, over beginnings too; no part of it depends on a card's own clock, links or resources.
 *
 * The surprising part: what is granted needs no word of those who are not to have it. The entry that grants is held by each card of the order before
 * any of them acts on it; a card outside of the order acts on nothing.
 */
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import { failoverEpochsMax } from "../limits.ts";
import { assign, type Assignment, type Move, nothingAssigned } from "./assignment.ts";
import type { FailoverConfig, ServiceId } from "./config.ts";
import type { CardFacts, Facts, UnitFacts, UnitId } from "./facts.ts";
import { freshCard, freshUnit } from "./service-fresh.ts";
import { type Grant, type GrantEvent, idleGrant, isHeld, stepGrant } from "./grant.ts";
import { type Grants, wantsOf, withHolders } from "./handover.ts";
import { applyChanges, moveLines, type OperatorPlan, planOrder } from "./operator-plan.ts";
import { type CardFailures, type FailureHistory, noFailures, onCardFailure, onUnitFailure, undoesFailback } from "./quarantine.ts";
import { isLater, noFailoverRows, PlacedConfig, rowsOfText } from "./service-config.ts";
import { Knowing, type KnowingTravelled } from "./service-knowing.ts";
import { packText, textOfPieces, unpackText } from "./service-text.ts";
import type { CardReport, ConfigPlace, FailoverEntry, HookTiming, OperatorRequest, ServiceEpoch } from "./service-types.ts";

/** What followed from one entry or view, for logs and records. */
export type Happening =
  | { readonly kind: "moved"; readonly move: Move }
  | {
    readonly kind: "granted";
    readonly service: ServiceId;
    readonly from: CardId | undefined;
    readonly to: CardId;
    readonly epoch: number;
  }
  | { readonly kind: "running"; readonly service: ServiceId; readonly card: CardId }
  | { readonly kind: "hooks"; readonly card: CardId; readonly hooks: readonly HookTiming[] }
  /** `by`: the lowest card that orders messages in the view that says so. */
  | { readonly kind: "cardGone"; readonly card: CardId; readonly state: "down" | "unknown" | "restarted"; readonly by: CardId }
  | { readonly kind: "cardBack"; readonly card: CardId }
  | {
    readonly kind: "cardEnded";
    readonly card: CardId;
    readonly text: string;
    readonly isResting: boolean;
    readonly receipt: string;
    readonly by: CardId;
  }
  /** A service failed on a card; what follows, and the setting that said so. */
  | {
    readonly kind: "failed";
    readonly service: ServiceId;
    readonly unit: UnitId;
    readonly card: CardId;
    readonly decision: "restart" | "failover" | "quarantine" | "unfit";
    readonly rule: string;
    readonly text: string;
  }
  | { readonly kind: "fencing"; readonly card: CardId; readonly service: ServiceId; readonly why: string }
  | { readonly kind: "operated"; readonly card: CardId; readonly id: number; readonly order: OperatorRequest; readonly plan: OperatorPlan }
  | { readonly kind: "configured"; readonly place: ConfigPlace };

/** Pieces of the configuration that have come of one card. */
type Gathering = { readonly card: CardId; readonly place: ConfigPlace; readonly count: number; readonly pieces: readonly Uint8Array[] };

/** A restart that waits for its time. */
type Retry = { readonly at: number; readonly epoch: number };

export class FailoverState {
  #config = new PlacedConfig({ epoch: 0, sequence: 0 }, noFailoverRows);
  #isConfigured = false;
  #gathering: Gathering | undefined;
  #view: NodeView | undefined;
  #knowing = new Knowing({ knowing: new Map(), announced: new Map() });
  /** Cards that have said of themselves how they are since they came into the view. */
  #reported = new Map<CardId, number>();
  /** The incarnation in which each card was last a member of a view. */
  #incarnations = new Map<CardId, number>();
  /** Cards that are kept out of the order and have said that they run nothing. */
  #idle = new Map<CardId, number>();
  /** The incarnation of each card whose end was counted last. */
  #ended = new Map<CardId, number>();
  #now = 0;
  #cards = new Map<CardId, CardFacts>();
  #units = new Map<UnitId, UnitFacts>();
  #ownersKnown = false;
  #assignment: Assignment = nothingAssigned;
  #grants = new Map<ServiceId, Grant>();
  #histories = new Map<UnitId, FailureHistory>();
  #cardFailures = new Map<CardId, CardFailures>();
  #retries = new Map<ServiceId, Retry>();
  /** How often each service was started again under its grant. */
  #attempts = new Map<ServiceId, number>();
  /** Units that went back by themselves: where to and when. */
  #failbacks = new Map<UnitId, { readonly card: CardId; readonly at: number }>();
  #epochsFrom = 0;
  #generation = 0;
  #happenings: Happening[] = [];

  /** All begins anew, in this view. */
  static begin(view: NodeView, announced: readonly CardId[], at: number): FailoverState {
    const state = new FailoverState();
    state.#now = at;
    state.#epochsFrom = view.number * failoverEpochsMax;
    state.#generation = view.number;
    state.#takeView(view);
    const knowing = view.members.filter(({ card }) => announced.includes(card)).map(({ card, incarnation }) =>
      [card, incarnation] as const
    );
    state.#knowing = new Knowing({ knowing: new Map(knowing), announced: new Map() });
    state.#happenings = [];
    return state;
  }

  get config(): PlacedConfig | undefined {
    return this.#isConfigured ? this.#config : undefined;
  }

  get assignment(): Assignment {
    return this.#assignment;
  }

  get grants(): Grants {
    return this.#grants;
  }

  get view(): NodeView | undefined {
    return this.#view;
  }

  /** The number of the view in which all this began. */
  get generation(): number {
    return this.#generation;
  }

  get ownersKnown(): boolean {
    return this.#ownersKnown;
  }

  get now(): number {
    return this.#now;
  }

  get facts(): Facts {
    return {
      now: this.#now,
      cards: this.#cardsAsKnown(),
      units: this.#unitsWithMoves(),
      activities: [],
      ownersKnown: this.#ownersKnown,
      epochsFrom: this.#epochsFrom,
    };
  }

  /** Until it is known what each card runs, one that has not said so counts as unknown. */
  #cardsAsKnown(): ReadonlyMap<CardId, CardFacts> {
    if (this.#ownersKnown) return this.#cards;
    return new Map([...this.#cards].map(([card, facts]) => {
      const isSilent = facts.state === "up" && !this.#hasSaid(card);
      return [card, isSilent ? { ...facts, state: "unknown" as const } : facts];
    }));
  }

  /** A card that starts will say more: else the first one that is ready would be given everything. */
  #hasSaid(card: CardId): boolean {
    return this.#reported.has(card) && this.#cards.get(card)?.readiness.kind !== "booting";
  }

  hasReported(card: CardId): boolean {
    return this.#reported.has(card);
  }

  /** Whether these have announced themselves and were given nothing since: none of them knows this. */
  haveAnnounced(cards: readonly CardId[]): boolean {
    return this.#knowing.haveAnnounced(cards);
  }

  cards(): Iterable<CardId> {
    return this.#cards.keys();
  }

  reportOf(card: CardId): CardFacts | undefined {
    return this.#cards.get(card);
  }

  retryOf(service: ServiceId): Retry | undefined {
    return this.#retries.get(service);
  }

  attemptOf(service: ServiceId): number {
    return this.#attempts.get(service) ?? 0;
  }

  hasEnded(card: CardId, incarnation: number): boolean {
    return (this.#ended.get(card) ?? -1) >= incarnation;
  }

  incarnationOf(card: CardId): number | undefined {
    return this.#incarnations.get(card);
  }

  isIdle(card: CardId): boolean {
    return this.#idle.has(card);
  }

  /** The cards that order messages and know all this, lowest first: the first of them speaks for all. */
  speakers(): CardId[] {
    return this.#view === undefined ? [] : this.#knowing.speakers(this.#view);
  }

  /** Whether anything waits for time to pass. */
  get isTimeAwaited(): boolean {
    if (this.#retries.size > 0) return true;
    for (const { quarantine } of this.#cards.values()) if (isPending(quarantine, this.#now)) return true;
    for (const { failedOn, quarantine, failbacksUndone } of this.#units.values()) {
      if (failedOn.size > 0 || failbacksUndone.length > 0 || isPending(quarantine, this.#now)) return true;
    }
    return this.#isFailbackAwaited();
  }

  /** Something could go back by itself once its card has been healthy for long enough. */
  #isFailbackAwaited(): boolean {
    const { sets, policy } = this.#config.failover;
    const isAutomatic = [...sets.values()].some(({ failback }) => failback === "automatic");
    const isYoung = ({ healthySince }: CardFacts) => healthySince !== undefined && this.#now < healthySince + 1_000 * policy.failbackAfterS;
    return isAutomatic && [...this.#cards.values()].some(isYoung);
  }

  // ---- what is ordered

  onView(view: NodeView): Happening[] {
    this.#takeView(view);
    this.#decide();
    return this.#taken();
  }

  apply(sequence: number, card: CardId, entry: FailoverEntry): Happening[] {
    // What is said of an earlier beginning means nothing in this one.
    if (entry.of !== 0 && entry.of !== this.#generation) return [];
    this.#now = Math.max(this.#now, entry.at);
    if (this.#applyEntry(sequence, card, entry)) this.#decide();
    return this.#taken();
  }

  #taken(): Happening[] {
    const happenings = this.#happenings;
    this.#happenings = [];
    return happenings;
  }

  /** Whether there is anything to decide anew. */
  #applyEntry(sequence: number, card: CardId, entry: FailoverEntry): boolean {
    switch (entry.kind) {
      case "announce":
        this.#knowing.onAnnounced(sequence, card);
        return false;
      case "begin":
      case "evidence":
        return false;
      case "state":
        this.#knowing.onPiece(card, entry, this.#incarnations);
        return false;
      case "configuration":
        return this.#onPiece(card, entry);
      case "report":
        return this.#onReport(card, entry.incarnation, entry.report);
      case "ended":
        return this.#onEnded(card, entry);
      case "idle":
        return this.#onIdle(entry);
      case "started":
        this.#happenings.push({ kind: "hooks", card, hooks: entry.hooks });
        for (const grant of entry.grants) this.#onStarted(card, grant);
        return true;
      case "released":
        this.#happenings.push({ kind: "hooks", card, hooks: entry.hooks });
        for (const { service, epoch } of entry.grants) {
          if (this.#grants.get(service)?.epoch === epoch) this.#step(service, { kind: "released", by: card });
        }
        return true;
      case "stopFailed":
        return this.#onStopFailed(card, entry);
      case "failed":
        return this.#onFailed(card, entry);
      case "demoted":
        return this.#onDemoted(card, entry.grants);
      case "retry":
        return this.#onRetry(card, entry);
      case "operate":
        return this.#onOperate(card, entry.id, entry.order);
      case "time":
        return true;
      default:
        return unreachable(entry);
    }
  }

  // ---- cards

  #takeView(view: NodeView): void {
    this.#view = view;
    const known = new Set<CardId>([...this.#config.failover.cards.keys(), ...this.#cards.keys()]);
    for (const { card } of [...view.members, ...view.absent]) known.add(card);
    for (const card of [...known].sort((a, b) => a - b)) this.#takeCard(card, view);
  }

  #takeCard(card: CardId, view: NodeView): void {
    const member = view.members.find((one) => one.card === card);
    const state = member === undefined ? view.absent.find((one) => one.card === card)?.state ?? "unknown" : "up";
    const before = this.#cards.get(card) ?? freshCard("unknown");
    const incarnation = this.#incarnations.get(card);
    const isRestarted = member !== undefined && incarnation !== undefined && member.incarnation !== incarnation;
    const isReset = isRestarted || state !== "up" || before.state !== "up";
    // What an unknown card has said of its lease holds: it says nothing more. A later run may have none.
    const leaseMs = state === "unknown" ? before.leaseMs : undefined;
    const joined = view.ether.includes(card);
    const { readiness, configuration, ports, unfit } = freshCard(state);
    this.#cards.set(card, {
      ...before,
      state,
      joined,
      ...(isReset ? { readiness, configuration, ports, unfit, health: "good", healthReasons: [], healthySince: undefined, leaseMs } : {}),
    });
    if (member !== undefined) this.#incarnations.set(card, member.incarnation);
    if (isReset) this.#reported.delete(card);
    if (isRestarted || member === undefined) this.#knowing.onGone(card, isRestarted);
    if (joined || isRestarted || state === "down") this.#idle.delete(card);
    const isGone = state !== "up" && incarnation !== undefined &&
      (before.state === "up" || (before.state === "unknown" && state === "down"));
    const by = view.ether[0] ?? view.coordinator;
    if (isGone || isRestarted) this.#happenings.push({ kind: "cardGone", card, state: state === "up" ? "restarted" : state, by });
    else if (before.state !== "up" && state === "up") this.#happenings.push({ kind: "cardBack", card });
    if (state === "down" || isRestarted) this.#onProven(card);
  }

  #onProven(card: CardId): void {
    for (const service of [...this.#grants.keys()]) this.#step(service, { kind: "proven", card });
    for (const [id, unit] of this.#units) {
      if (unit.stay === card || unit.wanted?.to === card) {
        this.#units.set(id, { ...unit, stay: unit.stay === card ? undefined : unit.stay, wanted: undefined });
      }
    }
  }

  #onReport(card: CardId, incarnation: number, report: CardReport): boolean {
    const before = this.#cards.get(card);
    if (before?.state !== "up" || this.#incarnations.get(card) !== incarnation) return false;
    this.#reported.set(card, incarnation);
    const { software, model, readiness, health, healthReasons, configuration, ports, unfit, leaseMs } = report;
    this.#cards.set(card, { ...before, software, model, readiness, health, healthReasons, configuration, ports, unfit, leaseMs });
    return true;
  }

  #onEnded(by: CardId, { card, incarnation, receipt }: Extract<FailoverEntry, { kind: "ended" }>): boolean {
    if (this.hasEnded(card, incarnation)) return false;
    this.#ended.set(card, incarnation);
    const before = this.#cards.get(card) ?? freshCard("unknown");
    const isMaintained = before.maintenance !== undefined;
    const { failures, quarantine, text } = onCardFailure(
      this.#cardFailures.get(card) ?? [],
      { card, ending: receipt, isMaintained },
      this.#now,
      this.#config.failover.policy,
    );
    if (failures.length === 0) this.#cardFailures.delete(card);
    else this.#cardFailures.set(card, failures);
    if (quarantine !== undefined) this.#cards.set(card, { ...before, quarantine });
    this.#happenings.push({ kind: "cardEnded", card, text, isResting: quarantine !== undefined, receipt, by });
    return quarantine !== undefined;
  }

  #onIdle({ card, incarnation, view }: Extract<FailoverEntry, { kind: "idle" }>): boolean {
    // It may have come back in the meantime, and started something.
    if (this.#view?.number !== view || this.#view.ether.includes(card) || this.#incarnations.get(card) !== incarnation) return false;
    this.#idle.set(card, incarnation);
    return true;
  }

  // ---- services on their cards

  #step(service: ServiceId, event: GrantEvent): void {
    const before = this.#grants.get(service) ?? { ...idleGrant, epoch: this.#epochsFrom };
    const { grant, orders } = stepGrant(before, event);
    this.#grants.set(service, grant);
    for (const order of orders) {
      if (order.kind !== "grant") continue;
      this.#attempts.delete(service);
      this.#retries.delete(service);
      const from = before.holder ?? this.#leftBy.get(service);
      this.#leftBy.delete(service);
      this.#happenings.push({ kind: "granted", service, from, to: order.card, epoch: order.epoch });
    }
    if (isHeld(before) && !isHeld(grant) && before.holder !== undefined) this.#leftBy.set(service, before.holder);
  }

  /** Who had what is granted to nobody now, for the record. */
  #leftBy = new Map<ServiceId, CardId>();

  #onStarted(card: CardId, { service, epoch }: ServiceEpoch): void {
    const before = this.#grants.get(service)?.state;
    this.#step(service, { kind: "started", by: card, epoch });
    if (before === "starting" && this.#grants.get(service)?.state === "running") {
      this.#happenings.push({ kind: "running", service, card });
    }
  }

  #onStopFailed(card: CardId, { service, epoch, why, hooks }: Extract<FailoverEntry, { kind: "stopFailed" }>): boolean {
    this.#happenings.push({ kind: "hooks", card, hooks });
    if (this.#grants.get(service)?.epoch !== epoch) return false;
    this.#step(service, { kind: "stopFailed", by: card });
    this.#happenings.push({ kind: "fencing", card, service, why });
    return false;
  }

  #onFailed(card: CardId, { service, epoch, why, isUnfit, hooks }: Extract<FailoverEntry, { kind: "failed" }>): boolean {
    this.#happenings.push({ kind: "hooks", card, hooks });
    const unit = this.#assignment.services.get(service)?.unit;
    this.#step(service, { kind: "failed", by: card, epoch });
    const grant = this.#grants.get(service) as Grant;
    if (grant.state !== "failed" || grant.epoch !== epoch || this.#retries.has(service) || unit === undefined) return false;
    const { policy } = this.#config.failover;
    if (isUnfit) {
      this.#retries.set(service, { at: this.#now + 1_000 * policy.restartDelayMaxS, epoch });
      this.#happenings.push({ kind: "failed", service, unit, card, decision: "unfit", rule: "restartDelayMaxS", text: why });
      return true;
    }
    const decision = onUnitFailure(this.#histories.get(unit) ?? noFailures, card, this.#now, why, policy);
    const { kind, rule, text, history } = decision;
    if (history.restarts.length + history.failovers.length === 0) this.#histories.delete(unit);
    else this.#histories.set(unit, history);
    this.#happenings.push({ kind: "failed", service, unit, card, decision: kind, rule, text });
    const facts = this.#units.get(unit) ?? freshUnit;
    switch (kind) {
      case "restart":
        this.#retries.set(service, { at: this.#now + decision.delayMs, epoch });
        if (decision.delayMs === 0) this.#startAgain(service, card);
        break;
      case "failover":
        this.#retries.set(service, { at: this.#now + 1_000 * policy.restartDelayMaxS, epoch });
        this.#units.set(unit, {
          ...facts,
          failedOn: new Map([...facts.failedOn, [card, { reason: text, since: this.#now, until: decision.until }]]),
          stay: facts.stay === card ? undefined : facts.stay,
        });
        break;
      case "quarantine":
        this.#units.set(unit, { ...facts, quarantine: decision.quarantine, wanted: undefined });
        break;
      default:
        unreachable(decision);
    }
    return true;
  }

  /** What a card had to stop by its own doing starts again there, unless it is to be elsewhere now. */
  #onDemoted(card: CardId, grants: readonly ServiceEpoch[]): boolean {
    const stopped: ServiceId[] = [];
    for (const { service, epoch } of grants) {
      const before = this.#grants.get(service);
      if (before?.epoch !== epoch || before.holder !== card) continue;
      this.#step(service, { kind: "released", by: card });
      this.#step(service, { kind: "failed", by: card, epoch });
      if (before.state === "starting" || before.state === "running") stopped.push(service);
    }
    this.#decide();
    for (const service of stopped) this.#startAgain(service, card);
    return false;
  }

  #onRetry(card: CardId, { service, epoch }: ServiceEpoch): boolean {
    if (this.#retries.get(service)?.epoch !== epoch || this.#grants.get(service)?.holder !== card) return false;
    this.#startAgain(service, card);
    return false;
  }

  #startAgain(service: ServiceId, card: CardId): void {
    this.#step(service, { kind: "retry", by: card });
    if (this.#grants.get(service)?.state !== "starting") return;
    this.#retries.delete(service);
    this.#attempts.set(service, this.attemptOf(service) + 1);
  }

  // ---- operators and the configuration

  #onOperate(card: CardId, id: number, order: OperatorRequest): boolean {
    const plan = this.plan(order);
    this.#happenings.push({ kind: "operated", card, id, order, plan });
    if (plan.kind === "refused") return false;
    if (order.verb === "assume-idle") this.#ownersKnown = true;
    // What an operator calls cured is tried at once.
    for (const change of plan.changes) if (change.kind === "unitLifted") this.#retryUnit(change.unit);
    const { cards, units } = applyChanges({ ...this.facts, cards: this.#cards, units: this.#units }, plan.changes);
    this.#cards = new Map(cards);
    this.#units = new Map(units);
    return true;
  }

  #retryUnit(unit: UnitId): void {
    for (const [service, { state, holder, target }] of [...this.#grants]) {
      if (state !== "failed" || holder === undefined || holder !== target) continue;
      if (this.#assignment.services.get(service)?.unit === unit) this.#startAgain(service, holder);
    }
  }

  /** What an order would do now. */
  plan(order: OperatorRequest): OperatorPlan {
    if (order.verb !== "assume-idle") return planOrder(order, this.#config.failover, this.facts, this.#assignment);
    if (this.#ownersKnown) {
      return { kind: "refused", code: "already-so", message: "it is known what each card runs", hint: "There is nothing to do." };
    }
    const after = assign(this.#config.failover, { ...this.facts, ownersKnown: true }, this.#assignment);
    const moves = after.moves.flatMap((move) => moveLines(move, this.#config.failover));
    const lines = ["cards that nobody has heard of are taken to run nothing", ...moves];
    return { kind: "plan", changes: [], moves: after.moves, lines, after };
  }

  #onPiece(card: CardId, { place, index, count, data }: Extract<FailoverEntry, { kind: "configuration" }>): boolean {
    if (!isLater(place, this.config?.place)) return false;
    const before = this.#gathering;
    const follows = before !== undefined && before.card === card && isSamePlace(before.place, place) && before.pieces.length === index &&
      before.count === count;
    if (!follows && index > 0) return false;
    const gathering: Gathering = { card, place, count, pieces: [...(follows ? before.pieces : []), data] };
    this.#gathering = gathering;
    if (gathering.pieces.length < count) return false;
    this.#gathering = undefined;
    const text = textOfPieces(gathering.pieces);
    this.#config = new PlacedConfig(place, rowsOfText(text), text);
    this.#isConfigured = true;
    if (this.#view !== undefined) this.#takeView(this.#view);
    this.#happenings.push({ kind: "configured", place });
    return true;
  }

  // ---- deciding

  get #failover(): FailoverConfig {
    return this.#config.failover;
  }

  #decide(): void {
    if (!this.#isConfigured) return;
    this.#refreshCards();
    this.#forgetPast();
    const before = this.#assignment;
    const facts = this.facts;
    const after = assign(this.#failover, facts, withHolders(before, this.#grants, facts));
    this.#assignment = after;
    this.#keepEpochs(before, after);
    for (const { service, event } of wantsOf(after, this.#grants)) this.#step(service, event);
    this.#freeIdle();
    for (const move of after.moves) this.#onMove(move);
    this.#settleWishes();
    for (const [service, { state, epoch, holder, target }] of this.#grants) {
      if (state !== "failed" || holder !== target) this.#retries.delete(service);
      else if (!this.#retries.has(service)) {
        this.#retries.set(service, { at: this.#now + 1_000 * this.#failover.policy.restartDelayMaxS, epoch });
      }
    }
  }

  #refreshCards(): void {
    for (const [id, card] of this.#cards) {
      const isWell = card.state === "up" && card.readiness.kind === "ready" && card.health === "good";
      if (isWell === (card.healthySince !== undefined)) continue;
      this.#cards.set(id, { ...card, healthySince: isWell ? this.#now : undefined });
    }
    const isHeard = ({ card, enabled }: { readonly card: CardId; readonly enabled: boolean }) =>
      !enabled || this.#cards.get(card)?.state === "down" || this.#hasSaid(card);
    if (!this.#ownersKnown) this.#ownersKnown = [...this.#failover.cards.values()].every(isHeard);
  }

  /** What has run out counts no more, and is not kept. */
  #forgetPast(): void {
    const windowMs = 1_000 * this.#failover.policy.failbackWindowS;
    for (const [id, card] of this.#cards) {
      if (card.quarantine !== undefined && card.quarantine.until <= this.#now) this.#cards.set(id, { ...card, quarantine: undefined });
    }
    for (const [id, unit] of [...this.#units]) {
      const failedOn = new Map([...unit.failedOn].filter(([, { until }]) => until > this.#now));
      const quarantine = unit.quarantine !== undefined && unit.quarantine.until > this.#now ? unit.quarantine : undefined;
      const failbacksUndone = unit.failbacksUndone.filter((at) => at > this.#now - windowMs);
      const isEmpty = failedOn.size === 0 && quarantine === undefined && failbacksUndone.length === 0 && unit.wanted === undefined &&
        unit.stay === undefined;
      if (isEmpty) this.#units.delete(id);
      else this.#units.set(id, { ...unit, failedOn, quarantine, failbacksUndone });
    }
  }

  /** The epochs of what is gone are not given again. */
  #keepEpochs(before: Assignment, after: Assignment): void {
    for (const [id, { epoch }] of before.sets) if (!after.sets.has(id)) this.#epochsFrom = Math.max(this.#epochsFrom, epoch);
    for (const [id, { epoch }] of before.services) if (!after.services.has(id)) this.#epochsFrom = Math.max(this.#epochsFrom, epoch);
    for (const [id, { state, epoch }] of this.#grants) {
      if (state !== "idle" || after.services.has(id)) continue;
      this.#epochsFrom = Math.max(this.#epochsFrom, epoch);
      this.#grants.delete(id);
      this.#leftBy.delete(id);
    }
  }

  /** What cards had that have stopped all, and are kept out of the order, is free. */
  #freeIdle(): void {
    for (const [service, { state, holder }] of [...this.#grants]) {
      if (state === "releasing" && holder !== undefined && this.#idle.has(holder)) this.#step(service, { kind: "released", by: holder });
    }
  }

  #onMove(move: Move): void {
    const { unit, from, to, rule } = move;
    this.#happenings.push({ kind: "moved", move });
    const wentBack = this.#failbacks.get(unit);
    if (rule === "automatic-failback" && to !== undefined) this.#failbacks.set(unit, { card: to.card, at: this.#now });
    else if (wentBack !== undefined && from?.card === wentBack.card) {
      this.#failbacks.delete(unit);
      const isOrdered = rule === "switch" || rule === "failback" || rule === "drained" || rule === "maintenance";
      if (isOrdered || !undoesFailback(wentBack.at, this.#now, this.#failover.policy)) return;
      const facts = this.#units.get(unit) ?? freshUnit;
      this.#units.set(unit, { ...facts, failbacksUndone: [...facts.failbacksUndone, this.#now] });
    }
  }

  /** A wish is over once it is fulfilled, or when it cannot be. */
  #settleWishes(): void {
    for (const [id, unit] of [...this.#units]) {
      const { wanted } = unit;
      if (wanted === undefined) continue;
      const services = [...this.#assignment.services.values()].filter((service) => service.unit === id && service.state === "placed");
      const place = this.#assignment.sets.get(id)?.primary?.card ?? services[0]?.owner?.card;
      const isThere = services.every(({ service }) => {
        const grant = this.#grants.get(service);
        return grant?.holder === wanted.to && grant.state === "running";
      });
      if (place === wanted.to && !isThere) continue;
      const stay = place !== wanted.to ? unit.stay : wanted.verb === "switch" ? wanted.to : undefined;
      this.#units.set(id, { ...unit, wanted: undefined, stay });
    }
  }

  #unitsWithMoves(): ReadonlyMap<UnitId, UnitFacts> {
    const units = new Map(this.#units);
    for (const [service, { state }] of this.#grants) {
      if (state === "idle" || state === "running" || state === "failed") continue;
      const unit = this.#assignment.services.get(service)?.unit;
      if (unit !== undefined) units.set(unit, { ...(units.get(unit) ?? freshUnit), isMoving: true });
    }
    return units;
  }

  // ---- as it travels

  /** All of it as text: equal texts, equal states. */
  text(): string {
    return packText({
      place: this.#isConfigured ? this.#config.place : undefined,
      rows: this.#isConfigured ? this.#config.text : undefined,
      gathering: this.#gathering === undefined
        ? undefined
        : { ...this.#gathering, pieces: this.#gathering.pieces.map((piece) => Array.from(piece)) },
      view: this.#view,
      ...this.#knowing.travelled(),
      reported: this.#reported,
      incarnations: this.#incarnations,
      idle: this.#idle,
      ended: this.#ended,
      now: this.#now,
      cards: this.#cards,
      units: this.#units,
      ownersKnown: this.#ownersKnown,
      assignment: { ...this.#assignment, moves: [] },
      grants: this.#grants,
      histories: this.#histories,
      cardFailures: this.#cardFailures,
      retries: this.#retries,
      attempts: this.#attempts,
      failbacks: this.#failbacks,
      leftBy: this.#leftBy,
      epochsFrom: this.#epochsFrom,
      generation: this.#generation,
    });
  }

  /** `undefined` for what is no such text. */
  static fromText(text: string): FailoverState | undefined {
    const read = unpackText(text) as Travelled | null | undefined;
    if (typeof read !== "object" || read === null || !maps.every((name) => read[name] instanceof Map)) return undefined;
    if (
      typeof read.now !== "number" || typeof read.epochsFrom !== "number" || typeof read.generation !== "number" ||
      !(read.assignment?.services instanceof Map)
    ) {
      return undefined;
    }
    const state = new FailoverState();
    if (read.place !== undefined && read.rows !== undefined) {
      state.#config = new PlacedConfig(read.place, rowsOfText(read.rows), read.rows);
      state.#isConfigured = true;
    }
    const { gathering } = read;
    state.#gathering = gathering === undefined
      ? undefined
      : { ...gathering, pieces: gathering.pieces.map((piece) => Uint8Array.from(piece)) };
    state.#view = read.view;
    state.#knowing = new Knowing(read);
    state.#reported = read.reported;
    state.#incarnations = read.incarnations;
    state.#idle = read.idle;
    state.#ended = read.ended;
    state.#now = read.now;
    state.#cards = read.cards;
    state.#units = read.units;
    state.#ownersKnown = read.ownersKnown;
    state.#assignment = read.assignment;
    state.#grants = read.grants;
    state.#histories = read.histories;
    state.#cardFailures = read.cardFailures;
    state.#retries = read.retries;
    state.#attempts = read.attempts;
    state.#failbacks = read.failbacks;
    state.#leftBy = read.leftBy;
    state.#epochsFrom = read.epochsFrom;
    state.#generation = read.generation;
    return state;
  }
}

const maps = [
  "knowing",
  "reported",
  "announced",
  "incarnations",
  "idle",
  "ended",
  "cards",
  "units",
  "grants",
  "histories",
  "cardFailures",
  "retries",
  "attempts",
  "failbacks",
  "leftBy",
] as const;

type Travelled = KnowingTravelled & {
  readonly place?: ConfigPlace;
  readonly rows?: string;
  readonly gathering?: Omit<Gathering, "pieces"> & { readonly pieces: readonly (readonly number[])[] };
  readonly view?: NodeView;
  readonly reported: Map<CardId, number>;
  readonly incarnations: Map<CardId, number>;
  readonly idle: Map<CardId, number>;
  readonly ended: Map<CardId, number>;
  readonly now: number;
  readonly cards: Map<CardId, CardFacts>;
  readonly units: Map<UnitId, UnitFacts>;
  readonly ownersKnown: boolean;
  readonly assignment: Assignment;
  readonly grants: Map<ServiceId, Grant>;
  readonly histories: Map<UnitId, FailureHistory>;
  readonly cardFailures: Map<CardId, CardFailures>;
  readonly retries: Map<ServiceId, Retry>;
  readonly attempts: Map<ServiceId, number>;
  readonly failbacks: Map<UnitId, { readonly card: CardId; readonly at: number }>;
  readonly leftBy: Map<ServiceId, CardId>;
  readonly epochsFrom: number;
  readonly generation: number;
};

function isPending(quarantine: { readonly until: number } | undefined, now: number): boolean {
  return quarantine !== undefined && quarantine.until !== Infinity && quarantine.until > now;
}

function isSamePlace(one: ConfigPlace, other: ConfigPlace): boolean {
  return one.epoch === other.epoch && one.sequence === other.sequence;
}
