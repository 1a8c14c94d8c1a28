/**
 * The cluster core, composed: what membership concludes goes to the order, what the order concludes goes to the groups,
 * and what they want goes back down. `src/cluster/PROTOCOLS.md` tells the whole.
 *
 *     heartbeat ─► membership ─ view ─► delta ─ entries ─► groups ◄─► applications
 *                                         ▲                  │
 *                                         └──── submit ──────┘      └► replica ◄─► store, management
 *
 * Its one surprising idea: what delta concludes is handled first in, first out, and so is what the replica is told. Handling a
 * delivered entry can submit another one, which on a card that is alone is delivered at once; it must not overtake those that
 * came before it.
 */
import { assert, unreachable } from "../base/assert.ts";
import {
  type Address,
  cardAt,
  type CardId,
  chassisOf,
  everybody,
  isCardId,
  type LinkKind,
  linkKinds,
  multiplexor,
  slotCountMax,
  slotOf,
} from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import { Delta, type DeltaMessage, type DeltaOutput } from "../cluster/delta.ts";
import { Groups, type GroupsInput, type GroupsOutput } from "../cluster/group.ts";
import { Membership, type MembershipInput, type MembershipOutput } from "../cluster/membership.ts";
import { electorateOf, tieBreakOf } from "../cluster/quorum.ts";
import type { NodeView, Receipt } from "../cluster/view.ts";
import { Replica } from "../config/replica.ts";
import type { ReplicaInput, ReplicaOutput } from "../config/replica-io.ts";
import type { FailoverDecided, FailoverInput, FailoverStatus, Standing } from "../failover/service-types.ts";
import { epochsMax, viewGraceMs } from "../limits.ts";
import type { Message } from "../wire/message.ts";
import type { Alarms } from "./alarms.ts";
import type { Effect } from "./effect.ts";
import type { StartStanding } from "./proving.ts";
import { type Authority, FailingOver } from "./failing-over.ts";
import type { Identity, NodeSettings } from "./settings.ts";
import type { ConfigurationStatus, GroupsStatus, MembershipStatus } from "./status.ts";
import { leaseMsOf, WatchdogLease } from "./watchdog-lease.ts";

/** The clients that the replica of the configuration and the failover service are to the group service; those of the edge count from 1. */
const replicaClient = 0;
const failoverClient = -1;

/** The node's way of sending: it numbers frames and cuts what is too large. */
type Send = (link: LinkKind, to: Address, message: Message, effects: Effect[]) => void;

type Verdict = Extract<FailoverInput, { readonly kind: "verdict" }>;

/** The node's side of the core. */
export type Surroundings = {
  readonly alarms: Alarms;
  readonly send: Send;
  /** To one card, on Ethernet; `isAgain` when it may not have got what it was sent before. */
  readonly sendDirect: (now: number, to: CardId, message: Message, isAgain: boolean, effects: Effect[]) => void;
  /** Whether a message fits one frame of our serial line, and the line is up. */
  readonly fitsSerial: (message: Message) => boolean;
  /** Whether nothing comes of a card on Ethernet. */
  readonly isSilent: (now: number, card: CardId) => boolean;
  /** Silence after which a peer is down, and the period of our heartbeats, on the slowest link. */
  readonly patience: () => { readonly silenceMs: number; readonly periodMs: number };
  /** It was asked to leave, and nothing that is failed over runs on this card any more. */
  readonly onLeft: (now: number, effects: Effect[]) => void;
  /** What the failover service has for the boot of this card. */
  readonly onKnown?: (now: number, known: boolean, effects: Effect[]) => void;
  readonly onStanding?: (now: number, standing: Standing, effects: Effect[]) => void;
  /** This card is going to be reset; the others have been told. */
  readonly onFailing: (now: number, effects: Effect[]) => void;
};

export class Core {
  readonly #identity: Identity;
  readonly #surroundings: Surroundings;
  #redundantLinks: boolean;
  #watchdogMs: number | undefined;
  readonly #lease = new WatchdogLease();
  #leaseMs: number | undefined;
  /** Since when no view holds. */
  #unheldSince: number | undefined;
  /** Why the multiplexor resets no card. */
  #noFence = "";
  #unfenceable: readonly CardId[] = [];
  #toldSurroundings = "";
  readonly #membership: Membership;
  readonly #delta: Delta;
  readonly #groups: Groups;
  readonly #replica: Replica;
  readonly #failingOver: FailingOver;
  /** The incarnation of each card as the last view that it was a member of has it. */
  readonly #incarnations = new Map<CardId, number>();
  /** Of cards that do not answer their self-test, what was told last. */
  readonly #verdicts = new Map<CardId, Verdict>();
  /** What the replica is still to be told. */
  readonly #told: ReplicaInput[] = [];
  #isTelling = false;
  /** The views of the order, newest last: each from this sequence on. */
  #epochs: { readonly sequence: number; readonly number: number }[] = [];
  /** What the order has concluded and is not handled yet. */
  readonly #concluded: DeltaOutput[] = [];
  #isSettling = false;
  /** The slots of our chassis with power, as the multiplexor said last. */
  #powered: number | undefined;
  /** Without a quorum: applications have been told. */
  #isStopped = false;
  #isFailing = false;

  constructor(identity: Identity, settings: NodeSettings, now: number, surroundings: Surroundings) {
    this.#identity = identity;
    this.#surroundings = surroundings;
    this.#redundantLinks = settings.redundantLinks;
    this.#watchdogMs = settings.watchdogMs;
    this.#unheldSince = now;
    this.#membership = new Membership(identity.card, identity.incarnation, identity.reservedView, settings, now);
    this.#delta = new Delta(identity.card);
    this.#groups = new Groups(identity.card, identity.incarnation, [replicaClient, failoverClient]);
    this.#replica = new Replica(identity.card, identity.nonce);
    this.#failingOver = new FailingOver(identity, {
      alarms: surroundings.alarms,
      request: (at, request, effects) => this.#stepGroups(at, { kind: "application", client: failoverClient, request }, effects),
      fence: (_at, card, incarnation, effects) => this.#fence(card, incarnation, effects),
      onLeaseOver: (at, card, incarnation, effects) => this.onReceipt(at, card, "lease", effects, incarnation),
      sayIdle: (view, effects) => {
        for (const link of linkKinds) surroundings.send(link, everybody, { kind: "idle", view }, effects);
      },
      onLeft: (at, effects) => surroundings.onLeft(at, effects),
      onFailing: (at, reason, effects) => this.#onFailing(at, reason, effects),
      ...(surroundings.onKnown === undefined ? {} : { onKnown: surroundings.onKnown }),
      ...(surroundings.onStanding === undefined ? {} : { onStanding: surroundings.onStanding }),
    });
    this.#replica.step(now, votesOf(settings));
  }

  deadline(): number {
    return Math.min(
      this.#membership.deadline(),
      this.#delta.deadline(),
      this.#groups.deadline(),
      this.#replica.deadline(),
      this.#failingOver.deadline(),
      this.#graceEndsAt,
    );
  }

  /** What one of them does at its time may make something due for another, but they come to rest. */
  runTimers(now: number, effects: Effect[]): void {
    for (let round = 0;; round++) {
      const isMembershipDue = now >= this.#membership.deadline();
      const isDeltaDue = now >= this.#delta.deadline();
      const isGroupsDue = now >= this.#groups.deadline();
      const isReplicaDue = now >= this.#replica.deadline();
      const isFailoverDue = now >= this.#failingOver.deadline();
      if (now >= this.#graceEndsAt) this.#tellAuthority(now, effects);
      if (!isMembershipDue && !isDeltaDue && !isGroupsDue && !isReplicaDue && !isFailoverDue) return;
      assert(round < 16, "the timers of membership, order, groups and replica come to rest");
      if (isMembershipDue) this.onFact(now, { kind: "tick" }, effects);
      if (isDeltaDue) this.#settleDelta(now, this.#delta.step(now, { kind: "tick" }), effects);
      if (isGroupsDue) this.#stepGroups(now, { kind: "tick" }, effects);
      if (isReplicaDue) this.onConfiguration(now, { kind: "tick" }, effects);
      if (isFailoverDue) this.onFailover(now, { kind: "tick" }, effects);
    }
  }

  status(now: number): {
    readonly membership: MembershipStatus;
    readonly groups: GroupsStatus;
    readonly configuration?: ConfigurationStatus;
  } {
    const configuration = this.#replica.status(now);
    return {
      membership: this.#membership.status(now),
      groups: this.#groupsStatus(),
      ...(configuration === undefined ? {} : { configuration }),
    };
  }

  /** What a card that starts waits for. */
  startStanding(now: number): StartStanding {
    const holds = this.#membership.isHeld();
    const { head, state, reason } = this.#replica.status(now) ?? { head: undefined, state: "none" as const, reason: undefined };
    return {
      view: { holds, reason: holds ? "" : this.#membership.stoppedBecause() ?? "no view that holds yet" },
      configuration: { state, ...(reason === undefined ? {} : { reason }), sequence: head?.sequence ?? 0, epoch: head?.epoch ?? 0 },
    };
  }

  /** Where this card stands in the order: the epoch that it has entered, and the last sequence delivered. */
  order(): { readonly epoch: number; readonly delivered: number } {
    return this.#delta.place();
  }

  /** The replicated state's digest and the last sequence that went into it; `undefined` while this card does not know it. */
  digest(): { readonly sequence: number; readonly digest: string } | undefined {
    return this.#groups.digest();
  }

  /** The lowest 16 bits of the number of the view that this card took over last, 0 for none. */
  viewTick(): number {
    return (this.#membership.view()?.number ?? 0) & 0xffff;
  }

  onSettings(now: number, settings: NodeSettings, effects: Effect[]): void {
    this.#redundantLinks = settings.redundantLinks;
    this.#watchdogMs = settings.watchdogMs;
    this.onFact(now, { kind: "settings", settings }, effects);
    this.#tellLease(now, effects);
    this.onConfiguration(now, votesOf(settings), effects);
    const view = this.#membership.view();
    if (view !== undefined) this.#watchRedundancy(now, view, effects);
    this.#tellSurroundings(now, effects);
  }

  /** A slot that is said to have lost its power, or to have none when we first hear of it, proves that its card has stopped. */
  onPower(now: number, powered: number, effects: Effect[]): void {
    const before = this.#powered ?? 0xff;
    this.#powered = powered;
    for (let slot = 1; slot <= slotCountMax; slot++) {
      const bit = 1 << (slot - 1);
      const card = cardAt(chassisOf(this.#identity.card), slot);
      if ((before & bit) !== 0 && (powered & bit) === 0) this.onReceipt(now, card, "power", effects);
      else if ((before & bit) === 0 && (powered & bit) !== 0) this.onFact(now, { kind: "powerOn", card }, effects);
    }
  }

  onReceipt(now: number, card: CardId, receipt: Receipt, effects: Effect[], upTo?: number): void {
    if (card === this.#identity.card) return;
    this.#verdicts.delete(card);
    this.#failingOver.onReceipt(now, card, receipt, upTo ?? this.#incarnations.get(card), effects);
    this.onFact(now, { kind: "receipt", card, receipt, ...(upTo === undefined ? {} : { upTo }) }, effects);
  }

  // ---- membership

  onFact(now: number, input: MembershipInput, effects: Effect[]): void {
    if (input.kind === "heard" && (this.#incarnations.get(input.card) ?? Infinity) < input.incarnation) {
      this.#verdicts.delete(input.card);
      this.#failingOver.onReceipt(now, input.card, "restarted", this.#incarnations.get(input.card), effects);
    }
    for (const output of this.#membership.step(now, input)) this.#settleMembership(now, output, effects);
    this.#watchQuorum(now, effects);
    if (this.#membership.isHeld()) this.#unheldSince = undefined;
    else this.#unheldSince ??= now;
    if (!this.#failingOver.isActive) return;
    this.#tellAuthority(now, effects);
    this.#watchVerdicts(now, effects);
  }

  /** When a card whose view does not hold any more stops what it runs, whatever is in sight. */
  get #graceEndsAt(): number {
    if (this.#unheldSince === undefined || this.#isStopped || !this.#failingOver.mayServe) return Infinity;
    return this.#unheldSince + viewGraceMs;
  }

  #tellAuthority(now: number, effects: Effect[]): void {
    this.#failingOver.onAuthority(now, this.#authority(now), effects);
  }

  /** What the others have to wait for this card follows from its patience, which changes with the cards that it hears. */
  #tellLease(now: number, effects: Effect[]): void {
    if (!this.#failingOver.isActive) return;
    const { silenceMs, periodMs } = this.#surroundings.patience();
    const ms = leaseMsOf(this.#watchdogMs, silenceMs, periodMs);
    if (ms === this.#leaseMs) return;
    this.#leaseMs = ms;
    this.onFailover(now, { kind: "lease", ms }, effects);
  }

  /** Whether the watchdog is fed now. `isIdle`: nothing that is failed over runs here. */
  feedsWatchdog(now: number, isIdle: boolean): boolean {
    return this.#watchdogMs !== undefined && this.#lease.feeds(now, this.#watchdogMs, isIdle, this.#authority(now).held);
  }

  /** Whether the multiplexor is heard, and so its reset lines are worth anything; of the cards of other chassis theirs may be. */
  onFenceable(now: number, isHeard: boolean, cards: readonly CardId[], effects: Effect[]): void {
    const text = isHeard ? "" : "the multiplexor is not heard";
    if (text === this.#noFence) return;
    this.#noFence = text;
    this.#unfenceable = isHeard ? [] : cards;
    this.#tellSurroundings(now, effects);
  }

  /** Which cards could not be survived, or not be proven down: for the readiness, at each change. */
  #tellSurroundings(now: number, effects: Effect[]): void {
    const view = this.#membership.view();
    if (!this.#failingOver.isActive || view === undefined || !this.#membership.isHeld()) return;
    const noFence = new Map(this.#unfenceable.map((card) => [card, this.#noFence]));
    const noQuorumWithout = new Map<CardId, string>();
    for (const { card } of view.members) {
      const lack = this.#membership.lackWithout(card, !noFence.has(card));
      if (lack !== undefined) noQuorumWithout.set(card, `without card ${card} the others would be ${lack}`);
    }
    const told = JSON.stringify([[...noQuorumWithout], [...noFence]]);
    if (told === this.#toldSurroundings) return;
    this.#toldSurroundings = told;
    this.onFailover(now, { kind: "surroundings", surroundings: { noQuorumWithout, noFence } }, effects);
  }

  #settleMembership(now: number, output: MembershipOutput, effects: Effect[]): void {
    const { send, fitsSerial } = this.#surroundings;
    switch (output.kind) {
      case "send": {
        const { to, message } = output;
        send("ether", to, message, effects);
        const isOnOurBus = !isCardId(to) || chassisOf(to) === chassisOf(this.#identity.card);
        if (isOnOurBus && fitsSerial(message)) send("serial", to, message, effects);
        return;
      }
      case "notification":
        return this.#onNotification(now, output, effects);
      case "reserve":
        effects.push({ kind: "reserve", upTo: output.upTo });
        return;
      case "witness":
        effects.push({ kind: "witness", wanted: output.wanted });
        return;
      case "log":
        effects.push(output);
        return;
      default:
        return unreachable(output);
    }
  }

  #onNotification(now: number, output: Extract<MembershipOutput, { kind: "notification" }>, effects: Effect[]): void {
    const { notification, reason } = output;
    if (notification.kind === "tentative") {
      effects.push({ kind: "log", level: "warn", event: "tentative", fields: { reason } });
      return;
    }
    this.#watchQuorum(now, effects);
    this.#tellLease(now, effects);
    const { view } = notification;
    // What a verdict asked for is done once a view is without the card; when it is back, that is another time.
    for (const { card } of view.absent) this.#verdicts.delete(card);
    for (const { card, incarnation } of view.members) this.#incarnations.set(card, incarnation);
    const unknown = view.absent.filter(({ state }) => state === "unknown").map(({ card }) => card);
    effects.push({
      kind: "log",
      level: "info",
      event: notification.kind,
      fields: { view: view.number, members: view.members.map(({ card }) => card), ether: view.ether, unknown, reason },
    });
    if (unknown.length === 0) this.#surroundings.alarms.clear(now, "card-unknown", "", effects);
    else {
      const text = `nothing proves that ${named(unknown)} stopped: what was there stays there`;
      this.#surroundings.alarms.raise(now, "card-unknown", "", text, effects);
    }
    this.#watchRedundancy(now, view, effects);
    this.#tellSurroundings(now, effects);
    this.#settleDelta(now, this.#delta.step(now, { kind: "view", view }), effects);
  }

  /** Between chassis there is no serial bus: where the configuration wants two links, one is missing (FS-9). */
  #watchRedundancy(now: number, view: NodeView, effects: Effect[]): void {
    const { alarms } = this.#surroundings;
    const own = chassisOf(this.#identity.card);
    const others = this.#redundantLinks ? view.members.map(({ card }) => card).filter((card) => chassisOf(card) !== own) : [];
    if (others.length === 0) return alarms.clear(now, "single-link", "", effects);
    alarms.raise(now, "single-link", "", `${named(others)} in other chassis: joined over Ethernet alone`, effects);
  }

  #watchQuorum(now: number, effects: Effect[]): void {
    const { alarms } = this.#surroundings;
    const stopped = this.#membership.stoppedBecause();
    if (this.#isStopped) {
      // That a quorum is in sight again ends nothing: it takes a view.
      if (!this.#membership.isHeld()) return;
      this.#isStopped = false;
      return alarms.clear(now, "no-quorum", "", effects);
    }
    if (stopped === undefined) return;
    this.#isStopped = true;
    alarms.raise(now, "no-quorum", "", stopped, effects);
    this.#stepGroups(now, { kind: "stopped", reason: stopped }, effects);
  }

  // ---- the order

  onOrder(now: number, from: CardId, message: DeltaMessage, effects: Effect[]): void {
    this.#settleDelta(now, this.#delta.step(now, { kind: "message", from, message }), effects);
  }

  #settleDelta(now: number, outputs: readonly DeltaOutput[], effects: Effect[]): void {
    for (const output of outputs) this.#concluded.push(output);
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let index = 0; index < this.#concluded.length; index++) this.#settleOrder(now, this.#concluded[index] as DeltaOutput, effects);
    this.#concluded.length = 0;
    this.#isSettling = false;
  }

  #settleOrder(now: number, output: DeltaOutput, effects: Effect[]): void {
    const { alarms, send, sendDirect } = this.#surroundings;
    switch (output.kind) {
      case "send":
        return isCardId(output.to)
          ? sendDirect(now, output.to, output.message, output.isAgain === true, effects)
          : send("ether", output.to, output.message, effects);
      case "delivered":
        return this.#stepGroups(now, output, effects);
      case "epoch": {
        const { view, whole, sequence } = output;
        this.#epochs = [...this.#epochs.slice(1 - epochsMax), { sequence, number: view.number }];
        this.#told.push({ kind: "epoch", view });
        this.#failingOver.onEpoch(view);
        effects.push({ kind: "log", level: "info", event: "epoch", fields: { view: view.number, sequence, cards: view.ether, whole } });
        this.#stepGroups(now, output, effects);
        // A view that was replayed is history; only the one that holds lets messages flow.
        if (view.number !== this.#membership.view()?.number || this.#isStopped) return this.#tellReplica(now, effects);
        alarms.clear(now, "order-stopped", "", effects);
        return this.#stepGroups(now, { kind: "running" }, effects);
      }
      case "skipped":
        effects.push({ kind: "log", level: "warn", event: "skipped", fields: { sequence: output.sequence } });
        // A card from a restored store runs as it has run before: what it says would pass for said.
        if (output.ordered > 0 && this.#epochs.length === 0) {
          return void effects.push({ kind: "reincarnate", above: this.#identity.incarnation });
        }
        return this.#stepGroups(now, output, effects);
      case "stopped":
        effects.push({ kind: "log", level: "warn", event: "stopped", fields: { reason: output.reason } });
        alarms.raise(now, "order-stopped", "", `no ordered messages: ${output.reason}`, effects);
        return this.#stepGroups(now, output, effects);
      case "stuck":
        return this.onFact(now, { kind: "unsettled", reason: `the order does not begin: ${output.reason}` }, effects);
      default:
        return unreachable(output);
    }
  }

  // ---- groups and applications

  onApplication(now: number, client: number, request: ApplicationRequest, effects: Effect[]): void {
    const bytes = request.kind === "send" ? request.data.length : 0;
    if ((request.kind === "send" || request.kind === "join") && !this.#delta.hasRoom(bytes)) {
      const message = "too many messages of this card are not ordered yet; wait for those under way";
      effects.push({ kind: "application", client, event: { kind: "refused", request: request.request, code: "busy", message } });
      return;
    }
    this.#stepGroups(now, { kind: "application", client, request }, effects);
  }

  onApplicationGone(now: number, client: number, reason: string, effects: Effect[]): void {
    this.#stepGroups(now, { kind: "applicationGone", client, reason }, effects);
  }

  #stepGroups(now: number, input: GroupsInput, effects: Effect[]): void {
    for (const output of this.#groups.step(now, input)) this.#settleGroups(now, output, effects);
    this.#tellReplica(now, effects);
  }

  #settleGroups(now: number, output: GroupsOutput, effects: Effect[]): void {
    switch (output.kind) {
      case "submit":
      case "open":
      case "whole":
        return this.#settleDelta(now, this.#delta.step(now, output), effects);
      case "event":
        if (output.client === replicaClient) {
          this.#told.push({ kind: "group", event: output.event, epoch: this.#epochOf(output.event) });
          return;
        }
        if (output.client === failoverClient) return this.#failingOver.onEvent(output.event);
        effects.push({ kind: "application", client: output.client, event: output.event });
        return;
      case "close":
        effects.push({ kind: "closeApplication", client: output.client, reason: output.reason });
        return;
      case "failing":
        return this.#onFailing(now, output.reason, effects);
      case "log":
        effects.push(output);
        return;
      default:
        return unreachable(output);
    }
  }

  // ---- the configuration

  onConfiguration(now: number, input: ReplicaInput, effects: Effect[]): void {
    this.#told.push(input);
    this.#tellReplica(now, effects);
  }

  #tellReplica(now: number, effects: Effect[]): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let input = this.#told.shift(); input !== undefined; input = this.#told.shift()) {
      for (const output of this.#replica.step(now, input)) this.#settleReplica(now, output, effects);
    }
    this.#isTelling = false;
    // Without a replica of its own a card goes by what it is given.
    this.#failingOver.onReplica(this.#replica.isCurrent || !this.#replica.isKept);
    this.#failingOver.tell(now, effects);
  }

  #settleReplica(now: number, output: ReplicaOutput, effects: Effect[]): void {
    switch (output.kind) {
      case "request":
        return this.#stepGroups(now, { kind: "application", client: replicaClient, request: output.request }, effects);
      case "send":
        return this.#surroundings.sendDirect(now, output.to, output.message, output.isAgain, effects);
      case "store":
      case "configured":
      case "log":
        effects.push(output);
        return;
      case "unsettled":
        return this.onFact(now, output, effects);
      case "alarm": {
        const { code, about, text } = output;
        if (text === undefined) this.#surroundings.alarms.clear(now, code, about, effects);
        else this.#surroundings.alarms.raise(now, code, about, text, effects);
        return;
      }
      default:
        return unreachable(output);
    }
  }

  // ---- failover

  onFailover(now: number, input: FailoverInput, effects: Effect[]): void {
    this.#failingOver.on(now, input, effects);
  }

  /** What self-tests came to; who may go on without a card that does not answer may have it stopped before a view says so. */
  onVerdict(now: number, verdict: Omit<Verdict, "mayFence">, effects: Effect[]): void {
    const told = { ...verdict, mayFence: this.#mayFence(now, verdict.card) };
    if (verdict.characterization.action.startsWith("shield")) this.#verdicts.set(verdict.card, told);
    else this.#verdicts.delete(verdict.card);
    this.onFailover(now, told, effects);
  }

  /** A verdict stands for long, and who may act on it may change. */
  #watchVerdicts(now: number, effects: Effect[]): void {
    for (const [card, verdict] of this.#verdicts) {
      if (this.#mayFence(now, card) !== verdict.mayFence) this.onVerdict(now, verdict, effects);
    }
  }

  /** Who is heard again lives, whatever its self-test came to. */
  #mayFence(now: number, card: CardId): boolean {
    return this.#surroundings.isSilent(now, card) && this.#membership.mayGoOnWithout(now, card);
  }

  /** This card carries out hooks. */
  beginFailover(now: number, effects: Effect[]): void {
    this.#failingOver.begin(now, effects);
    this.#tellAuthority(now, effects);
    this.#tellLease(now, effects);
    this.#tellSurroundings(now, effects);
  }

  /** Hands over what runs here, if anything can: `onLeft` when it is done. */
  leave(now: number, effects: Effect[]): void {
    if (this.#failingOver.isActive) this.onFailover(now, { kind: "leave" }, effects);
    else this.#surroundings.onLeft(now, effects);
  }

  failover(now: number): FailoverStatus | undefined {
    return this.#failingOver.status(now);
  }

  /** Whether this card may serve: in a view that holds or is being made by a quorum, and in its order. */
  get mayServe(): boolean {
    return this.#failingOver.mayServe;
  }

  decidedFailover(): FailoverDecided | undefined {
    return this.#failingOver.decided();
  }

  agreedFailover(): { readonly sequence: number; readonly text: string } | undefined {
    return this.#failingOver.agreed();
  }

  /**
   * Whether this card may serve: nothing is lost before there is no quorum, or others order messages without it, or no view has held for long: the others,
   * whom it still hears, may have one without it.
   */
  #authority(now: number): Authority {
    const isHeld = this.#membership.isHeld();
    const view = isHeld ? this.#membership.view() : undefined;
    if (this.#isStopped) return { held: false, reason: this.#membership.stoppedBecause() ?? "no view holds yet", view: undefined };
    if (view === undefined) {
      const isLong = now >= (this.#unheldSince ?? now) + viewGraceMs;
      return { held: !isLong, reason: isLong ? "no view has held for long" : "a view is being made", view: undefined };
    }
    const isOut = view.ether.length > 0 && !view.ether.includes(this.#identity.card);
    return { held: !isOut, reason: isOut ? "the others order messages without it" : "", view: view.number };
  }

  #fence(card: CardId, incarnation: number, effects: Effect[]): void {
    const { send } = this.#surroundings;
    send("serial", multiplexor, { kind: "muxReset", id: this.#identity.nonce, slot: slotOf(card), incarnation }, effects);
  }

  /** What our heartbeats say of the configuration. */
  headDigest(): number | undefined {
    return this.#replica.digest();
  }

  /** The view that ordered what an event tells of. */
  #epochOf(event: ApplicationEvent): number {
    const sequence = "sequence" in event ? event.sequence : Infinity;
    return this.#epochs.findLast((epoch) => epoch.sequence <= sequence)?.number ?? 0;
  }

  /** The others are told why, then the hardware is asked to reset this card (HA-7). */
  #onFailing(now: number, reason: string, effects: Effect[]): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    const { send, onFailing } = this.#surroundings;
    const { card, incarnation, nonce } = this.#identity;
    effects.push({ kind: "log", level: "error", event: "failing", fields: { reason } });
    for (const link of linkKinds) send(link, everybody, { kind: "failing", reason }, effects);
    send("serial", multiplexor, { kind: "muxReset", id: nonce, slot: slotOf(card), incarnation }, effects);
    effects.push({ kind: "resetCard", reason });
    this.onFact(now, { kind: "leave" }, effects);
    onFailing(now, effects);
  }

  #groupsStatus(): GroupsStatus {
    const { state, reason, ...order } = this.#delta.status();
    const groups = this.#groups.status();
    const stopped = groups.state === "stopped" ? groups.reason : reason;
    return {
      state: groups.state === "stopped" || state === "stopped" ? "stopped" : state === "flushing" ? state : groups.state,
      ...(stopped === undefined ? {} : { reason: stopped }),
      ...order,
      counters: { ...order.counters, ...groups.counters },
      groups: groups.groups,
    };
  }
}

function votesOf({ expected, disabled, tieBreak }: NodeSettings): Extract<ReplicaInput, { kind: "electorate" }> {
  const cards = electorateOf(expected, disabled);
  return { kind: "electorate", cards, tieBreak: tieBreakOf({ electorate: cards, tieBreak }) };
}

function named(cards: readonly CardId[]): string {
  return cards.map((card) => `card ${card}`).join(", ");
}
