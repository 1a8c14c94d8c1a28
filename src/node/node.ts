/**
 * The node is a card's decisions, composed: frames go through admission to one service by message kind, what the
 * services conclude climbs upward in layer order, and what is left for the world comes out as effects.
 *
 *     frame ─► admission ─► heartbeat (alive?) ─► discovery (who?) ─► alarms, log, status
 *                               └─► membership (views) ─► delta (one order) ─► groups ◄─► applications
 *
 * It is a function of its list of (now, input): no clock, no randomness, no I/O. The simulator runs this very class.
 */
import { assert, unreachable } from "../base/assert.ts";
import { hex } from "../base/hex.ts";
import { type Address, cardAt, type CardId, chassisOf, everybody, isCardId, type LinkKind, linkKinds, slotOf } from "../base/ids.ts";
import { Admission } from "../cluster/admission.ts";
import { Discovery, type DiscoveryOutput } from "../cluster/discovery.ts";
import { Heartbeat, type HeartbeatOutput } from "../cluster/heartbeat.ts";
import type { FailoverDecided, FailoverStatus } from "../failover/service-types.ts";
import { advertPeriodMs, duplicateFrames, duplicateGoneMs, duplicateOverMs, multiplexorUnheardMs, staleGapMs } from "../limits.ts";
import type { Service } from "../service.ts";
import { type Frame, frameBytesMax, malformedReasons } from "../wire/frame.ts";
import type { Heartbeat as HeartbeatMessage, Message } from "../wire/message.ts";
import { fragmentsOf, frameFits, Reassembly } from "../wire/reassembly.ts";
import { wireVersions } from "../wire/version.ts";
import { Alarms } from "./alarms.ts";
import { Core } from "./core.ts";
import { DirectPaths } from "./direct-paths.ts";
import type { Effect } from "./effect.ts";
import type { Input } from "./input.ts";
import { Proving } from "./proving.ts";
import type { Identity, NodeSettings } from "./settings.ts";
import type { NodeStatus, OwnLinkStatus, PeerLinkStatus, PeerStatus } from "./status.ts";

/** Why an authentic frame was dropped, beside the reasons why bytes are no frame at all. */
const droppedReasons = ["replayed", "oldIncarnation", "ownIdentity", "fragments"] as const;

type ByeReason = Extract<Input, { readonly kind: "leave" }>["reason"];

/** Our side of one link. */
type OwnLink = {
  /** Not known before the port has said so for the first time. */
  up: boolean | undefined;
  reason: string;
  sequence: number;
  /** The largest frame that our port carries. */
  frameBytesMax: number;
  messages: number;
  accepted: number;
  readonly dropped: Record<string, number>;
  readonly reassembly: Reassembly;
};

/** A run of growing numbers that were all taken before. */
type Replays = { readonly since: number; lastAt: number; frames: number; sequence: number };

function ownLink(link: LinkKind): OwnLink {
  const reasons = [...malformedReasons, ...droppedReasons].map((reason) => [reason, 0]);
  return {
    up: undefined,
    reason: "not opened yet",
    sequence: 0,
    frameBytesMax: frameBytesMax[link],
    messages: 0,
    accepted: 0,
    dropped: Object.fromEntries(reasons),
    reassembly: new Reassembly(),
  };
}

export class Node implements Service<Input, Effect> {
  readonly #identity: Identity;
  readonly #startedAt: number;
  #settings: NodeSettings;
  #state: "running" | "leaving" = "running";
  /** It was asked to leave, and hands over before it says goodbye. */
  #leavingFor: ByeReason | undefined;
  readonly #links: Record<LinkKind, OwnLink> = { ether: ownLink("ether"), serial: ownLink("serial") };
  readonly #admission = new Admission();
  readonly #heartbeat: Heartbeat;
  readonly #discovery: Discovery;
  readonly #directPaths = new DirectPaths();
  readonly #alarms = new Alarms();
  readonly #core: Core;
  readonly #proving: Proving;
  readonly #staleToldAt = new Map<CardId, number>();
  readonly #late = { count: 0, totalMs: 0, worstMs: 0 };
  #multiplexorHeardAt = -Infinity;
  #watchMultiplexorAt = Infinity;
  /** When nobody has called our incarnation too old for long enough. */
  #forgetStaleAt = Infinity;
  /** Frames with numbers taken before, of cards that are gone. */
  readonly #replays: Record<LinkKind, Map<CardId, Replays>> = { ether: new Map(), serial: new Map() };
  /** When the cards that the configuration names should have been heard. */
  #missAt: number;

  constructor(identity: Identity, settings: NodeSettings, now: number) {
    this.#identity = identity;
    this.#settings = settings;
    this.#startedAt = now;
    this.#missAt = now + 10 * advertPeriodMs;
    this.#heartbeat = new Heartbeat(identity.card, settings);
    this.#discovery = new Discovery(identity.card, identity.nonce);
    this.#core = new Core(identity, settings, now, {
      alarms: this.#alarms,
      send: (link, to, message, effects) => this.#send(link, to, message, effects),
      sendDirect: (at, to, message, isAgain, effects) => this.#sendDirect(at, to, message, isAgain, effects),
      fitsSerial: (message) => this.#links.serial.up === true && frameFits("serial", message, this.#links.serial.frameBytesMax),
      isSilent: (at, card) => !this.#isHeardOnEther(at, card),
      patience: () => this.#patience(),
      onLeft: (at, effects) => this.#onLeft(at, effects),
      onKnown: (at, known, effects) => this.#proving.onKnown(at, known, effects),
      onStanding: (at, standing, effects) => this.#proving.onOwnFacts(at, standing, effects),
      onFailing: (at, effects) => this.#enterFailing(at, effects),
    });
    this.#proving = new Proving(identity, settings, now, {
      alarms: this.#alarms,
      send: (link, to, message, effects) => this.#send(link, to, message, effects),
      periodMs: (link) => this.#heartbeat.periodMs(link),
      standing: (at) => this.#core.startStanding(at),
      isMultiplexorHeard: (at) => this.#links.serial.up === true ? this.#isMultiplexorHeard(at) : undefined,
      onReadiness: (at, readiness, effects) => this.#core.onFailover(at, { kind: "readiness", readiness }, effects),
      onProceeded: (at, by, effects) => this.#core.onFailover(at, { kind: "proceeded", by }, effects),
      onVerdict: (at, verdict, effects) => this.#core.onVerdict(at, verdict, effects),
    });
    this.#tellSerialLine(now, []);
  }

  deadline(): number {
    return Math.min(
      this.#heartbeat.deadline(),
      this.#discovery.deadline(),
      this.#core.deadline(),
      this.#proving.deadline(),
      this.#watchMultiplexorAt,
      this.#missAt,
      this.#forgetStaleAt,
      this.#links.ether.reassembly.deadline(),
      this.#links.serial.reassembly.deadline(),
    );
  }

  step(now: number, input: Input): Effect[] {
    const effects: Effect[] = [];
    switch (input.kind) {
      case "heard":
        this.#onFrame(now, input.link, input.frame, input.source, effects);
        break;
      case "malformed":
        this.#drop(input.link, input.reason);
        if (input.reason === "version") this.#proving.onOtherVersion(now, effects);
        break;
      case "portUp":
        this.#links[input.link].frameBytesMax = Math.min(frameBytesMax[input.link], input.frameBytesMax ?? Infinity);
        this.#onPort(now, input.link, true, "", effects);
        break;
      case "portDown":
        this.#onPort(now, input.link, false, input.reason, effects);
        break;
      case "leave":
        this.#onLeave(now, input.reason, effects);
        break;
      case "application":
        this.#core.onApplication(now, input.client, input.request, effects);
        break;
      case "applicationGone":
        this.#core.onApplicationGone(now, input.client, input.reason, effects);
        break;
      case "storeFound":
      case "stored":
      case "configure":
        this.#core.onConfiguration(now, input, effects);
        break;
      case "resourcesFound":
        this.#core.beginFailover(now, effects);
        this.#proving.tellReadiness(now, effects);
        break;
      case "failover":
        if (input.input.kind === "configuration") this.#proving.onPolicies(now, input.input.rows.policies, effects);
        this.#core.onFailover(now, input.input, effects);
        break;
      case "postChecked":
      case "selfTestChecked":
      case "bootProceed":
        this.#proving.onTold(now, input, effects);
        break;
      case "reserved":
        this.#core.onFact(now, { kind: "reserved", upTo: input.upTo }, effects);
        break;
      case "witness":
        this.#core.onFact(now, { kind: "witness", held: input.held }, effects);
        break;
      case "reloaded":
        this.#onReloaded(now, input.settings, effects);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    this.#runTimers(now, effects);
    return effects;
  }

  /** What this node says of itself and its peers at `now`. */
  status(now: number): NodeStatus {
    const { card, name, uid, incarnation, software } = this.#identity;
    const cards = new Set([...this.#heartbeat.cards(), ...this.#settings.expected]);
    cards.delete(card);
    return {
      card,
      chassis: chassisOf(card),
      slot: slotOf(card),
      name,
      uid: hex(uid),
      incarnation,
      software,
      uptimeMs: Math.round(now - this.#startedAt),
      state: this.#state,
      links: { ether: this.#ownLinkStatus("ether"), serial: this.#ownLinkStatus("serial", now) },
      peers: [...cards].sort((a, b) => a - b).map((peer) => this.#peerStatus(now, peer)),
      alarms: this.#alarms.list(now),
      ...this.#core.status(now),
      ...this.#proving.status(now),
      lateTicks: { count: this.#late.count, totalMs: Math.round(this.#late.totalMs), worstMs: Math.round(this.#late.worstMs) },
    };
  }

  /** Where this card stands in the order: the epoch that it has entered, and the last sequence delivered. */
  order(): { readonly epoch: number; readonly delivered: number } {
    return this.#core.order();
  }

  /** The replicated state's digest and the last sequence that went into it; `undefined` while this card does not know it. */
  digest(): { readonly sequence: number; readonly digest: string } | undefined {
    return this.#core.digest();
  }

  /** It has said goodbye, or that it resets itself: nothing more comes of it. */
  get hasLeft(): boolean {
    return this.#state === "leaving";
  }

  get mayServe(): boolean {
    return this.#core.mayServe;
  }

  /** Whether the watchdog is fed now. `isIdle`: nothing that is failed over runs on this card. */
  feedsWatchdog(now: number, isIdle: boolean): boolean {
    return this.#core.feedsWatchdog(now, isIdle);
  }

  #isHeardOnEther(now: number, card: CardId): boolean {
    const health = this.#heartbeat.linkOf(now, card, "ether")?.health;
    return health === "up" || health === "oneWay" || health === "recovering";
  }

  /** The silence after which a peer is down, and the period of our own heartbeats, on the slowest link and for the slowest peer. */
  #patience(): { readonly silenceMs: number; readonly periodMs: number } {
    const { card } = this.#identity;
    const silences = [card, ...this.#heartbeat.cards()].flatMap((peer) =>
      linkKinds.map((link) => this.#heartbeat.patience(peer, link).downAfterMs)
    );
    return { silenceMs: Math.max(...silences), periodMs: Math.max(...linkKinds.map((link) => this.#heartbeat.periodMs(link))) };
  }

  /** Whether the reset lines of our chassis are worth anything. */
  #tellFenceable(now: number, isHeard: boolean, effects: Effect[]): void {
    const ours = this.#settings.expected.filter((card) => chassisOf(card) === chassisOf(this.#identity.card));
    this.#core.onFenceable(now, isHeard, ours, effects);
  }

  /** Who serves what, as far as this card knows; `undefined` on a card that takes no part. */
  failover(now: number): FailoverStatus | undefined {
    return this.#core.failover(now);
  }

  decidedFailover(): FailoverDecided | undefined {
    return this.#core.decidedFailover();
  }

  /** All that is agreed on of failover, and the last sequence that went into it; `undefined` while this card does not know it. */
  agreedFailover(): { readonly sequence: number; readonly text: string } | undefined {
    return this.#core.agreedFailover();
  }

  #onFrame(now: number, link: LinkKind, frame: Frame, source: Uint8Array | undefined, effects: Effect[]): void {
    const own = link === "ether" ? this.#links.ether : this.#links.serial;
    if (frame.from === this.#identity.card) return this.#onOwnIdentity(now, link, frame, effects);
    const verdict = this.#admission.admit(link, frame.from, frame.incarnation, frame.sequence);
    if (verdict === "replayed" || verdict === "oldIncarnation") {
      this.#drop(link, verdict);
      if (!isCardId(frame.from)) return;
      if (verdict === "oldIncarnation") this.#onOldIncarnation(now, link, frame.from, frame, effects);
      else this.#onReplayed(now, link, frame.from, frame, effects);
      return;
    }
    own.accepted++;
    if (!isCardId(frame.from)) return this.#onMultiplexor(now, link, frame.incarnation, frame.message, effects);

    const { from, message } = frame;
    if (source !== undefined) this.#onSource(from, source, effects);
    if (verdict === "restarted") {
      this.#proving.onGone(now, from, effects);
      this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "restarted", card: from }), effects);
      this.#settleDiscovery(now, this.#discovery.step(now, { kind: "restarted", card: from }), effects);
      this.#core.onFact(now, { kind: "heard", card: from, incarnation: frame.incarnation }, effects);
    }
    this.#proving.onHeard(now, from, link, effects);
    const known = this.#heartbeat.healthOf(from) !== "absent";
    const beat = message.kind === "heartbeat" ? message : undefined;
    this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "heard", link, from, beat }), effects);
    if (!known) {
      this.#tellSerialLine(now, effects);
      this.#proving.onSettings(now, this.#settings, effects);
    }
    if (beat !== undefined) {
      this.#proving.onBeat(now, from, beat, effects);
      this.#core.onFact(now, { kind: "beat", link, from, beat }, effects);
      if (beat.head !== undefined) this.#core.onConfiguration(now, { kind: "beat", from, head: beat.head }, effects);
    }
    if (frame.to === everybody || frame.to === this.#identity.card) this.#onMessage(now, link, frame, message, effects);
  }

  #onSource(from: CardId, source: Uint8Array, effects: Effect[]): void {
    const was = this.#directPaths.onHeard(from, source);
    if (was === undefined) return;
    effects.push({ kind: "log", level: "info", event: "address", fields: { peer: from, was: hex(was), address: hex(source) } });
  }

  #onMessage(now: number, link: LinkKind, frame: Frame, message: Message, effects: Effect[]): void {
    const from = frame.from;
    assert(isCardId(from), "the multiplexor's messages are handled apart");
    switch (message.kind) {
      case "heartbeat":
        return;
      case "advert": {
        const { etherPeriodMs: etherMs, serialPeriodMs: serialMs } = message;
        this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "periods", card: from, etherMs, serialMs }), effects);
        const heard = { kind: "advert", link, from, incarnation: frame.incarnation, advert: message } as const;
        return this.#settleDiscovery(now, this.#discovery.step(now, heard), effects);
      }
      case "bye":
        effects.push({ kind: "log", level: "info", event: "bye", fields: { peer: from, reason: message.reason } });
        // The receipt comes first: what the silence begins is to know it already.
        this.#core.onReceipt(now, from, "left", effects);
        this.#proving.onGone(now, from, effects);
        return this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "left", card: from }), effects);
      case "failing":
        // It comes on both links.
        if (this.#heartbeat.healthOf(from) === "left") return;
        effects.push({ kind: "log", level: "warn", event: "failing", fields: { peer: from, reason: message.reason } });
        this.#core.onReceipt(now, from, "failing", effects);
        this.#proving.onGone(now, from, effects);
        return this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "left", card: from }), effects);
      case "wantView":
      case "proposeView":
      case "promiseView":
      case "refuseView":
      case "commitView":
      case "committedView":
        return this.#core.onFact(now, { kind: "message", from, incarnation: frame.incarnation, message }, effects);
      case "submit":
      case "pass":
      case "commit":
      case "flush":
      case "sync":
        // Ordered messages are no matter for the serial line, whatever a broken card may send there.
        if (link !== "ether") return this.#drop(link, "kind");
        return this.#core.onOrder(now, from, message, effects);
      case "configState":
      case "configAsk":
      case "configGive":
      case "configDurable":
      case "configForward":
      case "configAnswer":
        if (link !== "ether") return this.#drop(link, "kind");
        return this.#core.onConfiguration(now, { kind: "message", from, message }, effects);
      case "stale":
        return this.#onStale(now, message.card, message.incarnation, effects);
      case "fragment": {
        const whole = this.#links[link].reassembly.take(now, frame, message);
        if (whole === undefined) return;
        if ("malformed" in whole) return this.#drop(link, "fragments");
        return this.#onMessage(now, link, frame, whole, effects);
      }
      case "idle":
        return this.#core.onFailover(now, { kind: "idleHeard", from, incarnation: frame.incarnation, view: message.view }, effects);
      case "boot":
      case "selfTest":
      case "selfTestAnswer":
        return this.#proving.onMessage(now, link, from, frame.incarnation, message, effects);
      case "muxReset":
      case "muxReceipt":
      case "muxPower":
        // Only the multiplexor speaks these to cards; from a card they mean nothing to us.
        return this.#drop(link, "kind");
      default:
        return unreachable(message);
    }
  }

  #onMultiplexor(now: number, link: LinkKind, incarnation: number, message: Message, effects: Effect[]): void {
    if (link !== "serial") return this.#drop(link, "kind");
    this.#multiplexorHeardAt = now;
    this.#watchMultiplexorAt = now + multiplexorUnheardMs;
    this.#alarms.clear(now, "multiplexor-unheard", "", effects);
    this.#tellFenceable(now, true, effects);
    if (message.kind === "muxReceipt" && (message.outcome === "reset" || message.outcome === "off")) {
      const card = cardAt(chassisOf(this.#identity.card), message.slot);
      this.#core.onReceipt(now, card, message.outcome === "off" ? "power" : "reset", effects, message.incarnation);
      // A run that has begun since then is another one.
      if ((message.incarnation ?? Infinity) >= (this.#admission.incarnationOf(card) ?? 0)) this.#proving.onGone(now, card, effects);
    }
    if (message.kind === "muxPower") {
      this.#proving.onMultiplexor(now, incarnation, message, effects);
      this.#core.onPower(now, message.powered, effects);
      for (const card of this.#heartbeat.cards()) {
        if ((message.powered & (1 << (slotOf(card) - 1))) !== 0) this.#alarms.clear(now, "power-sense-wrong", `${card}`, effects);
      }
      this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "power", powered: message.powered }), effects);
    }
  }

  /** A frame that names us as its sender: our own echo, or another card in our slot. */
  #onOwnIdentity(now: number, link: LinkKind, frame: Frame, effects: Effect[]): void {
    this.#drop(link, "ownIdentity");
    const isEcho = frame.incarnation === this.#identity.incarnation && frame.sequence < this.#links[link].sequence;
    const { message, incarnation, sequence } = frame;
    const isOurAdvert = message.kind !== "advert" || message.nonce === this.#identity.nonce;
    if (isEcho && isOurAdvert) return;
    const twin = { kind: "twin", card: this.#identity.card, incarnation, sequence } as const;
    this.#settleDiscovery(now, this.#discovery.step(now, twin), effects);
  }

  #onOldIncarnation(now: number, link: LinkKind, from: CardId, frame: Frame, effects: Effect[]): void {
    const { incarnation, sequence } = frame;
    this.#settleDiscovery(now, this.#discovery.step(now, { kind: "twin", card: from, incarnation, sequence }), effects);
    // While the newest incarnation is alive, the old one is a clone and gets no help to overtake it.
    if (this.#isGone(from)) this.#tellStale(now, link, from, effects);
  }

  /**
   * A number taken before is a frame played again, or that of a card that started with an incarnation it has used
   * before. The second goes on and on: with the first card gone it is told to move on, with the first alive it is a clone.
   */
  #onReplayed(now: number, link: LinkKind, from: CardId, frame: Frame, effects: Effect[]): void {
    const { incarnation, sequence, message } = frame;
    // A clone that was taken out may have been ahead on one link alone: there the card would count as played again for long.
    if (!this.#isGone(from) && this.#heartbeat.linkOf(now, from, link)?.health !== "down") {
      if (message.kind !== "advert") return;
      const output = this.#discovery.step(now, { kind: "replayedAdvert", card: from, incarnation, advert: message });
      return this.#settleDiscovery(now, output, effects);
    }
    let run = this.#replays[link].get(from);
    if (run === undefined || now - run.lastAt > duplicateOverMs) {
      run = { since: now, lastAt: now, frames: 0, sequence: -1 };
      this.#replays[link].set(from, run);
    }
    if (sequence <= run.sequence) return;
    run.frames++;
    run.sequence = sequence;
    run.lastAt = now;
    if (run.frames >= duplicateFrames && now - run.since >= duplicateOverMs) this.#tellStale(now, link, from, effects);
  }

  #isGone(card: CardId): boolean {
    const health = this.#heartbeat.healthOf(card);
    return health === "down" || health === "left";
  }

  #tellStale(now: number, link: LinkKind, from: CardId, effects: Effect[]): void {
    if (now - (this.#staleToldAt.get(from) ?? -Infinity) < staleGapMs) return;
    this.#staleToldAt.set(from, now);
    const newest = this.#admission.incarnationOf(from);
    if (newest !== undefined) this.#send(link, from, { kind: "stale", card: from, incarnation: newest }, effects);
  }

  #onStale(now: number, card: CardId, incarnation: number, effects: Effect[]): void {
    if (card !== this.#identity.card || incarnation < this.#identity.incarnation) return;
    this.#forgetStaleAt = now + duplicateGoneMs;
    this.#alarms.raise(
      now,
      "old-incarnation",
      "",
      `this slot was heard with incarnation ${incarnation}, ours is ${this.#identity.incarnation}`,
      effects,
    );
    // With another card in our slot a race of incarnations would help nobody: the operator has to take one out.
    if (!this.#discovery.hasTwin(card)) effects.push({ kind: "reincarnate", above: incarnation });
  }

  #onPort(now: number, link: LinkKind, up: boolean, reason: string, effects: Effect[]): void {
    const own = this.#links[link];
    own.reason = reason;
    if (own.up === up) return;
    own.up = up;
    effects.push({
      kind: "log",
      level: up ? "info" : "warn",
      event: up ? "port up" : "port down",
      fields: up ? { link } : { link, reason },
    });
    if (up) this.#alarms.clear(now, "port-down", link, effects);
    else this.#alarms.raise(now, "port-down", link, `our own ${link} port is down: ${reason}`, effects);
    if (link === "serial") {
      this.#watchMultiplexorAt = up ? now + multiplexorUnheardMs : Infinity;
      if (!up) {
        this.#alarms.clear(now, "multiplexor-unheard", "", effects);
        this.#tellFenceable(now, false, effects);
      }
    }
    this.#proving.onPort(now, link, up, effects);
    this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "port", link, up }), effects);
    this.#settleDiscovery(now, this.#discovery.step(now, { kind: "port", link, up }), effects);
  }

  #onLeave(now: number, reason: ByeReason, effects: Effect[]): void {
    if (this.#state === "leaving" || this.#leavingFor !== undefined) return;
    this.#leavingFor = reason;
    this.#core.leave(now, effects);
  }

  /** Its goodbye proves to the others that nothing runs here any more. */
  #onLeft(now: number, effects: Effect[]): void {
    const reason = this.#leavingFor;
    if (this.#state === "leaving" || reason === undefined) return;
    this.#proving.onLeave(now, reason, effects);
    for (const link of linkKinds) if (this.#links[link].up) this.#send(link, everybody, { kind: "bye", reason }, effects);
    this.#settleDiscovery(now, this.#discovery.step(now, { kind: "leave" }), effects);
    this.#core.onFact(now, { kind: "leave" }, effects);
    this.#state = "leaving";
  }

  #onReloaded(now: number, settings: NodeSettings, effects: Effect[]): void {
    this.#settings = settings;
    this.#core.onSettings(now, settings, effects);
    this.#missAt = now + 10 * advertPeriodMs;
    this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "settings", settings }), effects);
    this.#tellSerialLine(now, effects);
    this.#proving.onSettings(now, settings, effects);
    effects.push({ kind: "log", level: "info", event: "settings reloaded", fields: {} });
  }

  /** How many cards share our serial line follows from the configuration and from who was heard. */
  #tellSerialLine(now: number, effects: Effect[]): void {
    const chassis = chassisOf(this.#identity.card);
    const cards = new Set([this.#identity.card, ...this.#settings.expected, ...this.#heartbeat.cards()]);
    const count = [...cards].filter((card) => chassisOf(card) === chassis).length;
    const line = { kind: "serialLine", cards: Math.max(2, count), baud: this.#settings.baud } as const;
    this.#settleDiscovery(now, this.#discovery.step(now, line), effects);
  }

  #runTimers(now: number, effects: Effect[]): void {
    if (now >= this.#heartbeat.deadline()) this.#settleHeartbeat(now, this.#heartbeat.step(now, { kind: "tick" }), effects);
    if (now >= this.#discovery.deadline()) this.#settleDiscovery(now, this.#discovery.step(now, { kind: "tick" }), effects);
    this.#proving.runTimers(now, effects);
    this.#core.runTimers(now, effects);
    const { ether, serial } = this.#links;
    if (now >= ether.reassembly.deadline()) ether.reassembly.expire(now);
    if (now >= serial.reassembly.deadline()) serial.reassembly.expire(now);
    if (now >= this.#watchMultiplexorAt) {
      this.#watchMultiplexorAt = Infinity;
      this.#alarms.raise(
        now,
        "multiplexor-unheard",
        "",
        "the serial multiplexor is not heard: no fencing over its reset lines, no power sense",
        effects,
      );
      this.#tellFenceable(now, false, effects);
    }
    if (now >= this.#forgetStaleAt) {
      this.#forgetStaleAt = Infinity;
      this.#alarms.clear(now, "old-incarnation", "", effects);
    }
    if (now >= this.#missAt) {
      this.#missAt = Infinity;
      for (const card of this.#settings.expected) {
        if (card === this.#identity.card || this.#heartbeat.healthOf(card) !== "absent") continue;
        this.#alarms.raise(now, "card-absent", `${card}`, `card ${card} is in the configuration and was never heard`, effects);
      }
    }
  }

  #settleHeartbeat(now: number, outputs: HeartbeatOutput[], effects: Effect[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case "beat":
          if (this.#state !== "running") break;
          this.#sendBeat(output.link, output.message, effects);
          this.#core.onFact(now, { kind: "ownBeat", link: output.link, beat: output.message }, effects);
          break;
        case "linkHealth": {
          const { card, link, was, health, reason } = output;
          const about = `${card} ${link}`;
          if (health === "oneWay") {
            this.#alarms.raise(now, "link-one-way", about, `card ${card} is heard on ${link} and does not hear us`, effects);
          } else this.#alarms.clear(now, "link-one-way", about, effects);
          if (health === "down") this.#alarms.raise(now, "link-down", about, `card ${card} on ${link}: ${reason}`, effects);
          else if (health === "up") this.#alarms.clear(now, "link-down", about, effects);
          const level = health === "silent" || health === "down" || health === "oneWay" ? "warn" : "info";
          effects.push({ kind: "log", level, event: "link health", fields: { peer: card, link, was, health, reason } });
          this.#proving.onLink(now, card, link, health, effects);
          break;
        }
        case "cardHealth": {
          const { card, was, health, reason } = output;
          if (was === "absent") this.#alarms.clear(now, "card-absent", `${card}`, effects);
          if (health === "down") this.#alarms.raise(now, "card-down", `${card}`, `card ${card} is down: ${reason}`, effects);
          else this.#alarms.clear(now, "card-down", `${card}`, effects);
          if (health === "left") { for (const link of linkKinds) this.#alarms.clear(now, "link-down", `${card} ${link}`, effects); }
          const level = health === "suspect" || health === "down" || was === "healthy" && health === "degraded" ? "warn" : "info";
          effects.push({ kind: "log", level, event: "card health", fields: { peer: card, was, health, reason } });
          this.#proving.onCard(now, card, health, effects);
          this.#core.onFact(now, { kind: "cardHealth", card, health }, effects);
          break;
        }
        case "hush":
          this.#proving.onHush(now, output.card, effects);
          break;
        case "late":
          this.#late.count++;
          this.#late.totalMs += output.ms;
          this.#late.worstMs = Math.max(this.#late.worstMs, output.ms);
          if (this.#watchMultiplexorAt !== Infinity) this.#watchMultiplexorAt += output.ms;
          effects.push({ kind: "log", level: "debug", event: "late tick", fields: { ms: Math.round(output.ms) } });
          this.#proving.onLate(now, output.ms, effects);
          this.#core.onFact(now, { kind: "late", ms: output.ms }, effects);
          break;
        case "powerSenseWrong":
          this.#alarms.raise(
            now,
            "power-sense-wrong",
            `${output.card}`,
            `slot ${slotOf(output.card)} is said to have no power and speaks`,
            effects,
          );
          break;
        default:
          unreachable(output);
      }
    }
  }

  #settleDiscovery(now: number, outputs: DiscoveryOutput[], effects: Effect[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case "advertise": {
          const { uid, name, nonce, software } = this.#identity;
          const { echoes } = output;
          const etherPeriodMs = this.#heartbeat.periodMs("ether");
          const serialPeriodMs = this.#heartbeat.periodMs("serial");
          const { min: wireMin, max: wireMax } = wireVersions;
          const advert = { kind: "advert", uid, name, nonce, echoes, etherPeriodMs, serialPeriodMs, wireMin, wireMax, software } as const;
          this.#send(output.link, everybody, advert, effects);
          break;
        }
        case "lldp":
          effects.push({ kind: "sendLldp", ttlS: output.ttlS });
          break;
        case "candidate": {
          const { card, link, name } = output;
          effects.push({ kind: "log", level: "info", event: "candidate", fields: { peer: card, link, name } });
          break;
        }
        case "verified":
          effects.push({ kind: "log", level: "info", event: "verified", fields: { peer: output.card, name: output.name } });
          break;
        case "duplicate":
          this.#alarms.raise(
            now,
            "duplicate-identity",
            `${output.card}`,
            `two cards claim to be card ${output.card}: ${output.evidence}`,
            effects,
          );
          if (output.card === this.#identity.card) this.#proving.onTwin(now, output.evidence, effects);
          break;
        case "duplicateGone":
          this.#alarms.clear(now, "duplicate-identity", `${output.card}`, effects);
          if (output.card === this.#identity.card) this.#proving.onTwin(now, undefined, effects);
          break;
        default:
          unreachable(output);
      }
    }
  }

  /** A heartbeat carries what the core adds to it: the view, and the head of the configuration. */
  #sendBeat(link: LinkKind, beat: HeartbeatMessage, effects: Effect[]): void {
    const head = this.#core.headDigest();
    this.#send(link, everybody, { ...beat, view: this.#core.viewTick(), ...(head === undefined ? {} : { head }) }, effects);
  }

  #send(link: LinkKind, to: Address, message: Message, effects: Effect[], address?: Uint8Array): void {
    const own = link === "ether" ? this.#links.ether : this.#links.serial;
    const path = address === undefined ? {} : { address };
    if (frameFits(link, message, own.frameBytesMax)) {
      effects.push({ kind: "send", link, to, sequence: own.sequence++, message, ...path });
      return;
    }
    for (const fragment of fragmentsOf(message, own.frameBytesMax, own.messages++)) {
      effects.push({ kind: "send", link, to, sequence: own.sequence++, message: fragment, ...path });
    }
  }

  /** To one card, past the others, while it is heard. What has been said before goes to all. */
  #sendDirect(now: number, to: CardId, message: Message, isAgain: boolean, effects: Effect[]): void {
    if (isAgain) this.#directPaths.onSentAgain(now, to);
    const isHeard = this.#heartbeat.linkOf(now, to, "ether")?.health === "up";
    this.#send("ether", to, message, effects, isHeard ? this.#directPaths.addressOf(now, to) : undefined);
  }

  /** This card is about to be reset: what it said last was why. */
  #enterFailing(now: number, effects: Effect[]): void {
    this.#proving.onLeave(now, "reset", effects);
    this.#settleDiscovery(now, this.#discovery.step(now, { kind: "leave" }), effects);
    this.#state = "leaving";
  }

  #drop(link: LinkKind, reason: string): void {
    const { dropped } = this.#links[link];
    dropped[reason] = (dropped[reason] ?? 0) + 1;
  }

  #isMultiplexorHeard(now: number): boolean {
    return now - this.#multiplexorHeardAt < multiplexorUnheardMs;
  }

  #ownLinkStatus(link: LinkKind, now?: number): OwnLinkStatus {
    const own = this.#links[link];
    const multiplexorHeard = now !== undefined && this.#isMultiplexorHeard(now);
    return {
      port: own.up ? "up" : "down",
      ...(own.up ? {} : { reason: own.reason }),
      sent: own.sequence,
      accepted: own.accepted,
      dropped: { ...own.dropped },
      heartbeatPeriodMs: this.#heartbeat.periodMs(link),
      ...(now === undefined ? {} : { multiplexor: multiplexorHeard ? "heard" as const : "unheard" as const }),
    };
  }

  #peerStatus(now: number, card: CardId): PeerStatus {
    const health = this.#heartbeat.healthOf(card);
    const candidate = this.#discovery.candidateOf(card);
    const incarnation = this.#admission.incarnationOf(card);
    const isPresent = health !== "down" && health !== "left" && health !== "absent";
    const verified = isPresent && candidate?.verified === true;
    const because = !isPresent ? health : candidate === undefined ? "no advert yet" : candidate.because;
    const ether = this.#peerLinkStatus(now, card, "ether");
    const serial = this.#peerLinkStatus(now, card, "serial");
    return {
      card,
      chassis: chassisOf(card),
      slot: slotOf(card),
      health,
      candidate: candidate !== undefined,
      verified,
      ...(verified ? {} : { unverifiedBecause: because }),
      ...(candidate === undefined
        ? {}
        : { name: candidate.advert.name, uid: hex(candidate.advert.uid), software: candidate.advert.software }),
      ...(incarnation === undefined ? {} : { incarnation }),
      links: {
        ...(ether === undefined ? {} : { ether }),
        ...(serial === undefined ? {} : { serial }),
      },
    };
  }

  #peerLinkStatus(now: number, card: CardId, link: LinkKind): PeerLinkStatus | undefined {
    const view = this.#heartbeat.linkOf(now, card, link);
    if (view === undefined) return undefined;
    return {
      health: view.health,
      ...(view.health === "up" ? {} : { reason: view.reason }),
      ...(view.silentForMs === Infinity ? {} : { silentForMs: Math.round(view.silentForMs) }),
      ticked: view.ticked,
      ...this.#admission.counts(card, link),
    };
  }
}
