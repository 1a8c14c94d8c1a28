/**
 * Heartbeat decides when this card speaks on each link and how it sees each peer: per link, and as a card.
 *
 *                  heard, 2 beats, ticked                  silent for silentAfterMs
 *     unheard ──► recovering ────────────► up ──────────────────────► silent ──► down
 *        │            ▲ │                  ▲ │ not ticked               │ ▲       │
 *        │            │ └──► oneWay ◄──────┼─┘ for silentAfterMs ───────┘ │       │
 *        │            │        └───────────┘ ticked                heard ─┘       │
 *        └────────────┼──────────────────── never heard for downAfterMs ──────►───┤
 *                     └──────────────────────────── heard ◄───────────────────────┘
 *     any ──► down at once: own port down, the peer's slot without power, the peer said goodbye
 *
 * Follows HA-2, HA-6 (existence and liveliness) and the tick, the "checkmark", of the cluster membership service:
 * a link is `up` only when both ends say so. Deviates from the usual failure detectors in one thing, its
 * surprising idea: *silence is measured on the listening clock*, which stands still while this card itself was
 * late. A card that was stopped for a minute wakes up with everybody exactly as silent as before, and buries
 * nobody. What a late tick tells is about this card.
 *
 * Invariants: nobody is `down` without silence of downAfterMs on the listening clock, except by one of the three
 * proofs above; a card is `down` only when every link that it shares with us is.
 */
import { unreachable } from "../base/assert.ts";
import { type CardSet, cardSetHas, cardSetOf } from "../base/card-set.ts";
import { type CardId, chassisOf, type LinkKind, linkKinds, slotOf } from "../base/ids.ts";
import { lateTickMs, recoveringBeats } from "../limits.ts";
import type { Service } from "../service.ts";
import type { Heartbeat as HeartbeatMessage } from "../wire/message.ts";
import { serialHeartbeatFloorMs } from "./serial-budget.ts";

/** Nothing has come yet since we started or since the peer restarted: `unheard`. The rest as in the diagram above. */
export type LinkHealth = "unheard" | "up" | "oneWay" | "silent" | "recovering" | "down";

/**
 * `healthy` every shared link is up; `degraded` heard, with a shared link that is not up; `suspect` heard on no link
 * for a while; `down` on all shared links; `left` said goodbye.
 */
export type CardHealth = "healthy" | "degraded" | "suspect" | "down" | "left";

/** How often a card speaks on a link and how long it bears a peer's silence. Durations in milliseconds. */
export type LinkPatience = {
  /** Between two heartbeats. */
  readonly periodMs: number;
  /** Silence after which a peer's link is `silent`: at least 2 periods. */
  readonly silentAfterMs: number;
  /** Silence after which it is `down`: more than `silentAfterMs`. */
  readonly downAfterMs: number;
};

export type HeartbeatSettings = {
  readonly ether: LinkPatience;
  readonly serial: LinkPatience;
  /** Bits per second of the serial line. */
  readonly baud: number;
  /** Cards that the configuration names; those of our chassis count for the serial line's budget. */
  readonly expected: readonly CardId[];
};

export type HeartbeatInput =
  /** An accepted frame of a peer; `beat` when it was a heartbeat. */
  | { readonly kind: "heard"; readonly link: LinkKind; readonly from: CardId; readonly beat?: HeartbeatMessage | undefined }
  /** The first frame of a new incarnation of a peer is about to be told: what was known of the old one is void. */
  | { readonly kind: "restarted"; readonly card: CardId }
  /** A peer's own periods, from its advert. */
  | { readonly kind: "periods"; readonly card: CardId; readonly etherMs: number; readonly serialMs: number }
  | { readonly kind: "left"; readonly card: CardId }
  | { readonly kind: "port"; readonly link: LinkKind; readonly up: boolean }
  /** The multiplexor's sense of each slot of our chassis, lowest slot in the lowest bit. */
  | { readonly kind: "power"; readonly powered: number }
  | { readonly kind: "settings"; readonly settings: HeartbeatSettings }
  | { readonly kind: "tick" };

export type HeartbeatOutput =
  | { readonly kind: "beat"; readonly link: LinkKind; readonly message: HeartbeatMessage }
  | {
    readonly kind: "linkHealth";
    readonly card: CardId;
    readonly link: LinkKind;
    readonly was: LinkHealth;
    readonly health: LinkHealth;
    readonly reason: string;
  }
  | {
    readonly kind: "cardHealth";
    readonly card: CardId;
    readonly was: CardHealth | "absent";
    readonly health: CardHealth;
    readonly reason: string;
  }
  /** Nothing came of a card that is heard on Ethernet for half of the silence that it is borne: whoever asks it now is answered sooner. */
  | { readonly kind: "hush"; readonly card: CardId }
  /** This card was late by so much, which was taken off everybody's silence. */
  | { readonly kind: "late"; readonly ms: number }
  /** A slot that is said to have no power goes on speaking: the sense is wrong, the card is alive. */
  | { readonly kind: "powerSenseWrong"; readonly card: CardId };

/** One link to one peer. Instants are on the listening clock. */
type PeerLink = {
  health: LinkHealth;
  reason: string;
  /** The last frame, or when we began to expect one. */
  heardAt: number;
  /** Frames since the link was last not heard. */
  beats: number;
  /** The peer says that it hears us here. */
  ticked: boolean;
  /** Since when it does not. */
  untickedAt: number;
  /** The peer's own period where it is longer than ours. */
  periodMs: number;
  /** It was told that nothing comes, since the last frame. */
  isHushed: boolean;
  /** The silence that it is borne, for this period and ours. */
  silentAfterMs: number;
  downAfterMs: number;
};

type Peer = {
  readonly card: CardId;
  readonly ether: PeerLink;
  /** Only with a peer of our own chassis. */
  readonly serial: PeerLink | undefined;
  health: CardHealth | "absent";
  left: boolean;
  /** When its slot was last said to have lost power, while it is believed. */
  powerOffAt: number | undefined;
};

export type PeerLinkView = { readonly health: LinkHealth; readonly reason: string; readonly silentForMs: number; readonly ticked: boolean };

export class Heartbeat implements Service<HeartbeatInput, HeartbeatOutput> {
  readonly #card: CardId;
  #settings: HeartbeatSettings;
  readonly #peers = new Map<CardId, Peer>();
  readonly #portUp: Record<LinkKind, boolean> = { ether: false, serial: false };
  readonly #beatAt: Record<LinkKind, number> = { ether: Infinity, serial: Infinity };
  /** The listening clock at which the next silence could be due; only ever too early. */
  #judgeAt = Infinity;
  /** How far the listening clock is behind. */
  #forgivenMs = 0;
  #serialFloorMs = 0;
  /** Slots of our chassis with power, as the multiplexor said last. */
  #powered: number | undefined;

  constructor(card: CardId, settings: HeartbeatSettings) {
    this.#card = card;
    this.#settings = settings;
    this.#budgetSerial();
  }

  deadline(): number {
    return Math.min(this.#beatAt.ether, this.#beatAt.serial, this.#judgeAt + this.#forgivenMs);
  }

  step(now: number, input: HeartbeatInput): HeartbeatOutput[] {
    const outputs: HeartbeatOutput[] = [];
    const lateMs = now - this.deadline();
    if (lateMs > lateTickMs) {
      this.#forgivenMs += lateMs;
      outputs.push({ kind: "late", ms: lateMs });
    }
    const listened = now - this.#forgivenMs;
    switch (input.kind) {
      case "heard":
        this.#onHeard(listened, input.link, input.from, input.beat, outputs);
        break;
      case "restarted":
        this.#onRestarted(listened, input.card, outputs);
        break;
      case "periods":
        this.#onPeriods(input.card, input.etherMs, input.serialMs);
        break;
      case "left":
        this.#onLeft(input.card, outputs);
        break;
      case "port":
        this.#onPort(now, listened, input.link, input.up, outputs);
        break;
      case "power":
        this.#onPower(listened, input.powered, outputs);
        break;
      case "settings":
        this.#onSettings(now, listened, input.settings);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    // The sum, as the deadline has it: a difference may be rounded to just before it, and nothing would ever be judged.
    if (now >= this.#judgeAt + this.#forgivenMs) this.#judge(Math.max(listened, this.#judgeAt), outputs);
    for (const link of linkKinds) if (now >= this.#beatAt[link]) this.#sendBeat(now, listened, link, outputs);
    return outputs;
  }

  /** The period that this card keeps on a link now. */
  periodMs(link: LinkKind): number {
    const { periodMs } = this.#settings[link];
    return link === "serial" ? Math.max(periodMs, this.#serialFloorMs) : periodMs;
  }

  /** Every card heard so far, in no order. */
  cards(): CardId[] {
    return [...this.#peers.keys()];
  }

  healthOf(card: CardId): CardHealth | "absent" {
    return this.#peers.get(card)?.health ?? "absent";
  }

  /** How a peer's link stands at `now`; `undefined` for a link that we do not share with it or a card never heard. */
  linkOf(now: number, card: CardId, link: LinkKind): PeerLinkView | undefined {
    const at = linkTo(this.#peers.get(card), link);
    if (at === undefined) return undefined;
    const silentForMs = at.beats === 0 && at.health === "unheard" ? Infinity : now - this.#forgivenMs - at.heardAt;
    return { health: at.health, reason: at.reason, silentForMs, ticked: at.ticked };
  }

  /** The silence, in milliseconds on the listening clock, after which this peer's link is `silent` and `down`. */
  patience(card: CardId, link: LinkKind): { readonly silentAfterMs: number; readonly downAfterMs: number } {
    return this.#patienceWith(linkTo(this.#peers.get(card), link)?.periodMs ?? 0, link);
  }

  #patienceWith(theirPeriodMs: number, link: LinkKind): { readonly silentAfterMs: number; readonly downAfterMs: number } {
    const { periodMs, silentAfterMs, downAfterMs } = this.#settings[link];
    const slower = Math.max(this.periodMs(link), theirPeriodMs) / periodMs;
    return { silentAfterMs: silentAfterMs * slower, downAfterMs: downAfterMs * slower };
  }

  /** Keeps with a link what it is borne: it is asked for at each frame. */
  #bear(at: PeerLink | undefined, link: LinkKind): void {
    if (at === undefined) return;
    const { silentAfterMs, downAfterMs } = this.#patienceWith(at.periodMs, link);
    at.silentAfterMs = silentAfterMs;
    at.downAfterMs = downAfterMs;
  }

  #onHeard(listened: number, link: LinkKind, from: CardId, beat: HeartbeatMessage | undefined, outputs: HeartbeatOutput[]): void {
    const peer = this.#peers.get(from) ?? this.#meet(listened, from);
    const at = linkTo(peer, link);
    // A frame on a serial bus that we do not share would be a cable between two chassis: it is nobody's sign of life.
    if (at === undefined || peer.left) return;
    if (peer.powerOffAt !== undefined) {
      // What was on its way when the power went is no sign of life; what still comes well after is.
      if (listened - peer.powerOffAt < at.silentAfterMs) return;
      peer.powerOffAt = undefined;
      outputs.push({ kind: "powerSenseWrong", card: from });
    }
    at.heardAt = listened;
    at.isHushed = false;
    at.beats++;
    if (beat !== undefined) {
      this.#onTick(listened, peer.ether, cardSetHas(from, beat.etherTicks, this.#card));
      if (peer.serial !== undefined) this.#onTick(listened, peer.serial, cardSetHas(from, beat.serialTicks, this.#card));
    }
    this.#settle(listened, peer, "ether", outputs);
    this.#settle(listened, peer, "serial", outputs);
    this.#settleCard(peer, outputs);
    // The next silence of this link is due no sooner than this; other links' are in `#judgeAt` already.
    const dueAt = link === "ether" ? hushAtOf(at) : listened + at.silentAfterMs;
    if (dueAt < this.#judgeAt) this.#judgeAt = dueAt;
  }

  #onTick(listened: number, at: PeerLink, ticked: boolean): void {
    if (at.ticked && !ticked) at.untickedAt = listened;
    at.ticked = ticked;
  }

  #onRestarted(listened: number, card: CardId, outputs: HeartbeatOutput[]): void {
    const peer = this.#peers.get(card);
    if (peer === undefined) return;
    peer.left = false;
    peer.powerOffAt = undefined;
    for (const link of linkKinds) {
      const at = linkTo(peer, link);
      if (at === undefined) continue;
      this.#enterLink(peer, link, "unheard", "restarted, not heard yet", outputs);
      this.#expectAnew(listened, at);
      at.ticked = false;
      at.untickedAt = listened;
      at.periodMs = 0;
      this.#bear(at, link);
    }
    this.#judgeSoon(listened);
  }

  #onPeriods(card: CardId, etherMs: number, serialMs: number): void {
    const peer = this.#peers.get(card);
    if (peer === undefined) return;
    peer.ether.periodMs = etherMs;
    this.#bear(peer.ether, "ether");
    if (peer.serial !== undefined) peer.serial.periodMs = serialMs;
    this.#bear(peer.serial, "serial");
  }

  #onLeft(card: CardId, outputs: HeartbeatOutput[]): void {
    const peer = this.#peers.get(card);
    if (peer === undefined || peer.left) return;
    peer.left = true;
    for (const link of linkKinds) this.#enterLink(peer, link, "down", "said goodbye", outputs);
    this.#settleCard(peer, outputs);
  }

  #onPort(now: number, listened: number, link: LinkKind, up: boolean, outputs: HeartbeatOutput[]): void {
    if (this.#portUp[link] === up) return;
    this.#portUp[link] = up;
    this.#beatAt[link] = up ? now : Infinity;
    for (const peer of this.#peers.values()) {
      const at = linkTo(peer, link);
      if (at === undefined) continue;
      this.#expectAnew(listened, at);
      if (up) at.reason = "not heard since our own port is up";
      this.#settle(listened, peer, link, outputs);
      this.#settleCard(peer, outputs);
    }
    this.#judgeSoon(listened);
  }

  #expectAnew(listened: number, at: PeerLink): void {
    at.heardAt = listened;
    at.beats = 0;
  }

  #onPower(listened: number, powered: number, outputs: HeartbeatOutput[]): void {
    const before = this.#powered;
    this.#powered = powered;
    for (const peer of this.#peers.values()) {
      if (chassisOf(peer.card) !== chassisOf(this.#card)) continue;
      const bit = 1 << (slotOf(peer.card) - 1);
      const isOn = (powered & bit) !== 0;
      const wasOn = before === undefined || (before & bit) !== 0;
      if (isOn) peer.powerOffAt = undefined;
      // Only a change is news: a sense that went on saying "off" while the card spoke has been found wrong.
      if (isOn || !wasOn || peer.left) continue;
      peer.powerOffAt = listened;
      for (const link of linkKinds) this.#enterLink(peer, link, "down", "its slot lost power", outputs);
      this.#settleCard(peer, outputs);
    }
  }

  #onSettings(now: number, listened: number, settings: HeartbeatSettings): void {
    this.#settings = settings;
    this.#budgetSerial();
    for (const link of linkKinds) {
      if (this.#portUp[link]) this.#beatAt[link] = Math.min(this.#beatAt[link], now + this.periodMs(link));
    }
    this.#judgeSoon(listened);
  }

  /** A card heard for the first time. */
  #meet(listened: number, card: CardId): Peer {
    const link = (): PeerLink => ({
      health: "unheard",
      reason: "not heard yet",
      heardAt: listened,
      beats: 0,
      ticked: false,
      untickedAt: listened,
      periodMs: 0,
      isHushed: false,
      silentAfterMs: 0,
      downAfterMs: 0,
    });
    const shared = chassisOf(card) === chassisOf(this.#card);
    const peer: Peer = {
      card,
      ether: link(),
      serial: shared ? link() : undefined,
      health: "absent",
      left: false,
      powerOffAt: undefined,
    };
    this.#peers.set(card, peer);
    this.#budgetSerial();
    this.#judgeSoon(listened);
    return peer;
  }

  #budgetSerial(): void {
    const chassis = chassisOf(this.#card);
    const cards = new Set([this.#card, ...this.#settings.expected, ...this.#peers.keys()].filter((card) => chassisOf(card) === chassis));
    this.#serialFloorMs = serialHeartbeatFloorMs(Math.max(2, cards.size), this.#settings.baud);
    for (const { ether, serial } of this.#peers.values()) {
      this.#bear(ether, "ether");
      this.#bear(serial, "serial");
    }
  }

  #judgeSoon(listened: number): void {
    this.#judgeAt = Math.min(this.#judgeAt, listened);
  }

  #judge(listened: number, outputs: HeartbeatOutput[]): void {
    let nextAt = Infinity;
    for (const peer of this.#peers.values()) {
      for (const link of linkKinds) {
        const at = linkTo(peer, link);
        if (at === undefined) continue;
        this.#settle(listened, peer, link, outputs);
        if (at.health === "down") continue;
        if (link === "ether") nextAt = Math.min(nextAt, this.#hush(listened, peer, outputs));
        const { silentAfterMs, downAfterMs } = at;
        const silenceAt = at.heardAt + silentAfterMs;
        nextAt = Math.min(nextAt, silenceAt > listened ? silenceAt : at.heardAt + downAfterMs);
        const oneWayAt = at.untickedAt + silentAfterMs;
        if (!at.ticked && oneWayAt > listened) nextAt = Math.min(nextAt, oneWayAt);
      }
      this.#settleCard(peer, outputs);
    }
    this.#judgeAt = nextAt;
  }

  /** Says once in each silence that half of it is over. Gives when that will be. */
  #hush(listened: number, { card, ether, left, powerOffAt }: Peer, outputs: HeartbeatOutput[]): number {
    if (ether.isHushed || ether.health !== "up" || left || powerOffAt !== undefined) return Infinity;
    const hushAt = hushAtOf(ether);
    if (hushAt > listened) return hushAt;
    ether.isHushed = true;
    outputs.push({ kind: "hush", card });
    return Infinity;
  }

  /** Puts one link into the state that the facts ask for. */
  #settle(listened: number, peer: Peer, link: LinkKind, outputs: HeartbeatOutput[]): void {
    const at = linkTo(peer, link);
    if (at === undefined || peer.left || peer.powerOffAt !== undefined) return;
    const isPortUp = link === "ether" ? this.#portUp.ether : this.#portUp.serial;
    if (!isPortUp) return this.#enterLink(peer, link, "down", "our own port is down", outputs);
    const { silentAfterMs, downAfterMs } = at;
    const silentMs = listened - at.heardAt;
    // Sums again, the same as `#judge` sets its next time by.
    const isSilent = listened >= at.heardAt + silentAfterMs;
    const isHeard = at.beats > 0 && !isSilent;
    if (!isHeard) {
      if (at.health === "down") return;
      if (listened >= at.heardAt + downAfterMs) {
        this.#enterLink(peer, link, "down", at.health === "unheard" ? "never heard" : `silent for ${Math.round(silentMs)} ms`, outputs);
      } else if (isSilent && at.beats > 0) {
        this.#enterLink(peer, link, "silent", `silent for ${Math.round(silentMs)} ms`, outputs);
      }
      return;
    }
    const isUntickedLong = !at.ticked && listened >= at.untickedAt + silentAfterMs;
    switch (at.health) {
      case "unheard":
      case "down":
        at.beats = 1;
        if (!at.ticked) at.untickedAt = listened;
        return this.#enterLink(peer, link, "recovering", "heard, waiting for a second beat and a tick", outputs);
      case "silent":
        return this.#enterLink(peer, link, at.ticked ? "up" : "recovering", "heard again", outputs);
      case "recovering":
        if (at.ticked && at.beats >= recoveringBeats) return this.#enterLink(peer, link, "up", "heard, and hears us", outputs);
        if (isUntickedLong) this.#enterLink(peer, link, "oneWay", "heard, but does not hear us", outputs);
        return;
      case "oneWay":
        if (at.ticked) this.#enterLink(peer, link, "up", "heard, and hears us", outputs);
        return;
      case "up":
        if (isUntickedLong) this.#enterLink(peer, link, "oneWay", "heard, but does not hear us", outputs);
        return;
      default:
        return unreachable(at.health);
    }
  }

  #enterLink(peer: Peer, link: LinkKind, health: LinkHealth, reason: string, outputs: HeartbeatOutput[]): void {
    const at = linkTo(peer, link);
    if (at === undefined) return;
    if (health === "down") {
      at.beats = 0;
      at.ticked = false;
    }
    at.reason = reason;
    if (at.health === health) return;
    outputs.push({ kind: "linkHealth", card: peer.card, link, was: at.health, health, reason });
    at.health = health;
  }

  #settleCard(peer: Peer, outputs: HeartbeatOutput[]): void {
    const ether = peer.ether.health;
    // As one link counts for the card, when it is the only one.
    const serial = peer.serial?.health ?? ether;
    let health: CardHealth;
    if (peer.left) health = "left";
    else if (ether === "up" && serial === "up") health = "healthy";
    else if (isAlive(ether) || isAlive(serial)) health = "degraded";
    else if (ether === "silent" || serial === "silent") health = "suspect";
    else if ((ether === "unheard" || serial === "unheard") && peer.health !== "down") health = "suspect";
    else health = "down";
    if (health === peer.health) return;
    const reason = linkKinds.flatMap((link) => {
      const at = linkTo(peer, link);
      return at === undefined || at.health === "up" ? [] : [`${link} ${at.reason}`];
    }).join("; ");
    outputs.push({ kind: "cardHealth", card: peer.card, was: peer.health, health, reason });
    peer.health = health;
  }

  #sendBeat(now: number, listened: number, link: LinkKind, outputs: HeartbeatOutput[]): void {
    const periodMs = this.periodMs(link);
    // On the grid while we are in time; after a stall from now on, without catching up.
    const onGridAt = this.#beatAt[link] + periodMs;
    const nextAt = onGridAt > now ? onGridAt : now + periodMs;
    this.#beatAt[link] = link === "serial" ? this.#withEther(nextAt, periodMs) : nextAt;
    outputs.push({
      kind: "beat",
      link,
      message: {
        kind: "heartbeat",
        etherPort: this.#portUp.ether,
        serialPort: this.#portUp.serial,
        etherTicks: this.#ticks(listened, "ether", link === "serial"),
        // The node knows it.
        view: 0,
        serialTicks: this.#ticks(listened, "serial", true),
      },
    });
  }

  /**
   * A serial beat waits for the Ethernet beat that is due within a tenth of its period, so that a quiet card wakes up
   * once for both: at rest, waking up is most of what a card costs.
   */
  #withEther(at: number, periodMs: number): number {
    const etherMs = this.periodMs("ether");
    const etherAt = this.#beatAt.ether;
    if (etherAt === Infinity) return at;
    const sharedAt = etherAt + Math.max(0, Math.ceil((at - etherAt) / etherMs)) * etherMs;
    return sharedAt - at <= periodMs / 10 ? sharedAt : at;
  }

  /** The peers heard on `link` lately; on the serial bus only those of our chassis are worth their bytes. */
  #ticks(listened: number, link: LinkKind, ownChassisOnly: boolean): CardSet {
    const heard: CardId[] = [];
    for (const peer of this.#peers.values()) {
      const at = linkTo(peer, link);
      // Whose serial line is not ours is of another chassis.
      if (at === undefined || at.beats === 0 || (ownChassisOnly && peer.serial === undefined)) continue;
      if (listened - at.heardAt < at.silentAfterMs) heard.push(peer.card);
    }
    return cardSetOf(this.#card, heard);
  }
}

function linkTo(peer: Peer | undefined, link: LinkKind): PeerLink | undefined {
  return link === "ether" ? peer?.ether : peer?.serial;
}

/** When half of the silence is over that a link is borne. */
function hushAtOf({ heardAt, silentAfterMs }: PeerLink): number {
  return heardAt + silentAfterMs / 2;
}

/** Heard, both ways or one way. */
function isAlive(health: LinkHealth): boolean {
  return health === "up" || health === "oneWay" || health === "recovering";
}
