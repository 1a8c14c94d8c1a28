/**
 * The failover service of a card: feeds the decisions of failover with what the order says, has this card run what it was granted, and says what the
 * others have to know (FS-3, FS-5, FS-7, HA-3, HA-15). `FAILOVER.md` tells the whole.
 *
 *                member of the group        given all that is agreed, or it begins anew
 *     outside ───────────────────► joining ─────────────────────────────────► known ─ may serve ◄──► out (no authority: stops everything)
 *                                     ▲                                         │
 *                                     └────────────── something was missed ─────┘
 *
 * Its one surprising idea: it follows levels. After each input it compares what is agreed with what it runs and with what it knows of itself, and makes
 * up the difference; what was said is remembered only so that it is not said twice. So there is no order that could be lost.
 *
 * Invariants: nothing starts without a grant of the view that holds; without authority nothing runs; what is said of this card is said by it alone.
 */
import { unreachable } from "../base/assert.ts";
import { type CardId, chassisOf, slotOf } from "../base/ids.ts";
import type { ApplicationEvent, GroupView } from "../cluster/application.ts";
import type { NodeView, Receipt } from "../cluster/view.ts";
import {
  failoverGrantsMax,
  failoverLeaveMs,
  failoverPieceBytesMax,
  failoverResayMs,
  failoverTimeMs,
  failoverTurnMs,
  failoverWordsMax,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { Characterization } from "./characterization.ts";
import type { ServiceId } from "./config.ts";
import type { FailoverEvent } from "./failover-record.ts";
import type { ReadingName } from "./health.ts";
import { policyOf } from "./policy.ts";
import { FailoverAlarms } from "./service-alarms.ts";
import { OwnCard } from "./service-card.ts";
import { type FailoverRows, isLater, type PlacedConfig, textOfRows } from "./service-config.ts";
import { decodeFailoverEntry, encodeFailoverEntry } from "./service-entry.ts";
import { Fencing } from "./service-fencing.ts";
import { givenText, takeGiven } from "./service-giving.ts";
import { Joining } from "./service-joining.ts";
import { Leases } from "./service-leases.ts";
import { Operations } from "./service-operations.ts";
import { logOf } from "./service-log.ts";
import { ReportedReadiness } from "./service-readiness.ts";
import { Records } from "./service-records.ts";
import { Runner, type Want } from "./service-runner.ts";
import { Rivals } from "./service-rivals.ts";
import { Sayings } from "./service-sayings.ts";
import { Standbys } from "./service-standby.ts";
import { FailoverState, type Happening } from "./service-state.ts";
import { decidedOf, servicesStatus } from "./service-status.ts";
import { packText, piecesOf } from "./service-text.ts";
import { grantedWants, runKey } from "./service-wants.ts";
import {
  type ConfigPlace,
  type FailoverDecided,
  type FailoverEntry,
  failoverGroup,
  type FailoverIdentity,
  type FailoverInput,
  type FailoverOutput,
  type FailoverStatus,
  type HookTiming,
  type OperatorRequest,
  type ServiceEpoch,
} from "./service-types.ts";

/** What is said: an entry but for its instant. */
type Saying = FailoverEntry extends infer Entry ? Entry extends FailoverEntry ? Omit<Entry, "at" | "of"> : never : never;
type Fields = Extract<FailoverOutput, { kind: "log" }>["fields"];

export class FailoverService implements Service<FailoverInput, FailoverOutput> {
  readonly #identity: FailoverIdentity;
  #outputs: FailoverOutput[] = [];

  // The group.
  #lastRequest = 0;
  #isMember = false;
  #isJoinAsked = false;
  #rejoinAt = Infinity;
  #group: GroupView = { number: 0, members: [] };
  #view: NodeView | undefined;
  #isStopped = false;
  #authority: { readonly held: boolean; readonly reason: string; readonly view: number | undefined } = {
    held: false,
    reason: "no view yet",
    view: undefined,
  };

  // What all agree on, and the way there.
  #state: FailoverState | undefined;
  readonly #joining: Joining;
  /** Our announcements that are on their way: what is given before they have come counts for nothing. */
  readonly #announcing = new Set<number>();
  #isKnownTold = false;
  /** The order's time less this card's: what it may be at least. */
  #aheadMs = 0;
  #now = 0;
  #deadline: number | undefined;
  /** The entry that went into the state last. */
  #sequence = 0;
  readonly #said = new Sayings();

  // This card.
  #rows: { readonly place: ConfigPlace; readonly text: string } | undefined;
  readonly #own: OwnCard;
  readonly #runner = new Runner();
  readonly #standbys: Standbys;
  /** Runs that ended because this card had to stop: each is told as `demoted` before it is started again. */
  readonly #interrupted = new Set<string>();
  #wants: ReadonlyMap<ServiceId, Want> = new Map();
  /** The configuration that was in force last, as far as this card knows. */
  #config: PlacedConfig | undefined;
  #isResetting = false;
  #leavingSince: number | undefined;
  #hasLeft = false;
  #sayIdleAt = -Infinity;

  // What others are to know, or to end.
  readonly #receipts = new Map<CardId, { readonly incarnation: number; readonly receipt: Receipt }>();
  readonly #fencing: Fencing;
  readonly #leases = new Leases();
  readonly #operations: Operations;
  readonly #records = new Records();
  #archived = 0;
  readonly #alarms = new FailoverAlarms();
  readonly #rivals = new Rivals();
  readonly #readiness = new ReportedReadiness();

  constructor(identity: FailoverIdentity) {
    this.#identity = identity;
    this.#joining = new Joining(identity.card);
    this.#own = new OwnCard(identity);
    this.#standbys = new Standbys(identity.card, this.#runner);
    this.#fencing = new Fencing(identity.card);
    this.#operations = new Operations(identity.card);
  }

  get #card(): CardId {
    return this.#identity.card;
  }

  /** Asked at each step of the node, and changed by those of its own alone. */
  deadline(): number {
    return this.#deadline ??= this.#nextInstant();
  }

  #nextInstant(): number {
    const state = this.#state;
    const instants = [
      this.#rejoinAt,
      this.#runner.deadline(),
      this.#standbys.deadline(),
      this.#joining.deadline(),
      this.#rivals.deadline(),
      this.#own.healthDeadline(this.#policy),
      this.#records.deadline() - this.#aheadMs,
      this.#sayIdleAt + failoverResayMs,
      (this.#leavingSince ?? Infinity) + failoverLeaveMs,
    ];
    instants.push(...this.#said.instants(this.#rank));
    instants.push(...this.#operations.instants(), ...this.#fencing.instants(), ...this.#leases.instants(state));
    for (const [service, { holder }] of state?.grants ?? []) {
      const retry = holder === this.#card ? state?.retryOf(service) : undefined;
      if (retry !== undefined) instants.push(retry.at - this.#aheadMs);
    }
    if (state?.isTimeAwaited === true) instants.push(state.now + failoverTimeMs - this.#aheadMs + this.#rank * failoverTurnMs);
    // What was due and could not be done waits for the input that makes it possible.
    return Math.min(...instants.filter((at) => at > this.#now), Infinity);
  }

  step(now: number, input: FailoverInput): FailoverOutput[] {
    this.#now = now;
    this.#deadline = undefined;
    switch (input.kind) {
      case "epoch":
        this.#onEpoch(now, input.view);
        break;
      case "group":
        this.#onGroup(now, input.event);
        break;
      case "authority":
        this.#onAuthority(input.held, input.reason, input.view);
        break;
      case "configuration":
        this.#onConfiguration(input.place, input.rows);
        break;
      case "replica":
        this.#own.replica = input.state;
        break;
      case "readiness":
        this.#own.readiness = input.readiness;
        break;
      case "readings":
        this.#onReadings(now, input.values);
        break;
      case "ports":
        this.#own.ports = input.ports;
        break;
      case "lease":
        this.#own.leaseMs = input.ms;
        break;
      case "hookEnded":
        this.#runner.onResult(now, input.result);
        break;
      case "resourceEvent":
        this.#onResourceEvent(now, input.event);
        break;
      case "operate":
        this.#onOperate(now, input.client, input.order, input.dryRun);
        break;
      case "receipt":
        this.#receipts.set(input.card, { incarnation: input.incarnation, receipt: input.receipt });
        this.#fencing.onVerdict(input.card, undefined, "none");
        break;
      case "evidence":
        this.#onEvidence(input.about, input.event);
        break;
      case "idleHeard":
        this.#onIdleHeard(input.from, input.incarnation, input.view);
        break;
      case "archived":
        this.#archived = Math.max(this.#archived, input.last);
        break;
      case "leave":
        this.#leavingSince ??= now;
        this.#own.isLeaving = true;
        break;
      case "proceeded":
        this.#onProceeded(input.by);
        break;
      case "verdict":
        this.#onVerdict(now, input.card, input.characterization, input.mayFence);
        break;
      case "surroundings":
        this.#readiness.onSurroundings(input.surroundings);
        break;
      case "tick":
        this.#onReadings(now, new Map());
        break;
      default:
        return unreachable(input);
    }
    this.#advance(now);
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** What this card knows of failover at `now`. */
  status(now: number): FailoverStatus {
    const state = this.#state;
    const config = state?.config;
    const isOut = !this.#authority.held;
    return {
      state: state === undefined ? "joining" : isOut ? "out" : "known",
      reason: isOut ? this.#authority.reason : state === undefined ? this.#joining.reason(this.#view?.ether ?? []) : undefined,
      now: this.#time(now),
      configuration: config?.place,
      ownersKnown: state?.ownersKnown ?? false,
      facts: state?.facts,
      assignment: state?.assignment,
      services: state === undefined ? [] : servicesStatus(state, this.#runner, this.#wants),
      records: this.#records.list,
      readiness: state === undefined || config === undefined
        ? undefined
        : this.#readiness.study(config.failover, state.facts, state.assignment),
    };
  }

  /** All that is agreed on as text, and the entry after which it is so; `undefined` while this card does not know it. */
  agreed(): { readonly sequence: number; readonly text: string } | undefined {
    return this.#state === undefined ? undefined : { sequence: this.#sequence, text: this.#state.text() };
  }

  /** What is agreed on now, and after which entry in which view; to be read at once. */
  decided(): FailoverDecided | undefined {
    return this.#state === undefined ? undefined : decidedOf(this.#state, this.#sequence);
  }

  // ---- the order

  /** Whether this card may act on what is agreed. */
  get #canAct(): boolean {
    return this.#state !== undefined && this.#authority.held && this.#isCurrent && this.#canSay;
  }

  /** A view that is being agreed on may be waiting for the very card that has to be fenced. */
  get #mayFence(): boolean {
    return this.#authority.held && this.#canSay && (this.#isCurrent || this.#authority.view === undefined);
  }

  get #canSay(): boolean {
    return this.#isMember && !this.#isStopped && !this.#isResetting;
  }

  /** Whether the order has come to the view that holds: what it said before that is history. */
  get #isCurrent(): boolean {
    return this.#view !== undefined && this.#view.number === this.#authority.view;
  }

  #onEpoch(now: number, view: NodeView): void {
    const isNewView = this.#view?.number !== view.number;
    this.#view = view;
    if (!this.#isMember && !this.#isJoinAsked) this.#join();
    this.#joining.onEpoch(now, view);
    this.#leases.onView(now, view);
    const state = this.#state;
    if (state === undefined) return;
    const owned = new Map<CardId, ServiceId[]>();
    for (const [service, { holder }] of state.grants) {
      if (holder !== undefined) owned.set(holder, [...owned.get(holder) ?? [], service]);
    }
    this.#onHappenings(now, state.onView(view), (card) => owned.get(card) ?? []);
    if (this.#isCurrent && isNewView) { for (const order of this.#runner.announce()) this.#outputs.push({ kind: "hook", order }); }
  }

  #join(): void {
    this.#isJoinAsked = true;
    const name = `card ${chassisOf(this.#card)}/${slotOf(this.#card)}`;
    const request = ++this.#lastRequest;
    this.#outputs.push({ kind: "request", request: { kind: "join", request, group: failoverGroup, name, critical: false, monitorMs: 0 } });
  }

  #onGroup(now: number, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
        this.#isJoinAsked = false;
        this.#isMember = true;
        this.#isStopped = false;
        this.#group = event.view;
        return this.#forget(now);
      case "view":
        this.#group = event.view;
        return this.#joining.onMembersChanged(now, event.changes.map(({ member }) => member.card));
      case "message":
        return this.#onEntry(now, event.sequence, event.from.card, event.from.number > 0, event.data);
      case "lost":
        return this.#forget(now);
      case "stopped":
        this.#isStopped = true;
        return;
      case "resumed":
        this.#isStopped = false;
        return this.#joining.soon(now);
      case "refused":
        return this.#onRefused(now, event.request);
      case "left":
        this.#isMember = false;
        return this.#join();
      case "sent":
        // Delivered while this card was away.
        if (event.sequence === 0) this.#announcing.delete(event.request);
        return this.#onSent(now, event.request);
      case "watching":
      case "monitor":
        return;
      default:
        return unreachable(event);
    }
  }

  #onSent(now: number, request: number): void {
    this.#said.onEnded(now, request);
  }

  #onRefused(now: number, request: number): void {
    this.#announcing.delete(request);
    this.#onSent(now, request);
    if (this.#isMember) return;
    this.#isJoinAsked = false;
    this.#rejoinAt = now + failoverResayMs;
  }

  #forget(now: number): void {
    this.#state = undefined;
    this.#leases.forget();
    this.#joining.begin(now);
  }

  #onEntry(now: number, sequence: number, card: CardId, isMember: boolean, data: Uint8Array): void {
    const entry = decodeFailoverEntry(data);
    if (entry?.kind === "announce" && card === this.#card) this.#announcing.delete(Math.min(...this.#announcing));
    if (entry === undefined || !isMember) return this.#log("warn", "failover entry ignored", { peer: card, sequence });
    this.#sequence = sequence;
    this.#aheadMs = Math.max(this.#aheadMs, entry.at - now);
    const state = this.#state;
    if (state !== undefined) return this.#onKnownEntry(now, state, sequence, card, entry);
    const text = this.#joining.onEntry(now, sequence, card, entry);
    if (text !== undefined && this.#announcing.size === 0) return this.#takeState(now, text);
    if (entry.kind !== "begin" || entry.groupView !== this.#group.number || this.#view === undefined) return;
    const members = this.#group.members.map((member) => member.card);
    if (!this.#joining.haveAnnounced(members) || this.#announcing.size > 0) return;
    this.#records.above(this.#joining.lastRecord);
    this.#know(now, FailoverState.begin(this.#view, members, entry.at));
    this.#log("info", "failover begins", { cards: members });
  }

  #onKnownEntry(now: number, state: FailoverState, sequence: number, card: CardId, entry: FailoverEntry): void {
    // It has begun anew while this card was away, or without it.
    const isBeginning = entry.kind === "begin" && entry.groupView === this.#group.number &&
      state.haveAnnounced(this.#group.members.map((member) => member.card));
    if (isBeginning || entry.of > state.generation) return this.#forget(now);
    const isSpeaker = state.speakers()[0] === this.#card;
    this.#onHappenings(now, state.apply(sequence, card, entry), () => []);
    if (entry.kind === "announce") this.#records.above(entry.records);
    if (entry.kind === "announce" && card !== this.#card && isSpeaker) this.#give(sequence);
    if (entry.kind === "evidence") this.#records.onEvidence(entry.about, entry.events);
  }

  /** All that is agreed on, as it is after this place. */
  #give(sequence: number): void {
    const state = this.#state as FailoverState;
    const pieces = piecesOf(givenText(state, this.#records), failoverPieceBytesMax);
    for (const [index, data] of pieces.entries()) {
      this.#send({ kind: "state", asOf: sequence, index, count: pieces.length, data });
    }
  }

  #takeState(now: number, text: string): void {
    const state = takeGiven(text, this.#records);
    if (state === undefined) return this.#log("warn", "failover state ignored", { bytes: text.length });
    const recorded = this.#joining.recorded();
    this.#know(now, state);
    for (const item of recorded) {
      if ("view" in item) state.onView(item.view);
      else state.apply(item.sequence, item.card, item.entry);
    }
  }

  #know(now: number, state: FailoverState): void {
    this.#state = state;
    this.#aheadMs = Math.max(this.#aheadMs, state.now - now);
    this.#joining.end();
  }

  // ---- what follows from it

  #onHappenings(now: number, happenings: readonly Happening[], owned: (card: CardId) => readonly ServiceId[]): void {
    if (happenings.length === 0) return;
    this.#records.onHappenings(this.#time(now), this.#view?.number ?? 0, happenings, owned);
    for (const happening of happenings) this.#onHappening(happening);
  }

  #onHappening(happening: Happening): void {
    const line = logOf(happening);
    if (line !== undefined) this.#outputs.push(line);
    if (happening.kind === "operated") this.#onOperated(happening);
    else if (happening.kind === "fencing" && happening.card === this.#card) {
      this.#resetCard(`${happening.service} cannot be stopped: ${happening.why}`);
    }
  }

  #resetCard(reason: string): void {
    if (this.#isResetting) return;
    this.#isResetting = true;
    this.#outputs.push({ kind: "resetCard", reason });
  }

  // ---- this card

  #onAuthority(held: boolean, reason: string, view: number | undefined): void {
    if (this.#authority.held && !held) {
      for (const [service, { epoch, attempt }] of this.#wants) this.#interrupted.add(runKey(service, epoch, attempt));
      this.#log("warn", "authority lost", { reason, services: [...this.#wants.keys()] });
    }
    this.#authority = { held, reason, view };
    if (held) this.#sayIdleAt = -Infinity;
  }

  #onConfiguration(place: ConfigPlace, rows: FailoverRows): void {
    this.#rows = { place, text: textOfRows(rows) };
  }

  #onReadings(now: number, values: ReadonlyMap<ReadingName, number>): void {
    for (const { text, to } of this.#own.onReadings(now, values, this.#policy)) {
      this.#log(to === "good" ? "info" : "warn", "health", { grade: to, reason: text });
    }
  }

  get #policy() {
    return this.#state?.config?.failover.policy ?? defaultPolicy;
  }

  #onResourceEvent(now: number, event: Extract<FailoverInput, { kind: "resourceEvent" }>["event"]): void {
    const { resource, kind, reason } = event;
    if (kind === "ended") return this.#runner.onEvent(event);
    this.#rivals.onSeen(now, resource, reason);
    this.#log("warn", "rival", { resource, reason });
    for (const order of this.#runner.announce()) this.#outputs.push({ kind: "hook", order });
  }

  #onEvidence(about: CardId, event: FailoverEvent): void {
    if (!this.#canAct) return;
    this.#send({ kind: "evidence", about, events: [{ ...event, at: Math.round(event.at + this.#aheadMs) }] });
  }

  #onProceeded(by: string): void {
    if (!this.#canAct || this.#state?.ownersKnown !== false) return;
    const order = { verb: "assume-idle" as const, by, comment: "boot proceeds" };
    this.#say(`proceeded:${by}`, { kind: "operate", id: 0, order });
  }

  /** Into the record of the card, where there is one or will be. */
  #onVerdict(now: number, card: CardId, { row, verdict, action, reason, isFailover }: Characterization, mayFence: boolean): void {
    this.#fencing.onVerdict(card, this.#state?.incarnationOf(card), mayFence ? action : "none");
    if (verdict === "healthy" || !this.#canAct) return;
    const at = this.#time(now);
    const events: FailoverEvent[] = [{ kind: "vote", at, by: this.#card, text: `${verdict}: ${reason}` }];
    if (isFailover) events.push({ kind: "characterized", at, verdict, rule: row, text: reason });
    this.#send({ kind: "evidence", about: card, events });
  }

  #onIdleHeard(from: CardId, incarnation: number, view: number): void {
    const state = this.#state;
    if (!this.#canAct || state === undefined || state.isIdle(from) || state.view?.number !== view) return;
    this.#say(`idle:${from}:${view}`, { kind: "idle", card: from, incarnation, view });
  }

  // ---- operators

  #onOperate(now: number, client: number, order: OperatorRequest, dryRun: boolean): void {
    const answer = this.#operations.answerNow(this.#state, order, dryRun, this.#canAct ? undefined : this.#authority.reason);
    if (answer !== undefined) this.#outputs.push({ kind: "operated", client, answer });
    else this.#send({ kind: "operate", id: this.#operations.begin(now, client), order });
  }

  #onOperated(happening: Extract<Happening, { kind: "operated" }>): void {
    const { order, plan } = happening;
    if (plan.kind === "plan" && order.verb === "lift-quarantine") this.#own.forgetUnfit();
    const answered = this.#operations.onOperated(happening);
    if (answered !== undefined) this.#outputs.push(answered);
  }

  // ---- making up the difference

  #advance(now: number): void {
    this.#said.expire(now);
    if (now >= this.#rejoinAt) {
      this.#rejoinAt = Infinity;
      if (!this.#isMember && !this.#isJoinAsked) this.#join();
    }
    this.#outputs.push(...this.#operations.overdue(now));
    this.#rivals.onTick(now);
    const state = this.#state;
    if (state === undefined) this.#advanceJoining(now);
    this.#run(now, state);
    if (state !== undefined && this.#canAct) {
      this.#sayOwn(now, state);
      this.#sayForAll(now, state);
    }
    if (state !== undefined && this.#mayFence) this.#fence(now, state);
    if (state !== undefined && this.#canAct) this.#outputs.push(...this.#leases.due(now, state));
    this.#sayIdle(now);
    this.#sayLeft();
    this.#records.onTick(this.#time(now));
    for (const record of this.#records.takeChanged()) this.#outputs.push({ kind: "record", record });
    for (const alarm of this.#alarms.changes(state, this.#card, this.#rivals.list, this.#standbys.failures)) this.#outputs.push(alarm);
    const standing = this.#own.newStanding(state);
    if (standing !== undefined) this.#outputs.push({ kind: "standing", standing });
    if ((state !== undefined) !== this.#isKnownTold) {
      this.#isKnownTold = state !== undefined;
      this.#outputs.push({ kind: "known", known: this.#isKnownTold });
    }
  }

  #advanceJoining(now: number): void {
    if (!this.#canSay || !this.#isCurrent) return;
    if (this.#announcing.size > 0 || this.#said.has(`begin:${this.#group.number}`)) return;
    if (this.#joining.isToAnnounce(now)) {
      this.#announcing.add(this.#send({ kind: "announce", records: Math.max(this.#archived, this.#records.last) }));
    }
    const members = this.#group.members.map(({ card }) => card);
    const isLowest = members[0] === this.#card;
    if (
      !isLowest || this.#announcing.size > 0 || !this.#joining.haveAnnounced(members) ||
      !this.#joining.isPatienceOver(now, members, this.#view?.ether ?? [])
    ) return;
    this.#say(`begin:${this.#group.number}`, { kind: "begin", groupView: this.#group.number });
  }

  /** Has the runner do what this card was granted. */
  #run(now: number, state: FailoverState | undefined): void {
    const config = this.#config = state?.config ?? this.#config;
    const isOverdue = this.#leavingSince !== undefined && now >= this.#leavingSince + failoverLeaveMs;
    if (!this.#authority.held || isOverdue || (this.#leavingSince !== undefined && !this.#canAct)) this.#wants = new Map();
    else if (state !== undefined && config !== undefined && this.#canAct) {
      const granted = grantedWants(this.#card, state, config, this.#interrupted);
      this.#wants = this.#standbys.with(granted, now, state, config);
    }
    // A card that knows nothing goes on with what it has: whether that is right it will be told.
    this.#runner.want(
      this.#wants,
      (id) => config?.failover.resources.get(id)?.needs ?? [],
      (id) => {
        const service = config?.failover.resources.get(id)?.service;
        return service !== undefined && state?.assignment.services.get(service)?.owner?.card === this.#card;
      },
    );
    for (const order of this.#runner.settle(now)) this.#outputs.push({ kind: "hook", order });
    for (const [service, why] of this.#runner.stuck()) {
      // Where others wait for it they are told first why it is reset.
      const grant = state?.grants.get(service);
      const isAwaited = this.#canAct && grant?.holder === this.#card && grant.state === "releasing";
      if (!isAwaited) this.#resetCard(`${service} cannot be stopped: ${why}`);
    }
  }

  /** What this card alone can say. */
  #sayOwn(now: number, state: FailoverState): void {
    this.#sayReport(state);
    const started: ServiceEpoch[] = [];
    const released: ServiceEpoch[] = [];
    const demoted: ServiceEpoch[] = [];
    const keys = new Set<string>();
    const runs = new Set<string>();
    const gather = (list: ServiceEpoch[], key: string, service: ServiceId, epoch: number) => {
      if (this.#said.has(key) || list.length >= failoverGrantsMax) return;
      keys.add(key);
      list.push({ service, epoch });
    };
    for (const [service, grant] of state.grants) {
      const { holder, epoch } = grant;
      if (holder !== this.#card) continue;
      const isHere = this.#runner.isHere(service);
      const attempt = state.attemptOf(service);
      const run = runKey(service, epoch, attempt);
      runs.add(run);
      switch (grant.state) {
        case "starting":
        case "running":
          if (this.#interrupted.has(run)) {
            if (!isHere) gather(demoted, `demoted:${run}`, service, epoch);
          } else if (!this.#sayFailure(service, epoch, attempt) && grant.state === "starting") {
            if (this.#runner.stateOf(service) === "running" && this.#standbys.isRunning(service)) {
              gather(started, `started:${run}`, service, epoch);
            }
          }
          break;
        case "releasing":
          if (!isHere) gather(released, `released:${service}:${epoch}`, service, epoch);
          else this.#sayStuck(service, epoch);
          break;
        case "failed": {
          const retry = state.retryOf(service);
          if (retry === undefined || this.#time(now) < retry.at) break;
          this.#say(retryKey(service, retry.epoch, attempt), { kind: "retry", service, epoch });
          break;
        }
        default:
      }
    }
    for (const run of this.#interrupted) if (!runs.has(run)) this.#interrupted.delete(run);
    const hooksOf = (list: readonly ServiceEpoch[]) => list.flatMap(({ service }) => this.#timings(service));
    if (started.length > 0) this.#sayUnder(keys, { kind: "started", grants: started, hooks: hooksOf(started) }, "started:");
    if (released.length > 0) this.#sayUnder(keys, { kind: "released", grants: released, hooks: hooksOf(released) }, "released:");
    if (demoted.length > 0) this.#sayUnder(keys, { kind: "demoted", grants: demoted, why: "it was out of the view" }, "demoted:");
  }

  #sayFailure(service: ServiceId, epoch: number, attempt: number): boolean {
    const own = this.#runner.failureOf(service);
    const failure = own?.epoch === epoch && own.attempt === attempt ? own : this.#standbys.failureOf(service);
    if (failure === undefined) return false;
    const { why, isUnfit, isCritical, resource } = failure;
    if (isUnfit) this.#own.onUnfit(resource, why);
    const key = `failed:${runKey(service, epoch, attempt)}`;
    if (!this.#said.has(key)) {
      const hooks = this.#timings(service);
      this.#say(key, { kind: "failed", service, epoch, why: why.slice(0, failoverWordsMax), isUnfit, hooks });
    }
    if (isCritical) this.#resetCard(`${service} is critical and failed: ${why}`);
    return true;
  }

  #sayStuck(service: ServiceId, epoch: number): void {
    const why = this.#runner.stuck().get(service);
    if (why === undefined) return;
    const key = `stopFailed:${service}:${epoch}`;
    if (this.#said.has(key)) return;
    this.#say(key, { kind: "stopFailed", service, epoch, why: why.slice(0, failoverWordsMax), hooks: this.#timings(service) });
  }

  #timings(service: ServiceId): HookTiming[] {
    return this.#runner.takeTimings(service).slice(-8).map(({ at, reason, ...timing }) => ({
      ...timing,
      reason: reason.slice(-256),
      endedAt: Math.round(at + this.#aheadMs),
    }));
  }

  #sayReport(state: FailoverState): void {
    const report = this.#own.reportToSay(state, this.#runner.present());
    if (report !== undefined) this.#say(`report:${packText(report)}`, { kind: "report", incarnation: this.#identity.incarnation, report });
  }

  /** What any card could say: the lowest that knows says it, and each further one when those below it do not. */
  #sayForAll(now: number, state: FailoverState): void {
    const isOurTurn = (key: string) => this.#said.isOurTurn(now, key, this.#rank);
    this.#said.beginTurn();
    const rows = this.#rows;
    if (rows !== undefined && this.#own.replica === "current" && isLater(rows.place, state.config?.place)) {
      const key = `configuration:${rows.place.epoch}:${rows.place.sequence}`;
      if (rows.text !== state.config?.text && isOurTurn(key) && !this.#said.has(key)) {
        this.#sayConfiguration(key, rows.place, rows.text);
      }
    }
    for (const [card, { incarnation, receipt }] of [...this.#receipts]) {
      if (state.hasEnded(card, incarnation)) this.#receipts.delete(card);
      else {
        const key = `ended:${card}:${incarnation}`;
        if (isOurTurn(key)) this.#say(key, { kind: "ended", card, incarnation, receipt });
      }
    }
    if (state.isTimeAwaited && this.#time(now) >= state.now + failoverTimeMs && isOurTurn("time")) {
      this.#say("time", { kind: "time" });
    }
    this.#said.endTurn();
  }

  #sayConfiguration(key: string, place: ConfigPlace, text: string): void {
    const pieces = piecesOf(text, failoverPieceBytesMax);
    let request = 0;
    for (const [index, data] of pieces.entries()) {
      request = this.#send({ kind: "configuration", place, index, count: pieces.length, data });
    }
    this.#said.add(key, request);
  }

  /** Our place among those that could speak for all. */
  get #rank(): number {
    const at = this.#state?.speakers().indexOf(this.#card) ?? -1;
    return at === -1 ? Infinity : at;
  }

  #fence(now: number, state: FailoverState): void {
    for (const fence of this.#fencing.due(now, state, this.#isCurrent)) {
      this.#log("warn", "fence", { peer: fence.card, reason: fence.reason });
      this.#outputs.push({ kind: "fence", ...fence });
    }
  }

  /** Kept out of the order, and with nothing left to stop. */
  #sayIdle(now: number): void {
    const { held, view } = this.#authority;
    if (held || view === undefined || !this.#runner.isEmpty || this.#isResetting) {
      this.#sayIdleAt = -Infinity;
      return;
    }
    if (now < this.#sayIdleAt + failoverResayMs) return;
    this.#sayIdleAt = now;
    this.#outputs.push({ kind: "sayIdle", view });
  }

  /** What others have to hear of what was released here, they have heard, or never will. */
  #sayLeft(): void {
    if (this.#leavingSince === undefined || this.#hasLeft || !this.#runner.isEmpty || this.#wants.size > 0) return;
    const holds = this.#canAct && [...this.#state?.grants.values() ?? []].some(({ holder }) => holder === this.#card);
    if (holds && this.#now < this.#leavingSince + failoverLeaveMs) return;
    this.#hasLeft = true;
    this.#outputs.push({ kind: "left" });
  }

  // ---- saying

  /** The order's time now, by this card's estimate. */
  #time(now: number): number {
    return Math.max(this.#state?.now ?? 0, Math.round(now + this.#aheadMs));
  }

  #send(saying: Saying): number {
    const request = ++this.#lastRequest;
    const data = encodeFailoverEntry({ at: this.#time(this.#now), of: this.#state?.generation ?? 0, ...saying } as FailoverEntry);
    this.#outputs.push({ kind: "request", request: { kind: "send", request, group: failoverGroup, data } });
    return request;
  }

  #say(key: string, saying: Saying): void {
    if (!this.#said.has(key)) this.#said.add(key, this.#send(saying));
  }

  #sayUnder(keys: ReadonlySet<string>, saying: Saying, prefix: string): void {
    const request = this.#send(saying);
    for (const key of keys) if (key.startsWith(prefix)) this.#said.add(key, request);
  }

  #log(level: "debug" | "info" | "warn" | "error", event: string, fields: Fields): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}

const defaultPolicy = policyOf();

function retryKey(service: ServiceId, epoch: number, attempt: number): string {
  return `retry:${runKey(service, epoch, attempt)}`;
}
