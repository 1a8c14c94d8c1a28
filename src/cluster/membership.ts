/**
 * Membership decides which cards form the system: numbered node views, agreed by all of their members (HA-4, HA-5, HA-15).
 *
 *     start ──► tentative ── commit ──► confirmed | unconfirmed
 *                  ▲                             │
 *                  └── promised; a member is out; quorum lost; left behind; new proof about an absent card
 *
 * Three phases, as PROTOCOLS.md tells them: *monitor* (the tick matrix), *propose* and *commit*, these two a two-phase
 * commit by the lowest card of the would-be view. Adds to that page what keeps coordinators that see different things from
 * taking turns for ever: a card whose view holds follows an outsider only into a larger view, one that has promised only
 * into a better one; who refuses or does not answer is left out for a while, each time for longer.
 *
 * Invariants: equal numbers, equal views, since only one card can propose a number, and proposes it once over all its
 * runs; a card promises and takes over rising numbers only, none above what its disk has reserved; a view is committed when
 * each member has promised it, that is when each hears each other, and it is a quorum by what the promises said.
 *
 * Its one surprising idea: nobody is asked to believe. What a coordinator thinks that others hear only chooses the
 * set; each member answers for its own ears, so a wrong guess costs a round and never a view.
 */
import { unreachable } from "../base/assert.ts";
import { type CardSet, cardSetOf, cardsIn } from "../base/card-set.ts";
import { type Address, cardCountMax, type CardId, everybody, type LinkKind, linkKinds } from "../base/ids.ts";
import {
  viewHistoryMax,
  viewMuteMs,
  viewNumberMax,
  viewNumbersReserved,
  viewResendMs,
  viewResendsMax,
  viewSetbackMaxMs,
  viewSetbackMs,
  wantViewMs,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { CommittedView, CommitView, Heartbeat, PromiseView, ProposeView, RefuseView, WantView } from "../wire/message.ts";
import { largestClique } from "./clique.ts";
import type { CardHealth, LinkPatience } from "./heartbeat.ts";
import { isHalf, type Quorum, type QuorumFacts, quorumOf, tieBreakOf } from "./quorum.ts";
import { TickMatrix } from "./tick-matrix.ts";
import type { AbsentCard, MembershipNotification, NodeView, Receipt, ViewMember } from "./view.ts";

export type MembershipMessage = WantView | ProposeView | PromiseView | RefuseView | CommitView | CommittedView;

export type MembershipSettings = {
  readonly ether: LinkPatience;
  readonly serial: LinkPatience;
  /** The cards that the configuration names, this one included. */
  readonly expected: readonly CardId[];
  /** Of these, the ones that do not vote. */
  readonly disabled: readonly CardId[];
  readonly tieBreak?: CardId;
  readonly witness: boolean;
};

export type MembershipInput =
  /** What the heartbeat service concluded. */
  | { readonly kind: "cardHealth"; readonly card: CardId; readonly health: CardHealth | "absent" }
  /** An accepted heartbeat of a peer, and our own as it is sent: the rows of the tick matrix. */
  | { readonly kind: "beat"; readonly link: LinkKind; readonly from: CardId; readonly beat: Heartbeat }
  | { readonly kind: "ownBeat"; readonly link: LinkKind; readonly beat: Heartbeat }
  /** The first frame of an incarnation of a peer. */
  | { readonly kind: "heard"; readonly card: CardId; readonly incarnation: number }
  /** May come on both links, late, and in any order. */
  | { readonly kind: "message"; readonly from: CardId; readonly incarnation: number; readonly message: MembershipMessage }
  | { readonly kind: "receipt"; readonly card: CardId; readonly receipt: Receipt }
  /** The slot has power again: that it had none proves nothing any more. */
  | { readonly kind: "powerOn"; readonly card: CardId }
  | { readonly kind: "settings"; readonly settings: MembershipSettings }
  | { readonly kind: "witness"; readonly held: boolean }
  | { readonly kind: "reserved"; readonly upTo: number }
  /** This card was late by so much: it is taken off everybody's silence. */
  | { readonly kind: "late"; readonly ms: number }
  | { readonly kind: "leave" }
  | { readonly kind: "tick" };

export type MembershipOutput =
  | { readonly kind: "send"; readonly to: Address; readonly message: MembershipMessage }
  /** The reason is for people. */
  | { readonly kind: "notification"; readonly notification: MembershipNotification; readonly reason: string }
  | { readonly kind: "reserve"; readonly upTo: number }
  | { readonly kind: "witness"; readonly wanted: boolean }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  };

type State = "tentative" | "confirmed" | "unconfirmed";

export type MembershipStatus = {
  readonly state: State;
  /** Why it is tentative; absent otherwise. */
  readonly reason?: string;
  /** The last view that this card took over. It holds unless the state is `tentative`. */
  readonly view?: {
    readonly number: number;
    readonly coordinator: CardId;
    readonly members: readonly (ViewMember & { readonly ether: boolean })[];
    readonly absent: readonly (AbsentCard & { readonly receipt?: string })[];
  };
  readonly electorate: readonly CardId[];
  readonly quorum: Quorum;
  /** The tick matrix, this card's own row first. */
  readonly ticks: readonly { readonly card: CardId; readonly ether: readonly CardId[]; readonly serial: readonly CardId[] }[];
  /** Newest first. */
  readonly history: readonly {
    readonly state: State;
    readonly view?: number;
    readonly members?: readonly CardId[];
    readonly reason: string;
    readonly agoMs: number;
  }[];
};

/** What proves the end of a card's incarnations up to `incarnation`; `agreed`: a view said so, this card has seen nothing itself. */
type Proof = { readonly receipt: Receipt | "agreed"; readonly at: number; readonly incarnation: number; since: number };

type Peer = {
  /** The newest heard, 0 for none, and since when. */
  incarnation: number;
  startedAt: number;
  health: CardHealth | "absent";
  /** It has spoken of views in this incarnation, or been in one, so it can promise. */
  isReady: boolean;
  /** The last view that this incarnation was in, as far as is known; 0 for none. */
  previous: number;
  /** Since when its heartbeats tell of a later view than ours. */
  aheadAt: number;
  proof: Proof | undefined;
};

/** The view that should be, as this card sees it. */
type Would = { readonly members: readonly CardId[]; readonly ether: readonly CardId[]; readonly quorum: Quorum };

/** A set of cards that somebody proposed. */
type Proposal = {
  readonly number: number;
  readonly members: readonly CardId[];
  readonly incarnations: readonly number[];
  readonly ether: readonly CardId[];
};
type OwnProposal = Proposal & {
  readonly promises: Map<CardId, { readonly previous: number; readonly down: readonly CardId[] }>;
  resends: number;
  resendAt: number;
};
type Promised = Proposal & { readonly to: CardId; readonly down: ReadonlySet<CardId>; boundUntil: number };
type Commit = { readonly message: CommitView; readonly waiting: Set<CardId>; resends: number; resendAt: number };

export class Membership implements Service<MembershipInput, MembershipOutput> {
  readonly #card: CardId;
  readonly #incarnation: number;
  #settings: MembershipSettings;
  #electorate: readonly CardId[] = [];
  readonly #matrix: TickMatrix;
  readonly #peers = new Map<CardId, Peer>();
  readonly #unlisted = new Map<CardId, number>();

  #state: State = "tentative";
  #reason = "this card has just started";
  #view: NodeView | undefined;
  #viewQuorum: Quorum = { held: false, text: "" };
  readonly #history: { state: State; view?: number; members?: readonly CardId[]; reason: string; at: number }[] = [];

  /** The highest number that this card has promised, in any run; and the highest that it has seen, which only chooses the next one. */
  #promisedNumber: number;
  #highest: number;
  /** Numbers up to here may be promised; and up to here that was asked for. */
  #reserved: number;
  #reserving: number;
  #isReady = false;
  #promise: Promised | undefined;
  #proposal: OwnProposal | undefined;
  #commit: Commit | undefined;
  /** When this card last promised, or said that it has taken over. */
  #answeredAt = -Infinity;
  #would: Would = { members: [], ether: [], quorum: { held: false, text: "nothing was heard yet" } };
  /** Cards, and pairs of cards, that are left out for a while: all until the same time, so that they come back together. */
  readonly #leftOut = new Set<number>();
  #leftOutUntil = Infinity;
  #leftOutMs = 0;
  /** A card of the would-be view has asked for a new one. */
  #isWanted = false;
  /** The quorum of the present view is to be judged again. */
  #isInDoubt = false;
  #witnessHeld = false;
  #witnessWanted = false;
  #isLeaving = false;
  #isWithoutQuorum = false;

  /** When cards that come to the would-be view are not waited for any longer. */
  #joinAt = Infinity;
  #coordinator: { readonly card: CardId; readonly since: number } | undefined;
  #wantAt = Infinity;
  #wakeAt: number;
  #isDirty = true;
  #isStarted = false;

  /** Per link our own last heartbeat, the period that it kept, and whether the port is up. */
  readonly #beatAt: Record<LinkKind, number> = { ether: -Infinity, serial: -Infinity };
  readonly #gapMs: Record<LinkKind, number> = { ether: 0, serial: 0 };
  readonly #portUp: Record<LinkKind, boolean> = { ether: true, serial: true };

  constructor(card: CardId, incarnation: number, reservedView: number, settings: MembershipSettings, now: number) {
    this.#card = card;
    this.#incarnation = incarnation;
    this.#settings = settings;
    this.#promisedNumber = reservedView;
    this.#highest = reservedView;
    this.#reserved = reservedView;
    this.#reserving = reservedView;
    this.#matrix = new TickMatrix(settings);
    this.#wakeAt = now;
    this.#setElectorate();
    this.#would = this.#survey(now).would;
  }

  deadline(): number {
    if (this.#isLeaving) return Infinity;
    const wantAt = this.#mayAsk() ? this.#wantAt : Infinity;
    return Math.min(this.#wakeAt, wantAt, this.#proposal?.resendAt ?? Infinity, this.#commit?.resendAt ?? Infinity);
  }

  step(now: number, input: MembershipInput): MembershipOutput[] {
    const outputs: MembershipOutput[] = [];
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#reserveAhead(outputs);
      this.#enter(now, "tentative", this.#reason, outputs);
    }
    switch (input.kind) {
      case "cardHealth":
        this.#onHealth(now, input.card, input.health);
        break;
      case "beat":
        this.#onBeat(now, input.link, input.from, input.beat);
        break;
      case "ownBeat":
        this.#onOwnBeat(now, input.link, input.beat);
        break;
      case "heard":
        this.#onHeard(now, input.card, input.incarnation, outputs);
        break;
      case "message":
        this.#onMessage(now, input.from, input.incarnation, input.message, outputs);
        break;
      case "receipt":
        this.#onReceipt(now, input.card, input.receipt);
        break;
      case "powerOn": {
        const peer = this.#peers.get(input.card);
        if (peer?.proof?.receipt === "power") this.#dropProof(peer);
        break;
      }
      case "settings":
        this.#onSettings(input.settings);
        break;
      case "witness":
        this.#witnessHeld = input.held;
        this.#isInDoubt = true;
        this.#isDirty = true;
        break;
      case "reserved":
        this.#onReserved(now, input.upTo);
        break;
      case "late":
        this.#onLate(input.ms);
        break;
      case "leave":
        this.#onLeave(now, outputs);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    if (!this.#isLeaving) this.#settle(now, outputs);
    return outputs;
  }

  /** The last view that this card took over. */
  view(): NodeView | undefined {
    return this.#view;
  }

  isHeld(): boolean {
    return this.#state !== "tentative";
  }

  /** Why there is no quorum now; `undefined` while a view holds, or while the would-be view is one. */
  stoppedBecause(): string | undefined {
    return this.isHeld() || this.#would.quorum.held ? undefined : this.#would.quorum.text;
  }

  status(now: number): MembershipStatus {
    const view = this.#view;
    const rows = [...this.#electorate, ...this.#peers.keys()].filter((card) => card !== this.#card && this.#matrix.has(card));
    return {
      state: this.#state,
      ...(this.isHeld() ? {} : { reason: this.stoppedBecause() ?? this.#reason }),
      ...(view === undefined ? {} : {
        view: {
          number: view.number,
          coordinator: view.coordinator,
          members: view.members.map((member) => ({ ...member, ether: view.ether.includes(member.card) })),
          absent: view.absent.map((absent) => {
            const receipt = this.#peers.get(absent.card)?.proof?.receipt;
            return receipt === undefined || receipt === "agreed" ? absent : { ...absent, receipt };
          }),
        },
      }),
      electorate: this.#electorate,
      quorum: this.isHeld() ? this.#viewQuorum : this.#would.quorum,
      ticks: [this.#card, ...[...new Set(rows)].sort(ascending)].map((card) => ({
        card,
        ether: this.#heardBy("ether", card),
        serial: this.#heardBy("serial", card),
      })),
      history: this.#history.map(({ at, ...entry }) => ({ ...entry, agoMs: Math.round(now - at) })),
    };
  }

  #heardBy(link: LinkKind, from: CardId): CardId[] {
    const cards: CardId[] = [];
    for (let card = 1; card <= cardCountMax; card++) if (this.#matrix.hears(link, from, card as CardId)) cards.push(card as CardId);
    return cards;
  }

  // ---- facts

  #peer(card: CardId): Peer {
    let peer = this.#peers.get(card);
    if (peer === undefined) {
      peer = { incarnation: 0, startedAt: Infinity, health: "absent", isReady: false, previous: 0, aheadAt: Infinity, proof: undefined };
      this.#peers.set(card, peer);
    }
    return peer;
  }

  #onHealth(now: number, card: CardId, health: CardHealth | "absent"): void {
    const peer = this.#peer(card);
    peer.health = health;
    if (isGone(health)) this.#matrix.forget(now, card);
    this.#isDirty = true;
  }

  #onBeat(now: number, link: LinkKind, from: CardId, beat: Heartbeat): void {
    const peer = this.#peer(from);
    const { proof } = peer;
    // What was still on its way when the card ended is no sign of life; what comes well after that is.
    if (proof !== undefined && isEnded(peer) && !isGone(peer.health) && now - proof.since >= this.#settings[link].silentAfterMs) {
      this.#dropProof(peer);
    }
    if (beat.view !== 0) {
      peer.previous = Math.max(peer.previous, 1);
      this.#onReady(peer);
    }
    const aheadBy = (beat.view - (this.#view?.number ?? 0)) & 0xffff;
    const isAhead = beat.view !== 0 && aheadBy > 0 && aheadBy < 0x8000;
    if (isAhead !== peer.aheadAt < Infinity) {
      peer.aheadAt = isAhead ? now : Infinity;
      this.#isDirty = true;
    }
    if (this.#matrix.onBeat(now, link, from, beat)) this.#isDirty = true;
  }

  #onReady(peer: Peer): void {
    if (peer.isReady) return;
    peer.isReady = true;
    this.#isDirty = true;
  }

  #onOwnBeat(now: number, link: LinkKind, beat: Heartbeat): void {
    const gapMs = now - this.#beatAt[link];
    this.#beatAt[link] = now;
    this.#portUp.ether = beat.etherPort;
    this.#portUp.serial = beat.serialPort;
    const first = gapMs === Infinity;
    // A slow line stretches the serial period; a port that was down for a while does not.
    const periodMs = first ? 0 : this.#gapMs[link] === 0 ? gapMs : Math.min(gapMs, 2 * this.#gapMs[link]);
    if (!first && periodMs !== this.#gapMs[link]) {
      this.#gapMs[link] = periodMs;
      this.#matrix.onSettings(this.#patience());
    }
    // What was asked before a port was up was heard by nobody.
    if (first && this.#view === undefined) this.#wantAt = now;
    if (this.#matrix.onBeat(now, link, this.#card, beat)) this.#isDirty = true;
  }

  /** Our patience, stretched where our own heartbeats keep a longer period than the settings say. */
  #patience(): Record<LinkKind, LinkPatience> {
    const stretched = (link: LinkKind): LinkPatience => {
      const { periodMs, silentAfterMs, downAfterMs } = this.#settings[link];
      const by = Math.max(1, this.#gapMs[link] / periodMs);
      return { periodMs: periodMs * by, silentAfterMs: silentAfterMs * by, downAfterMs: downAfterMs * by };
    };
    return { ether: stretched("ether"), serial: stretched("serial") };
  }

  /** Two periods of the slower link that is up: in that time cards that start together have heard each other. */
  #listenMs(): number {
    const patience = this.#patience();
    const links = linkKinds.filter((link) => this.#portUp[link]);
    return 2 * Math.max(...(links.length === 0 ? linkKinds : links).map((link) => patience[link].periodMs));
  }

  #onHeard(now: number, card: CardId, incarnation: number, outputs: MembershipOutput[]): void {
    const peer = this.#peer(card);
    if (card === this.#card || incarnation <= peer.incarnation) return;
    // What proved the end of the card proves nothing about the incarnation that speaks now. That a member of our view has ended is
    // proven by it; of any other card we do not know in which views it was meanwhile.
    peer.proof = this.#isMember(card) ? { receipt: "restarted", at: now, incarnation: peer.incarnation, since: now } : undefined;
    peer.incarnation = incarnation;
    peer.startedAt = now;
    peer.health = "absent";
    peer.isReady = false;
    peer.previous = 0;
    peer.aheadAt = Infinity;
    this.#matrix.forget(now, card);
    this.#forgive();
    this.#isDirty = true;
    if (this.#settings.expected.includes(card) || this.#unlisted.get(card) === incarnation) return;
    this.#unlisted.set(card, incarnation);
    outputs.push({ kind: "log", level: "warn", event: "unlisted card", fields: { peer: card, incarnation } });
  }

  #onReceipt(now: number, card: CardId, receipt: Receipt): void {
    // A restart is seen in `heard`, which knows the incarnations.
    if (card === this.#card || receipt === "restarted") return;
    const peer = this.#peer(card);
    if (peer.proof !== undefined && isEnded(peer) && peer.proof.receipt !== "agreed") return;
    peer.proof = { receipt, at: now, incarnation: peer.incarnation, since: now };
    this.#matrix.forget(now, card);
    this.#isDirty = true;
  }

  #dropProof(peer: Peer): void {
    peer.proof = undefined;
    this.#isDirty = true;
  }

  #onSettings(settings: MembershipSettings): void {
    const { tieBreak, witness } = this.#settings;
    const electorate = this.#electorate;
    this.#settings = settings;
    this.#setElectorate();
    this.#matrix.onSettings(this.#patience());
    this.#forgive();
    this.#isInDoubt = tieBreak !== settings.tieBreak || witness !== settings.witness || !isSame(electorate, this.#electorate);
    this.#isDirty = true;
  }

  #setElectorate(): void {
    const { expected, disabled } = this.#settings;
    this.#electorate = [...new Set(expected)].filter((card) => !disabled.includes(card)).sort(ascending);
  }

  #onReserved(now: number, upTo: number): void {
    this.#reserved = Math.max(this.#reserved, upTo);
    if (!this.#isReady) this.#wantAt = now;
    this.#isReady = true;
    this.#isDirty = true;
  }

  #onLate(ms: number): void {
    this.#matrix.onLate(ms);
    this.#joinAt += ms;
    for (const peer of this.#peers.values()) {
      peer.aheadAt += ms;
      if (peer.proof !== undefined) peer.proof.since += ms;
    }
    if (this.#promise !== undefined) this.#promise.boundUntil += ms;
    if (this.#coordinator !== undefined) this.#coordinator = { ...this.#coordinator, since: this.#coordinator.since + ms };
    this.#isDirty = true;
  }

  #onLeave(now: number, outputs: MembershipOutput[]): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#proposal = undefined;
    this.#commit = undefined;
    this.#enterTentative(now, "this card is leaving", outputs);
  }

  #isVoting(): boolean {
    return this.#electorate.includes(this.#card);
  }

  /** Whether a card of this incarnation can be asked for its promise: it is heard, and nothing proves its end. */
  #isPresent(card: CardId): boolean {
    if (card === this.#card) return true;
    const peer = this.#peers.get(card);
    return peer !== undefined && peer.incarnation > 0 && !isGone(peer.health) && !isEnded(peer) && this.#matrix.has(card);
  }

  #incarnationOf(card: CardId): number {
    return card === this.#card ? this.#incarnation : this.#peers.get(card)?.incarnation ?? 0;
  }

  #isMember(card: CardId): boolean {
    return this.#view?.members.some((member) => member.card === card && member.incarnation === this.#incarnationOf(card)) === true;
  }

  /** The cards whose end this card can prove, as far as their incarnations were in views. */
  #provenCards(): CardId[] {
    return [...this.#peers].filter(([, peer]) => peer.proof?.receipt === "restarted" || isEnded(peer)).map(([card]) => card).sort(
      ascending,
    );
  }

  /**
   * The cards beside `members` whose end this card can prove. From here on the members may be in a view that this card
   * never hears of, so what proved the end of their earlier incarnations is dropped.
   */
  #provenBeside(members: readonly CardId[]): CardId[] {
    for (const card of members) if (card !== this.#card) this.#peer(card).proof = undefined;
    return this.#provenCards();
  }

  #facts(witness: QuorumFacts["witness"]): QuorumFacts {
    return {
      electorate: this.#electorate,
      tieBreak: this.#settings.tieBreak,
      witness: this.#settings.witness ? witness : "none",
      isContinuing: (card) => card === this.#card ? this.#view !== undefined : (this.#peers.get(card)?.previous ?? 0) > 0,
      proofOf: (card) => {
        const peer = this.#peers.get(card);
        return peer?.proof === undefined || peer.proof.receipt === "agreed" || !isEnded(peer)
          ? undefined
          : { ...peer.proof, receipt: peer.proof.receipt };
      },
      startedAt: (card) => card === this.#card ? -Infinity : this.#peers.get(card)?.startedAt ?? Infinity,
    };
  }

  #ownFacts(): QuorumFacts {
    return this.#facts(this.#witnessHeld ? "held" : "missing");
  }

  // ---- the would-be view

  /** What should be, and until when that stands if nothing is heard. */
  #survey(now: number): { readonly would: Would; readonly until: number } {
    let until = Infinity;
    const isOver = (at: number) => {
      if (at > now && at < until) until = at;
      return at <= now;
    };
    const cards = this.#electorate.filter((card) => {
      // A running system is not held up by a card that has started and cannot promise yet.
      const takesPart = this.#view === undefined || this.#isMember(card) || this.#peers.get(card)?.isReady === true || card === this.#card;
      return takesPart && this.#isPresent(card) && !this.#leftOut.has(card);
    });
    const isLinked = (a: CardId, b: CardId) => !this.#leftOut.has(pairOf(a, b)) && !isOver(this.#matrix.countsUntil("any", a, b));
    const isOnEther = (a: CardId, b: CardId) => !isOver(this.#matrix.countsUntil("ether", a, b));
    const facts = this.#ownFacts();
    let members = largestClique(cards, isLinked, new Set(cards.filter((card) => this.#isMember(card))));
    let quorum = quorumOf(members, facts);
    const tieBreak = tieBreakOf(facts);
    if (!quorum.held && tieBreak !== undefined && cards.includes(tieBreak) && isHalf(members, this.#electorate)) {
      // Of two halves that are linked one way only, the one that may go on.
      const half = largestClique(cards, isLinked, new Set([tieBreak]));
      const other = quorumOf(half, facts);
      if (half.length === members.length && other.held) [members, quorum] = [half, other];
    }
    if (!this.#isVoting()) {
      const why = this.#settings.expected.includes(this.#card) ? "is disabled" : "is not in its own configuration";
      return { would: { members: [], ether: [], quorum: { held: false, text: `this card ${why}` } }, until };
    }
    const ether = largestClique(members, isOnEther, new Set(this.#view?.ether));
    return { would: { members, ether: quorumOf(ether, facts).held ? ether : [], quorum }, until };
  }

  #setBack(now: number, key: number): void {
    if (this.#leftOut.size === 0) {
      this.#leftOutMs = this.#leftOutMs === 0 ? viewSetbackMs : Math.min(viewSetbackMaxMs, 2 * this.#leftOutMs);
      this.#leftOutUntil = now + this.#leftOutMs;
    }
    this.#leftOut.add(key);
    this.#isDirty = true;
  }

  /** Nobody is left out any longer. */
  #forgive(): void {
    this.#leftOutUntil = Infinity;
    if (this.#leftOut.size === 0) return;
    this.#leftOut.clear();
    this.#isDirty = true;
  }

  // ---- deciding

  #settle(now: number, outputs: MembershipOutput[]): void {
    this.#resend(now, outputs);
    if (this.#isDirty || now >= this.#wakeAt) {
      // What was decided may ask for the next decision: a card that is alone proposes and commits in one step.
      for (let round = 0; round < 4; round++) if (!this.#decide(now, outputs)) break;
      if (this.#isDirty) this.#wakeAt = now + viewResendMs;
    }
    if (this.#mayAsk() && now >= this.#wantAt) {
      this.#wantAt = now + wantViewMs;
      if (this.#proposal === undefined) {
        const message = { kind: "wantView", previous: this.#view?.number ?? 0, promised: this.#promisedNumber } as const;
        outputs.push({ kind: "send", to: everybody, message });
      }
    }
  }

  #mayAsk(): boolean {
    return this.#state === "tentative" && this.#isReady && this.#isVoting();
  }

  /** Looks at everything once. Says whether that changed what there is to look at. */
  #decide(now: number, outputs: MembershipOutput[]): boolean {
    if (now >= this.#leftOutUntil) this.#forgive();
    this.#isDirty = false;
    this.#wakeAt = this.#leftOutUntil;
    this.#judgeView(now, outputs);
    const { would, until } = this.#survey(now);
    this.#would = would;
    this.#wakeBy(until);
    this.#askWitness(outputs);
    this.#noteQuorum(now, outputs);
    if (this.#proposal !== undefined && !this.#isWould(this.#proposal)) this.#proposal = undefined;
    if (!this.#isReady || !would.quorum.held || !would.members.includes(this.#card)) {
      this.#joinAt = Infinity;
      this.#coordinator = undefined;
      return false;
    }
    if (would.members[0] !== this.#card) {
      this.#joinAt = Infinity;
      return this.#watchCoordinator(now, would.members[0] as CardId, outputs);
    }
    this.#coordinator = undefined;
    if (this.#proposal !== undefined || !this.#isViewDue() || this.#isBound(now, would.members) || this.#waitsForMore(now)) return false;
    return this.#propose(now, outputs);
  }

  #wakeBy(at: number): void {
    if (at < this.#wakeAt) this.#wakeAt = at;
  }

  /** Whether the view that this card took over still holds, as far as it knows. */
  #judgeView(now: number, outputs: MembershipOutput[]): void {
    const view = this.#view;
    if (view === undefined || !this.isHeld()) return;
    if (!this.#isVoting()) return this.#enterTentative(now, "this card has no vote any more", outputs);
    for (const { card } of view.members) {
      if (card === this.#card) continue;
      const peer = this.#peer(card);
      if (!this.#isMember(card) || isGone(peer.health) || isEnded(peer)) {
        return this.#enterTentative(now, this.#lossOf(now, card, []), outputs);
      }
      const behindAt = peer.aheadAt + viewResendMs * viewResendsMax;
      if (behindAt <= now) return this.#enterTentative(now, `card ${card} is in a later view than this card`, outputs);
      this.#wakeBy(behindAt);
    }
    for (const [index, { card }] of view.members.entries()) {
      for (const { card: other } of view.members.slice(0, index)) {
        const countsUntil = this.#matrix.countsUntil("any", card, other);
        if (countsUntil <= now) return this.#enterTentative(now, this.#lossOf(now, card, [other]), outputs);
        this.#wakeBy(countsUntil);
      }
    }
    const news = view.absent.find((absent) => this.#isNews(absent));
    if (news !== undefined && view.coordinator !== this.#card) {
      this.#enterTentative(now, `${this.#lossOf(now, news.card, [])}, as is proven now`, outputs);
      this.#wantAt = now;
    }
    if (!this.#isInDoubt) return;
    this.#isInDoubt = false;
    const members = view.members.map(({ card }) => card);
    this.#viewQuorum = quorumOf(members, view.coordinator === this.#card ? this.#ownFacts() : this.#facts("trusted"));
    if (!this.#viewQuorum.held) this.#enterTentative(now, this.#viewQuorum.text, outputs);
  }

  /** Proof that came after the view. That a card has restarted is seen when it joins. */
  #isNews({ card, state }: AbsentCard): boolean {
    const peer = this.#peers.get(card);
    return state === "unknown" && peer !== undefined && isEnded(peer);
  }

  #askWitness(outputs: MembershipOutput[]): void {
    const { members, ether } = this.#would;
    const electorate = this.#electorate;
    const isWanted = this.#settings.witness && members[0] === this.#card && (isHalf(members, electorate) || isHalf(ether, electorate));
    if (isWanted === this.#witnessWanted) return;
    this.#witnessWanted = isWanted;
    outputs.push({ kind: "witness", wanted: isWanted });
  }

  #noteQuorum(now: number, outputs: MembershipOutput[]): void {
    const stopped = this.stoppedBecause();
    const was = this.#isWithoutQuorum;
    this.#isWithoutQuorum = stopped !== undefined;
    if (stopped !== undefined && !was) this.#enter(now, "tentative", stopped, outputs);
  }

  /** Whether a proposal is of the cards that should be the view. */
  #isWould({ members, incarnations, ether }: Proposal): boolean {
    return isSame(members, this.#would.members) && isSame(ether, this.#would.ether) &&
      members.every((card, index) => incarnations[index] === this.#incarnationOf(card));
  }

  #isViewDue(): boolean {
    const view = this.#view;
    if (view === undefined || !this.isHeld() || this.#isWanted) return true;
    const members = view.members.map(({ card }) => card);
    if (
      !this.#isWould({
        number: view.number,
        members,
        incarnations: view.members.map(({ incarnation }) => incarnation),
        ether: view.ether,
      })
    ) {
      return true;
    }
    return !isSame(view.absent.map(({ card }) => card), this.#absentFrom(members)) || view.absent.some((absent) => this.#isNews(absent));
  }

  #absentFrom(members: readonly CardId[]): CardId[] {
    return this.#electorate.filter((card) => !members.includes(card));
  }

  /** A promise to another card that is at work is not broken for something worse. */
  #isBound(now: number, members: readonly CardId[]): boolean {
    const promise = this.#promise;
    if (promise === undefined || promise.boundUntil <= now || !this.#isPresent(promise.to)) return false;
    if (this.#incarnationOf(promise.to) !== promise.incarnations[0] || isBetter(members, promise.members)) return false;
    this.#wakeBy(promise.boundUntil);
    return true;
  }

  /** A view that is made only to take cards in waits a little for others that come too, unless nobody else could. */
  #waitsForMore(now: number): boolean {
    const { members, ether } = this.#would;
    const view = this.#view;
    const stay = members.filter((card) => this.#isMember(card));
    const etherStay = ether.filter((card) => stay.includes(card) && view?.ether.includes(card) === true);
    const proven = this.#provenCards();
    const isComplete = ether.length === members.length && this.#absentFrom(members).every((card) => proven.includes(card));
    const isGrowing = stay.length < members.length || etherStay.length < ether.length;
    const isUrgent = view !== undefined && quorumOf(stay, this.#ownFacts()).held &&
      (!this.isHeld() || this.#isWanted || stay.length < view.members.length || etherStay.length < view.ether.length);
    if (isComplete || !isGrowing || isUrgent) {
      this.#joinAt = Infinity;
      return false;
    }
    if (this.#joinAt === Infinity) this.#joinAt = now + this.#listenMs();
    if (this.#joinAt <= now) return false;
    this.#wakeBy(this.#joinAt);
    return true;
  }

  /** A card that needs a view and whose coordinator proposes none goes on without it. */
  #watchCoordinator(now: number, card: CardId, outputs: MembershipOutput[]): boolean {
    if (this.isHeld()) {
      this.#coordinator = undefined;
      return false;
    }
    if (this.#coordinator?.card !== card) this.#coordinator = { card, since: now };
    const muteAt = this.#coordinator.since + viewMuteMs + this.#listenMs();
    if (muteAt > now) {
      this.#wakeBy(muteAt);
      return false;
    }
    this.#coordinator = undefined;
    outputs.push({ kind: "log", level: "warn", event: "no proposal", fields: { peer: card } });
    this.#setBack(now, card);
    return true;
  }

  // ---- proposing

  #propose(now: number, outputs: MembershipOutput[]): boolean {
    const { members, ether } = this.#would;
    const number = nextNumber(this.#card, Math.max(this.#promisedNumber, this.#highest));
    if (number > viewNumberMax) return false;
    this.#highest = number;
    this.#reserveAhead(outputs);
    if (number > this.#reserved) return false;
    const incarnations = members.map((card) => this.#incarnationOf(card));
    this.#promisedNumber = number;
    this.#promise = undefined;
    this.#commit = undefined;
    this.#isWanted = false;
    this.#joinAt = Infinity;
    const proposal = { number, members, incarnations, ether, promises: new Map(), resends: 0, resendAt: now + viewResendMs };
    this.#proposal = proposal;
    const own = { previous: this.#view?.number ?? 0, down: this.#provenBeside(members) };
    proposal.promises.set(this.#card, own);
    this.#enterTentative(now, `a view is being agreed on: ${this.#changeTo(now, proposal)}`, outputs);
    outputs.push({ kind: "send", to: everybody, message: this.#proposeMessage(proposal) });
    this.#tryCommit(now, proposal, outputs);
    return true;
  }

  #proposeMessage({ number, members, incarnations, ether }: Proposal): ProposeView {
    return { kind: "proposeView", number, members: this.#setOf(members), incarnations, ether: this.#setOf(ether) };
  }

  #setOf(cards: readonly CardId[]): CardSet {
    return cardSetOf(this.#card, cards);
  }

  /** Sets numbers aside while there are still some, so that no promise waits for the disk. */
  #reserveAhead(outputs: MembershipOutput[]): void {
    const used = Math.max(this.#promisedNumber, this.#highest);
    if (this.#reserving - used >= viewNumbersReserved / 2) return;
    this.#reserving = Math.min(used + viewNumbersReserved, viewNumberMax);
    outputs.push({ kind: "reserve", upTo: this.#reserving });
  }

  #resend(now: number, outputs: MembershipOutput[]): void {
    const proposal = this.#proposal;
    if (proposal !== undefined && now >= proposal.resendAt) {
      const silent = proposal.members.filter((card) => !proposal.promises.has(card));
      if (proposal.resends++ < viewResendsMax) {
        proposal.resendAt = now + resendGapMs(proposal.resends);
        outputs.push({ kind: "send", to: addressOf(silent), message: this.#proposeMessage(proposal) });
      } else {
        outputs.push({ kind: "log", level: "warn", event: "no promise", fields: { view: proposal.number, peers: silent } });
        for (const card of silent) this.#setBack(now, card);
        this.#proposal = undefined;
      }
    }
    const commit = this.#commit;
    if (commit !== undefined && now >= commit.resendAt) {
      commit.resendAt = commit.resends++ < viewResendsMax ? now + resendGapMs(commit.resends) : Infinity;
      if (commit.resendAt < Infinity) outputs.push({ kind: "send", to: addressOf([...commit.waiting]), message: commit.message });
    }
  }

  #tryCommit(now: number, proposal: OwnProposal, outputs: MembershipOutput[]): void {
    const { number, members, incarnations, promises } = proposal;
    if (promises.size < members.length) return;
    this.#proposal = undefined;
    this.#isDirty = true;
    const previous = members.map((card) => promises.get(card)?.previous ?? 0);
    for (const [index, card] of members.entries()) if (card !== this.#card) this.#peer(card).previous = previous[index] as number;
    const facts = this.#ownFacts();
    if (!quorumOf(members, facts).held) return;
    // Only who was in the latest view knows which incarnation of an absent card was in one: an older receipt may be of an earlier one.
    const latest = Math.max(...previous);
    const absentCards = this.#absentFrom(members);
    const down = absentCards.filter((card) =>
      members.some((_, index) => previous[index] === latest && this.#claims(promises, members[index], card))
    );
    const unknown = absentCards.filter((card) => !down.includes(card));
    const ether = quorumOf(proposal.ether, facts).held ? proposal.ether : [];
    const message: CommitView = {
      kind: "commitView",
      number,
      members: this.#setOf(members),
      incarnations,
      previous,
      ether: this.#setOf(ether),
      down: this.#setOf(down),
      unknown: this.#setOf(unknown),
    };
    outputs.push({ kind: "send", to: everybody, message });
    const waiting = new Set(members.filter((card) => card !== this.#card));
    this.#takeView(now, this.#card, message, new Set(promises.get(this.#card)?.down), outputs);
    this.#commit = { message, waiting, resends: 0, resendAt: waiting.size > 0 ? now + viewResendMs : Infinity };
  }

  #claims(promises: OwnProposal["promises"], member: CardId | undefined, card: CardId): boolean {
    return member !== undefined && promises.get(member)?.down.includes(card) === true;
  }

  // ---- messages

  #onMessage(now: number, from: CardId, incarnation: number, message: MembershipMessage, outputs: MembershipOutput[]): void {
    if (from === this.#card || this.#isLeaving) return;
    this.#onHeard(now, from, incarnation, outputs);
    const peer = this.#peer(from);
    if (incarnation < peer.incarnation) return;
    this.#onReady(peer);
    const seen = "promised" in message ? message.promised : message.number;
    if (seen > this.#highest) {
      this.#highest = seen;
      this.#reserveAhead(outputs);
    }
    switch (message.kind) {
      case "wantView":
        return this.#onWantView(now, from, message, outputs);
      case "proposeView":
        return this.#onPropose(now, from, message, outputs);
      case "promiseView":
        return this.#onPromise(now, from, message, outputs);
      case "refuseView":
        return this.#onRefuse(now, from, message);
      case "commitView":
        return this.#onCommit(now, from, message, outputs);
      case "committedView":
        peer.previous = Math.max(peer.previous, message.number);
        if (this.#commit?.message.number !== message.number) return;
        this.#commit.waiting.delete(from);
        if (this.#commit.waiting.size === 0) this.#commit.resendAt = Infinity;
        return;
      default:
        return unreachable(message);
    }
  }

  #onWantView(now: number, from: CardId, { previous, promised }: WantView, outputs: MembershipOutput[]): void {
    this.#peer(from).previous = Math.max(this.#peer(from).previous, previous);
    const view = this.#view;
    // Who has no view has nothing to lose by asking again.
    if (this.#leftOut.has(from) && !this.isHeld()) this.#forgive();
    if (view === undefined || !this.#isMember(from)) return;
    if (view.coordinator === from && previous === view.number && this.isHeld() && this.#isByLease(view)) {
      return this.#enterTentative(now, `card ${from} does not hold the witness's lease any more`, outputs);
    }
    if (view.coordinator !== this.#card || this.#proposal?.members.includes(from) === true) return;
    if (previous < view.number && promised <= view.number) {
      if (this.#commit !== undefined) outputs.push({ kind: "send", to: from, message: this.#commit.message });
    } else this.#want(from);
  }

  #isByLease(view: NodeView): boolean {
    return this.#settings.witness && isHalf(view.members.map(({ card }) => card), this.#electorate);
  }

  #want(from: CardId): void {
    if (!this.#would.members.includes(from)) return;
    this.#isWanted = true;
    this.#isDirty = true;
  }

  #onPropose(now: number, from: CardId, message: ProposeView, outputs: MembershipOutput[]): void {
    const { number, incarnations } = message;
    const members = cardsIn(from, message.members);
    const index = members.indexOf(this.#card);
    if (number % cardCountMax !== from - 1 || members[0] !== from || incarnations.length !== members.length) return;
    if (this.#coordinator?.card === from) this.#coordinator = { card: from, since: now };
    // One that lists another incarnation is meant for another card in this slot.
    if (index < 0 || incarnations[index] !== this.#incarnation) return;
    if (number === this.#view?.number) return this.#sendCommitted(now, from, number, outputs);
    if (number === this.#promise?.number) return this.#sendPromise(now, this.#promise, outputs);
    const missing: CardId[] = [];
    for (const [at, card] of members.entries()) if (!this.#hears(now, card, incarnations[at] as number)) missing.push(card);
    const isRefused = number <= this.#promisedNumber || missing.length > 0 || !this.#isVoting() || !this.#wouldJoin(now, from, members);
    if (isRefused) {
      const refusal = { kind: "refuseView", number, promised: this.#promisedNumber, missing: this.#setOf(missing) } as const;
      return void outputs.push({ kind: "send", to: from, message: refusal });
    }
    // It comes again, and by then the disk has answered.
    if (number > this.#reserved) return;
    this.#promisedNumber = number;
    this.#proposal = undefined;
    this.#commit = undefined;
    const down = new Set(this.#provenBeside(members));
    const ether = cardsIn(from, message.ether);
    this.#promise = { number, members, incarnations, ether, to: from, down, boundUntil: now + viewMuteMs };
    this.#isDirty = true;
    this.#answeredAt = -Infinity;
    this.#sendPromise(now, this.#promise, outputs);
    this.#enterTentative(now, `a view is being agreed on: ${this.#changeTo(now, this.#promise)}`, outputs);
    this.#wantAt = now + wantViewMs;
    this.#reserveAhead(outputs);
  }

  /** Both links bring the same proposal, and each answer goes out on both: one is enough for a while. */
  #sendPromise(now: number, promise: Promised, outputs: MembershipOutput[]): void {
    if (now - this.#answeredAt < viewResendMs / 2) return;
    this.#answeredAt = now;
    const { number, to, down } = promise;
    const message = { kind: "promiseView", number, previous: this.#view?.number ?? 0, down: this.#setOf([...down]) } as const;
    outputs.push({ kind: "send", to, message });
  }

  #sendCommitted(now: number, to: CardId, number: number, outputs: MembershipOutput[]): void {
    if (now - this.#answeredAt < viewResendMs / 2) return;
    this.#answeredAt = now;
    outputs.push({ kind: "send", to, message: { kind: "committedView", number } });
  }

  /** Whether this card itself hears another, in this incarnation: that is what its promise says. */
  #hears(now: number, card: CardId, incarnation: number): boolean {
    if (card === this.#card) return true;
    if (!this.#isPresent(card) || this.#incarnationOf(card) !== incarnation) return false;
    return this.#matrix.hears("ether", this.#card, card) || this.#matrix.hears("serial", this.#card, card) ||
      this.#matrix.countsUntil("any", this.#card, card) > now;
  }

  /** Whether a set is good enough to leave what this card has for it. */
  #wouldJoin(now: number, from: CardId, members: readonly CardId[]): boolean {
    const facts = this.#facts("trusted");
    // Whether the tie-break card was in a view before it knows itself.
    const isContinuing = (card: CardId) => card !== this.#card || facts.isContinuing(card);
    if (!quorumOf(members, { ...facts, isContinuing }).held) return false;
    if (this.isHeld()) return this.#isMember(from) || members.length > (this.#view?.members.length ?? 0);
    if (this.#proposal !== undefined) return isBetter(members, this.#proposal.members);
    return this.#promise?.to === from || this.#promise?.members.includes(from) === true || !this.#isBound(now, members);
  }

  #onPromise(now: number, from: CardId, { number, previous, down }: PromiseView, outputs: MembershipOutput[]): void {
    const proposal = this.#proposal;
    if (proposal?.number !== number || !isListed(proposal, from, this.#incarnationOf(from))) return;
    proposal.promises.set(from, { previous, down: cardsIn(from, down) });
    this.#tryCommit(now, proposal, outputs);
  }

  #onRefuse(now: number, from: CardId, { number, promised, missing }: RefuseView): void {
    const proposal = this.#proposal;
    if (proposal?.number === number && isListed(proposal, from, this.#incarnationOf(from))) {
      const unheard = cardsIn(from, missing).filter((card) => card !== from && proposal.members.includes(card));
      for (const card of unheard) this.#setBack(now, pairOf(from, card));
      if (unheard.length === 0 && promised < number) this.#setBack(now, from);
      this.#proposal = undefined;
      this.#isDirty = true;
    } else if (this.#view?.number === number && this.#commit !== undefined && promised > this.#promisedNumber) this.#want(from);
  }

  #onCommit(now: number, from: CardId, message: CommitView, outputs: MembershipOutput[]): void {
    const { number } = message;
    const members = cardsIn(from, message.members);
    const index = members.indexOf(this.#card);
    if (index < 0 || message.incarnations[index] !== this.#incarnation) {
      if (number <= (this.#view?.number ?? 0) || !members.some((card) => this.#isMember(card)) || !this.isHeld()) return;
      return this.#enterTentative(now, `card ${from} went on in a view without this card`, outputs);
    }
    if (number === this.#view?.number) return this.#sendCommitted(now, from, number, outputs);
    if (number < this.#promisedNumber) {
      const refusal = { kind: "refuseView", number, promised: this.#promisedNumber, missing: this.#setOf([]) } as const;
      return void outputs.push({ kind: "send", to: from, message: refusal });
    }
    const promise = this.#promise;
    if (promise?.number !== number || promise.to !== from) return;
    this.#answeredAt = -Infinity;
    this.#sendCommitted(now, from, number, outputs);
    this.#takeView(now, from, message, promise.down, outputs);
  }

  // ---- views

  #takeView(now: number, from: CardId, message: CommitView, claimed: ReadonlySet<CardId>, outputs: MembershipOutput[]): void {
    const cards = cardsIn(from, message.members);
    const { number, incarnations, previous } = message;
    const members = cards.map((card, index) => ({ card, incarnation: incarnations[index] ?? 0, previous: previous[index] ?? 0 }));
    const down = cardsIn(from, message.down);
    const unknown = cardsIn(from, message.unknown);
    const absent = [...down, ...unknown].sort(ascending).map((card) => ({
      card,
      state: down.includes(card) ? "down" as const : "unknown" as const,
    }));
    const view: NodeView = { number, coordinator: from, members, ether: cardsIn(from, message.ether), absent };
    const reason = this.#changeTo(now, { number, members: cards, incarnations, ether: view.ether }, absent);
    for (const { card, previous: before } of members) {
      if (card === this.#card) continue;
      const peer = this.#peer(card);
      peer.previous = Math.max(peer.previous, before);
    }
    // What the members agreed on counts, in both directions: a receipt that did not convince was older than the last views.
    for (const card of down) {
      this.#peer(card).proof ??= { receipt: "agreed", at: now, incarnation: this.#peer(card).incarnation, since: now };
    }
    for (const card of unknown) if (claimed.has(card)) this.#peer(card).proof = undefined;
    for (const peer of this.#peers.values()) peer.aheadAt = Infinity;
    if (this.#leftOut.size === 0) this.#leftOutMs = 0;
    this.#matrix.enterView(now, cards, view.ether);
    this.#view = view;
    this.#promise = undefined;
    this.#coordinator = undefined;
    this.#isWanted = false;
    this.#isInDoubt = false;
    this.#isDirty = true;
    this.#joinAt = Infinity;
    this.#wantAt = Infinity;
    this.#viewQuorum = quorumOf(cards, from === this.#card ? this.#ownFacts() : this.#facts("trusted"));
    this.#enter(now, unknown.length === 0 ? "confirmed" : "unconfirmed", reason, outputs);
  }

  #enterTentative(now: number, reason: string, outputs: MembershipOutput[]): void {
    if (!this.isHeld()) return;
    this.#wantAt = now + wantViewMs;
    this.#isDirty = true;
    this.#enter(now, "tentative", reason, outputs);
  }

  #enter(now: number, state: State, reason: string, outputs: MembershipOutput[]): void {
    this.#state = state;
    this.#reason = reason;
    const view = this.#view;
    if (state === "tentative" || view === undefined) {
      this.#history.unshift({ state: "tentative", reason, at: now });
      outputs.push({ kind: "notification", notification: { kind: "tentative", reason }, reason });
    } else {
      this.#isWithoutQuorum = false;
      this.#history.unshift({ state, view: view.number, members: view.members.map(({ card }) => card), reason, at: now });
      outputs.push({ kind: "notification", notification: { kind: state, view }, reason });
    }
    if (this.#history.length > viewHistoryMax) this.#history.length = viewHistoryMax;
  }

  // ---- words

  /** What a set of cards changes against the present view, in words. */
  #changeTo(now: number, to: Proposal, absent: readonly AbsentCard[] = []): string {
    const view = this.#view;
    if (view === undefined) return `the first view of this card, of ${cardsText(to.members)}`;
    const changes: string[] = [];
    for (const { card } of view.members) if (!to.members.includes(card)) changes.push(this.#lossOf(now, card, to.members));
    for (const [index, card] of to.members.entries()) {
      const before = view.members.find((member) => member.card === card);
      if (before === undefined) changes.push(`card ${card} joined`);
      else if (before.incarnation !== to.incarnations[index]) changes.push(`card ${card} restarted`);
      else if (view.ether.includes(card) && !to.ether.includes(card)) changes.push(`card ${card} is not confirmed on Ethernet any more`);
      else if (!view.ether.includes(card) && to.ether.includes(card)) changes.push(`card ${card} is confirmed on Ethernet again`);
    }
    for (const { card, state } of absent) {
      const was = view.absent.find((before) => before.card === card)?.state;
      if (state === "down" && was === "unknown") changes.push(`${this.#lossOf(now, card, [])}, as is proven now`);
    }
    if (changes.length > 0) return changes.join(", ");
    const isRedrawn = absent.length > 0 && !isSame(absent.map(({ card }) => card), view.absent.map(({ card }) => card));
    return isRedrawn ? "the configuration has changed" : `view ${view.number} is agreed on anew`;
  }

  /** Why a card is not with the others, in words. */
  #lossOf(now: number, card: CardId, others: readonly CardId[]): string {
    const { disabled, expected } = this.#settings;
    const name = `card ${card}`;
    if (!expected.includes(card)) return `${name} is not in the configuration any more`;
    if (disabled.includes(card)) return `${name} is disabled`;
    const { proof, health } = this.#peer(card);
    if (proof !== undefined && proof.receipt !== "agreed") return `${name} ${receiptTexts[proof.receipt]}`;
    if (health === "left") return `${name} ${receiptTexts.left}`;
    if (health === "down") return `${name} is down`;
    if (proof !== undefined) return `${name} has ended`;
    const other = others.find((one) => this.#matrix.countsUntil("any", one, card) <= now);
    if (other === undefined) return `${name} is left out`;
    return `${name} no longer confirms card ${other} on any link`;
  }
}

const side = cardCountMax + 1;

const receiptTexts: Readonly<Record<Receipt, string>> = {
  left: "left",
  power: "has lost its power",
  reset: "was reset",
  failing: "resets itself",
  restarted: "restarted",
};

/** The smallest number above `number` that is `card`'s to propose: each card has its own, so no two ever propose the same. */
export function nextNumber(card: CardId, number: number): number {
  const next = number - (number % cardCountMax) + card - 1;
  return next > number ? next : next + cardCountMax;
}

/** The larger set, or of equally large ones the lower one: of two coordinators that see different things one gives way. */
function isBetter(one: readonly CardId[], other: readonly CardId[]): boolean {
  if (one.length !== other.length) return one.length > other.length;
  const index = one.findIndex((card, at) => card !== other[at]);
  return index >= 0 && (one[index] as CardId) < (other[index] as CardId);
}

function isListed({ members, incarnations }: Proposal, card: CardId, incarnation: number): boolean {
  const index = members.indexOf(card);
  return index >= 0 && incarnations[index] === incarnation;
}

function isGone(health: CardHealth | "absent"): boolean {
  return health === "down" || health === "left";
}

/** Whether the newest incarnation that was heard is proven to have ended. */
function isEnded({ proof, incarnation }: Peer): boolean {
  return proof !== undefined && proof.receipt !== "restarted" && proof.incarnation >= incarnation;
}

function isSame(one: readonly CardId[], other: readonly CardId[]): boolean {
  return one.length === other.length && one.every((card, index) => card === other[index]);
}

function pairOf(a: CardId, b: CardId): number {
  return Math.min(a, b) + side * Math.max(a, b);
}

/** Each time twice as long, so that a slow serial line is not filled with what is on its way already. */
function resendGapMs(resends: number): number {
  return viewResendMs * 2 ** Math.min(resends, 3);
}

function addressOf(cards: readonly CardId[]): Address {
  const [first, second] = cards;
  return first === undefined || second !== undefined ? everybody : first;
}

function ascending(a: CardId, b: CardId): number {
  return a - b;
}

function cardsText(cards: readonly CardId[]): string {
  if (cards.length === 1) return `card ${cards[0]} alone`;
  return `cards ${cards.slice(0, -1).join(", ")} and ${cards.at(-1)}`;
}
