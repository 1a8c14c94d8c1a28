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
import { cardSetOf, cardsIn } from "../base/card-set.ts";
import { type Address, type CardId, everybody, type LinkKind, linkKinds } from "../base/ids.ts";
import { viewMuteMs, viewNumberMax, viewResendMs, viewResendsMax, wantViewMs } from "../limits.ts";
import type { Service } from "../service.ts";
import type { CommittedView, CommitView, Heartbeat, PromiseView, ProposeView, RefuseView, WantView } from "../wire/message.ts";
import { addressOf, Ballot, Commitment, viewOf } from "./ballot.ts";
import type { CardHealth } from "./heartbeat.ts";
import { LeftOut } from "./left-out.ts";
import type { MembershipInput, MembershipMessage, MembershipOutput, MembershipSettings } from "./membership-io.ts";
import { type MembershipState, type MembershipStatus, ticksOf, ViewHistory, viewStatusOf } from "./membership-status.ts";
import { isEnded, isGone, Peers } from "./peers.ts";
import { electorateOf, isHalf, type Quorum, type QuorumFacts, quorumOf } from "./quorum.ts";
import { TickMatrix } from "./tick-matrix.ts";
import type { AbsentCard, NodeView, Receipt } from "./view.ts";
import { canWaitForMore, isLeaseWanted, isViewDue, lackWithout, mayGoOnWithout, objectionTo, type Standing } from "./view-need.ts";
import { proposerOf, ViewNumbers } from "./view-numbers.ts";
import { changeText, draftOf, lossText, type ViewDraft } from "./view-words.ts";
import { Waiting } from "./waiting.ts";
import { flawOf, isBetter, isDraftOf, isSame, surveyOf, type WouldBe } from "./would-be.ts";

export type { MembershipInput, MembershipMessage, MembershipOutput, MembershipSettings, MembershipStatus };

/** What this card has promised last. */
type Promised = ViewDraft & { readonly number: number; readonly to: CardId; readonly down: readonly CardId[]; boundUntil: number };

export class Membership implements Service<MembershipInput, MembershipOutput> {
  readonly #card: CardId;
  readonly #incarnation: number;
  #settings: MembershipSettings;
  #electorate: readonly CardId[];
  readonly #matrix: TickMatrix;
  readonly #peers = new Peers();
  readonly #numbers: ViewNumbers;
  /** The cards that no configuration names, by the incarnation that was reported. */
  readonly #unlisted = new Map<CardId, number>();

  #state: MembershipState = "tentative";
  #reason = "this card has just started";
  #view: NodeView | undefined;
  #viewAt = -Infinity;
  #viewQuorum: Quorum = { held: false, text: "" };
  readonly #history = new ViewHistory();

  #would: WouldBe = { members: [], ether: [], quorum: { held: false, text: "nothing was heard yet" } };
  #promise: Promised | undefined;
  #ballot: Ballot | undefined;
  #commit: Commitment | undefined;
  /** When this card last promised, or said that it has taken over. */
  #answeredAt = -Infinity;
  readonly #leftOut = new LeftOut();
  /** A card of the would-be view has asked for a new one. */
  #isWanted = false;
  /** The quorum of the present view is to be judged again. */
  #isInDoubt = false;
  #isWithoutQuorum = false;
  #witnessHeld = false;
  #witnessWanted = false;
  #isLeaving = false;

  readonly #waiting = new Waiting();
  #wantAt = Infinity;
  #wakeAt: number;
  #isDirty = true;
  #isStarted = false;
  #outputs: MembershipOutput[] = [];

  constructor(card: CardId, incarnation: number, reservedView: number, settings: MembershipSettings, now: number) {
    this.#card = card;
    this.#incarnation = incarnation;
    this.#settings = settings;
    this.#electorate = electorateOf(settings.expected, settings.disabled);
    this.#matrix = new TickMatrix(card, settings);
    this.#numbers = new ViewNumbers(card, reservedView);
    this.#wakeAt = now;
  }

  deadline(): number {
    if (this.#isLeaving) return Infinity;
    const wantAt = this.#mayAsk() ? this.#wantAt : Infinity;
    return Math.min(this.#wakeAt, wantAt, this.#ballot?.resending.at ?? Infinity, this.#commit?.resending.at ?? Infinity);
  }

  step(now: number, input: MembershipInput): MembershipOutput[] {
    this.#outputs = [];
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#reserve();
      this.#enter(now, "tentative", this.#reason);
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
        this.#onHeard(now, input.card, input.incarnation);
        break;
      case "message":
        this.#onMessage(now, input.from, input.incarnation, input.message);
        break;
      case "receipt":
        this.#onReceipt(now, input.card, input.receipt, input.upTo);
        break;
      case "powerOn":
        this.#mark(this.#peers.onPowerOn(input.card));
        break;
      case "settings":
        this.#onSettings(input.settings);
        break;
      case "witness":
        this.#witnessHeld = input.held;
        this.#isInDoubt = true;
        this.#isDirty = true;
        break;
      case "reserved":
        if (!this.#numbers.isReady) this.#wantAt = now;
        this.#numbers.onReserved(input.upTo);
        this.#isDirty = true;
        break;
      case "late":
        this.#onLate(input.ms);
        break;
      case "unsettled":
        if (this.isHeld()) this.#enterTentative(now, input.reason);
        break;
      case "leave":
        this.#onLeave(now);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    if (!this.#isLeaving) this.#settle(now);
    return this.#outputs;
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

  /** Whether this card, with those of its view that it hears on Ethernet, may have another one stopped before they have another view. */
  mayGoOnWithout(now: number, card: CardId): boolean {
    return mayGoOnWithout(card, this.#standing(), this.#ownFacts(), (other) => this.#matrix.countsUntil("ether", this.#card, other) > now);
  }

  /** Why the others of the view would be no quorum if a card of it failed now; undefined when they would be one, or no view holds. */
  lackWithout(card: CardId, isFenceable: boolean): string | undefined {
    return this.#view === undefined || !this.isHeld() ? undefined : lackWithout(card, this.#view, this.#ownFacts(), isFenceable);
  }

  status(now: number): MembershipStatus {
    return {
      state: this.#state,
      ...(this.isHeld() ? {} : { reason: this.stoppedBecause() ?? this.#reason }),
      ...(this.#view === undefined ? {} : { view: viewStatusOf(this.#view, this.#peers) }),
      electorate: this.#electorate,
      quorum: this.isHeld() ? this.#viewQuorum : this.#would.quorum,
      ticks: ticksOf(this.#matrix, this.#card),
      history: this.#history.list(now),
    };
  }

  // ---- facts

  #onHealth(now: number, card: CardId, health: CardHealth | "absent"): void {
    const peer = this.#peers.get(card);
    peer.health = health;
    if (isGone(peer)) this.#matrix.forget(now, card);
    this.#isDirty = true;
  }

  #onBeat(now: number, link: LinkKind, from: CardId, beat: Heartbeat): void {
    const news = this.#peers.onBeat(now, from, beat.view, this.#view?.number ?? 0, this.#settings[link].silentAfterMs);
    // A view that leans on a receipt does not outlive it.
    if (news === "lie") this.#isInDoubt = true;
    this.#mark(this.#matrix.onBeat(now, link, from, beat) || news !== "none");
  }

  #onOwnBeat(now: number, link: LinkKind, beat: Heartbeat): void {
    // What was asked before a port was up was heard by nobody.
    if (!this.#matrix.hasSpoken(link) && this.#view === undefined) this.#wantAt = now;
    this.#mark(this.#matrix.onOwnBeat(now, link, beat));
  }

  /** Something has changed: everything is looked at again. */
  #mark(isNews: boolean): void {
    if (isNews) this.#isDirty = true;
  }

  #onHeard(now: number, card: CardId, incarnation: number): void {
    if (card === this.#card || incarnation <= this.#peers.get(card).incarnation) return;
    this.#peers.onHeard(now, card, incarnation, this.#isMember(card));
    this.#matrix.forget(now, card);
    this.#forgive();
    this.#isDirty = true;
    if (this.#settings.expected.includes(card) || this.#unlisted.get(card) === incarnation) return;
    this.#unlisted.set(card, incarnation);
    this.#log("warn", "unlisted card", { peer: card, incarnation });
  }

  #onReceipt(now: number, card: CardId, receipt: Receipt, upTo: number | undefined): void {
    if (card === this.#card || !this.#peers.onReceipt(now, card, receipt, upTo)) return;
    this.#matrix.forget(now, card);
    this.#isDirty = true;
  }

  #onSettings(settings: MembershipSettings): void {
    const before = this.#settings;
    const electorate = electorateOf(settings.expected, settings.disabled);
    this.#isInDoubt = before.tieBreak !== settings.tieBreak || before.witness !== settings.witness || !isSame(electorate, this.#electorate);
    this.#settings = settings;
    this.#electorate = electorate;
    this.#matrix.onSettings(settings);
    this.#forgive();
    this.#isDirty = true;
  }

  #onLate(ms: number): void {
    this.#matrix.onLate(ms);
    this.#peers.onLate(ms);
    this.#waiting.onLate(ms);
    if (this.#promise !== undefined) this.#promise.boundUntil += ms;
    this.#isDirty = true;
  }

  #onLeave(now: number): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#enterTentative(now, "this card is leaving");
  }

  #standing(): Standing {
    return {
      card: this.#card,
      view: this.#view,
      isHeld: this.isHeld(),
      isWanted: this.#isWanted,
      would: this.#would,
      electorate: this.#electorate,
      isMember: (card) => this.#isMember(card),
      incarnationOf: (card) => this.#incarnationOf(card),
    };
  }

  #isVoting(): boolean {
    return this.#electorate.includes(this.#card);
  }

  /** Whether a card can be asked for its promise: it is heard, and nothing says that it has ended. */
  #isPresent(card: CardId): boolean {
    return card === this.#card || (this.#peers.isUp(card) && this.#matrix.has(card));
  }

  #incarnationOf(card: CardId): number {
    return card === this.#card ? this.#incarnation : this.#peers.get(card).incarnation;
  }

  #isMember(card: CardId): boolean {
    return this.#view?.members.some((member) => member.card === card && member.incarnation === this.#incarnationOf(card)) === true;
  }

  #facts(witness: QuorumFacts["witness"]): QuorumFacts {
    const { tieBreak, witness: hasWitness } = this.#settings;
    const vote = { electorate: this.#electorate, tieBreak, witness: hasWitness ? witness : "none" } as const;
    return this.#peers.factsOf(this.#card, this.#view !== undefined, vote);
  }

  #ownFacts(): QuorumFacts {
    return this.#facts(this.#witnessHeld ? "held" : "missing");
  }

  // ---- the would-be view

  #survey(now: number): { readonly would: WouldBe; readonly until: number } {
    if (!this.#isVoting()) {
      const text = this.#settings.expected.includes(this.#card) ? "this card is disabled" : "this card is not in its own configuration";
      return { would: { members: [], ether: [], quorum: { held: false, text } }, until: Infinity };
    }
    const { would, until } = surveyOf(now, {
      // A running system is not held up by a card that has started and cannot promise yet.
      cards: this.#electorate.filter((card) =>
        this.#isPresent(card) && !this.#leftOut.has(card) &&
        (this.#view === undefined || card === this.#card || this.#isMember(card) || this.#peers.get(card).isReady)
      ),
      countsUntil: (kind, a, b) => kind === "any" && this.#leftOut.hasPair(a, b) ? -Infinity : this.#matrix.countsUntil(kind, a, b),
      present: {
        members: new Set(this.#view?.members.map(({ card }) => card).filter((card) => this.#isMember(card))),
        ether: new Set(this.#view?.ether),
      },
      facts: this.#ownFacts(),
    });
    const objection = this.#settings.witness
      ? undefined
      : objectionTo(would, this.#electorate, (card) => this.#isPresent(card) && this.#leftOut.concerns(card));
    return { would: objection === undefined ? would : { ...would, quorum: { held: false, text: objection } }, until };
  }

  #forgive(): void {
    this.#mark(this.#leftOut.clear());
  }

  // ---- deciding

  #settle(now: number): void {
    this.#resend(now);
    if (this.#isDirty || now >= this.#wakeAt) {
      // What was decided may ask for the next decision: a card that is alone proposes and commits in one step.
      for (let round = 0; round < 4; round++) if (!this.#decide(now)) break;
      if (this.#isDirty) this.#wakeAt = now + viewResendMs;
    }
    if (!this.#mayAsk() || now < this.#wantAt) return;
    this.#wantAt = now + wantViewMs;
    if (this.#ballot !== undefined) return;
    this.#send(everybody, { kind: "wantView", previous: this.#view?.number ?? 0, promised: this.#numbers.promised });
  }

  #mayAsk(): boolean {
    return !this.isHeld() && this.#numbers.isReady && this.#isVoting();
  }

  /** Looks at everything once. Says whether that changed what there is to look at. */
  #decide(now: number): boolean {
    if (now >= this.#leftOut.until) this.#forgive();
    this.#isDirty = false;
    this.#wakeAt = this.#leftOut.until;
    this.#judgeView(now);
    const { would, until } = this.#survey(now);
    this.#would = would;
    this.#wakeBy(until);
    this.#askWitness();
    this.#noteQuorum(now);
    if (this.#ballot !== undefined && !isDraftOf(would, this.#ballot.draft, (card) => this.#incarnationOf(card))) this.#ballot = undefined;
    const [coordinator] = would.members;
    if (coordinator !== this.#card || !would.quorum.held) this.#waiting.stopJoining();
    if (coordinator === undefined || !this.#numbers.isReady || !would.quorum.held || !would.members.includes(this.#card)) {
      this.#waiting.stopWatching();
      return false;
    }
    if (coordinator !== this.#card) return this.#watchCoordinator(now, coordinator);
    this.#waiting.stopWatching();
    if (
      this.#ballot !== undefined || !isViewDue(this.#standing(), (absent) => this.#isNews(absent)) || this.#isBound(now, would.members) ||
      this.#waitsForMore(now)
    ) return false;
    return this.#propose(now);
  }

  #wakeBy(at: number): void {
    if (at < this.#wakeAt) this.#wakeAt = at;
  }

  /** Whether the view that this card took over still holds, as far as it knows. */
  #judgeView(now: number): void {
    const view = this.#view;
    if (view === undefined || !this.isHeld()) return;
    if (!this.#isVoting()) return this.#enterTentative(now, "this card has no vote any more");
    const { flaw, until } = flawOf(now, view, {
      isLost: (card) => card !== this.#card && (!this.#isMember(card) || !this.#peers.isUp(card)),
      behindAt: (card) => this.#peers.get(card).aheadAt + viewResendMs * viewResendsMax,
      countsUntil: (a, b) => this.#matrix.countsUntil("any", a, b),
    });
    if (flaw?.isLater === true) return this.#enterTentative(now, `card ${flaw.card} is in a later view than this card`);
    if (flaw !== undefined) return this.#enterTentative(now, this.#lossOf(now, flaw.card, flaw.others));
    this.#wakeBy(until);
    const news = view.absent.find((absent) => this.#isNews(absent));
    if (news !== undefined && view.coordinator !== this.#card) {
      this.#enterTentative(now, `${this.#lossOf(now, news.card, [])}, as is proven now`);
      this.#wantAt = now;
    }
    if (!this.#isInDoubt) return;
    this.#isInDoubt = false;
    this.#viewQuorum = this.#quorumOf(view);
    if (!this.#viewQuorum.held) this.#enterTentative(now, this.#viewQuorum.text);
  }

  #quorumOf({ members, coordinator }: NodeView): Quorum {
    return quorumOf(members.map(({ card }) => card), coordinator === this.#card ? this.#ownFacts() : this.#facts("trusted"));
  }

  /** Proof that came after the view. That a card has restarted is seen when it joins. */
  #isNews({ card, state }: AbsentCard): boolean {
    return state === "unknown" && isEnded(this.#peers.get(card));
  }

  #askWitness(): void {
    const isWanted = this.#settings.witness && isLeaseWanted(this.#standing());
    if (isWanted === this.#witnessWanted) return;
    this.#witnessWanted = isWanted;
    // What is given back is not held, and what is asked for is not held yet.
    this.#witnessHeld = false;
    this.#outputs.push({ kind: "witness", wanted: isWanted });
  }

  #noteQuorum(now: number): void {
    const stopped = this.stoppedBecause();
    const was = this.#isWithoutQuorum;
    this.#isWithoutQuorum = stopped !== undefined;
    if (stopped !== undefined && !was && stopped !== this.#reason) this.#enter(now, "tentative", stopped);
  }

  /** A promise to another card that is at work is not broken for something worse. */
  #isBound(now: number, members: readonly CardId[]): boolean {
    const promise = this.#promise;
    if (promise === undefined || promise.boundUntil <= now || !this.#isPresent(promise.to)) return false;
    if (this.#incarnationOf(promise.to) !== promise.incarnations[0] || isBetter(members, promise.members)) return false;
    this.#wakeBy(promise.boundUntil);
    return true;
  }

  /** A view that is made only to take cards in waits a little for others that come too. */
  #waitsForMore(now: number): boolean {
    const notAwaited = [...this.#peers.proven(), ...this.#electorate.filter((card) => this.#leftOut.concerns(card))];
    if (!canWaitForMore(this.#standing(), this.#ownFacts(), notAwaited)) {
      this.#waiting.stopJoining();
      return false;
    }
    const until = this.#waiting.joinUntil(now, this.#matrix.listenMs());
    if (until <= now) return false;
    this.#wakeBy(until);
    return true;
  }

  /** A card that needs a view and whose coordinator proposes none goes on without it. */
  #watchCoordinator(now: number, card: CardId): boolean {
    const muteAt = this.isHeld() ? Infinity : this.#waiting.muteAt(now, card, this.#matrix.listenMs());
    if (muteAt <= now || muteAt === Infinity) this.#waiting.stopWatching();
    if (muteAt > now) {
      this.#wakeBy(muteAt);
      return false;
    }
    this.#log("warn", "no proposal", { peer: card });
    this.#leftOut.add(now, card);
    return true;
  }

  // ---- proposing

  #propose(now: number): boolean {
    const { members, ether } = this.#would;
    const number = this.#numbers.next();
    if (number > viewNumberMax) return false;
    this.#numbers.onSeen(number);
    this.#reserve();
    if (!this.#numbers.isReserved(number)) return false;
    this.#numbers.promise(number);
    this.#promise = undefined;
    this.#commit = undefined;
    this.#isWanted = false;
    this.#waiting.stopJoining();
    const draft = { members, incarnations: members.map((card) => this.#incarnationOf(card)), ether };
    this.#ballot = new Ballot(now, number, draft, this.#card, { previous: this.#view?.number ?? 0, down: this.#provenBeside(members) });
    this.#enterTentative(now, `a view is being agreed on: ${this.#changeTo(now, draft)}`);
    this.#send(everybody, this.#ballot.proposal());
    this.#tryCommit(now, this.#ballot);
    return true;
  }

  /**
   * The cards beside `members` whose end this card can prove. From here on the members may be in a view that this card
   * never hears of, so what proved the end of their earlier incarnations is dropped.
   */
  #provenBeside(members: readonly CardId[]): CardId[] {
    for (const card of members) if (card !== this.#card) this.#peers.get(card).proof = undefined;
    return this.#peers.proven();
  }

  #reserve(): void {
    const upTo = this.#numbers.toReserve();
    if (upTo !== undefined) this.#outputs.push({ kind: "reserve", upTo });
  }

  #resend(now: number): void {
    const ballot = this.#ballot;
    if (ballot !== undefined && now >= ballot.resending.at) {
      const silent = ballot.silent();
      if (ballot.resending.again(now)) this.#send(addressOf(silent), ballot.proposal());
      else {
        this.#log("warn", "no promise", { view: ballot.number, peers: silent });
        for (const card of silent) this.#leftOut.add(now, card);
        this.#ballot = undefined;
        this.#isDirty = true;
      }
    }
    const commit = this.#commit;
    if (commit !== undefined && now >= commit.resending.at && commit.resending.again(now)) {
      this.#send(addressOf(commit.waiting()), commit.message);
    }
  }

  #tryCommit(now: number, ballot: Ballot): void {
    if (ballot.silent().length > 0) return;
    this.#ballot = undefined;
    this.#isDirty = true;
    const { members } = ballot.draft;
    for (const [index, previous] of ballot.previous().entries()) this.#peers.get(members[index] as CardId).previous = previous;
    const message = ballot.commit(this.#ownFacts());
    if (message === undefined) return;
    this.#send(everybody, message);
    this.#takeView(now, this.#card, message, ballot.down());
    this.#commit = new Commitment(now, message, members.filter((card) => card !== this.#card));
  }

  // ---- messages

  #onMessage(now: number, from: CardId, incarnation: number, message: MembershipMessage): void {
    if (from === this.#card || this.#isLeaving) return;
    this.#onHeard(now, from, incarnation);
    const peer = this.#peers.get(from);
    if (incarnation < peer.incarnation) return;
    this.#mark(!peer.isReady);
    peer.isReady = true;
    this.#numbers.onSeen("promised" in message ? message.promised : message.number);
    this.#reserve();
    switch (message.kind) {
      case "wantView":
        return this.#onWantView(now, from, message);
      case "proposeView":
        return this.#onPropose(now, from, message);
      case "promiseView":
        return this.#onPromise(now, from, message);
      case "refuseView":
        return this.#onRefuse(now, from, message);
      case "commitView":
        return this.#onCommit(now, from, message);
      case "committedView":
        peer.previous = Math.max(peer.previous, message.number);
        return this.#commit?.onTaken(from, message.number);
      default:
        return unreachable(message);
    }
  }

  #onWantView(now: number, from: CardId, { previous, promised }: WantView): void {
    const peer = this.#peers.get(from);
    peer.previous = Math.max(peer.previous, previous);
    // Who has no view has nothing to lose by asking again.
    if (this.#leftOut.has(from) && !this.isHeld()) this.#forgive();
    const view = this.#view;
    if (view === undefined || !this.#isMember(from)) return;
    if (view.coordinator === from && previous === view.number && this.isHeld() && this.#isByLease(view)) {
      return this.#enterTentative(now, `card ${from} does not hold the witness's lease any more`);
    }
    if (view.coordinator !== this.#card || this.#ballot?.draft.members.includes(from) === true) return;
    if (previous >= view.number || promised > view.number) this.#want(from);
    else if (this.#commit !== undefined) this.#send(from, this.#commit.message);
  }

  #isByLease(view: NodeView): boolean {
    return this.#settings.witness && isHalf(view.members.map(({ card }) => card), this.#electorate);
  }

  #want(from: CardId): void {
    if (!this.#would.members.includes(from)) return;
    this.#isWanted = true;
    this.#isDirty = true;
  }

  #onPropose(now: number, from: CardId, message: ProposeView): void {
    const { number, incarnations } = message;
    const members = cardsIn(from, message.members);
    const index = members.indexOf(this.#card);
    if (proposerOf(number) !== from || members[0] !== from || incarnations.length !== members.length) return;
    this.#waiting.onProposal(now, from);
    // One that lists another incarnation is meant for another card in this slot.
    if (index < 0 || incarnations[index] !== this.#incarnation) return;
    if (number === this.#view?.number) return this.#answer(now, from, { kind: "committedView", number });
    if (number === this.#promise?.number) return this.#sendPromise(now, this.#promise);
    const missing = members.filter((card, at) => !this.#hears(now, card, incarnations[at] ?? 0));
    if (number <= this.#numbers.promised || missing.length > 0 || !this.#isVoting() || !this.#wouldJoin(now, from, members)) {
      return this.#send(from, { kind: "refuseView", number, promised: this.#numbers.promised, missing: cardSetOf(this.#card, missing) });
    }
    // It comes again, and by then the disk has answered.
    if (!this.#numbers.isReserved(number)) return;
    this.#numbers.promise(number);
    this.#ballot = undefined;
    this.#commit = undefined;
    const ether = cardsIn(from, message.ether);
    const promise = { number, members, incarnations, ether, to: from, down: this.#provenBeside(members), boundUntil: now + viewMuteMs };
    this.#promise = promise;
    this.#isDirty = true;
    this.#answeredAt = -Infinity;
    this.#sendPromise(now, promise);
    this.#enterTentative(now, `a view is being agreed on: ${this.#changeTo(now, promise)}`);
    this.#wantAt = now + wantViewMs;
    this.#reserve();
  }

  #sendPromise(now: number, { number, to, down }: Promised): void {
    this.#answer(now, to, { kind: "promiseView", number, previous: this.#view?.number ?? 0, down: cardSetOf(this.#card, down) });
  }

  /** Both links bring the same question, and each answer goes out on both: one is enough for a while. */
  #answer(now: number, to: CardId, message: PromiseView | CommittedView): void {
    if (now - this.#answeredAt < viewResendMs / 2) return;
    this.#answeredAt = now;
    this.#send(to, message);
  }

  /** Whether this card itself hears another, in this incarnation: that is what its promise says. */
  #hears(now: number, card: CardId, incarnation: number): boolean {
    if (card === this.#card) return true;
    if (!this.#isPresent(card) || this.#incarnationOf(card) !== incarnation) return false;
    return linkKinds.some((link) => this.#matrix.hears(link, this.#card, card)) || this.#matrix.countsUntil("any", this.#card, card) > now;
  }

  /** Whether a set is good enough to leave what this card has for it. */
  #wouldJoin(now: number, from: CardId, members: readonly CardId[]): boolean {
    const facts = this.#facts("trusted");
    // Whether the tie-break card was in a view before it knows itself.
    const isContinuing = (card: CardId) => card !== this.#card || facts.isContinuing(card);
    if (!quorumOf(members, { ...facts, isContinuing }).held) return false;
    if (this.isHeld()) return this.#isMember(from) || members.length > (this.#view?.members.length ?? 0);
    if (this.#ballot !== undefined) return isBetter(members, this.#ballot.draft.members);
    return this.#promise?.members.includes(from) === true || !this.#isBound(now, members);
  }

  #onPromise(now: number, from: CardId, { number, previous, down }: PromiseView): void {
    const ballot = this.#ballot;
    if (ballot?.number !== number || !ballot.isAsked(from, this.#incarnationOf(from))) return;
    ballot.promise(from, { previous, down: cardsIn(from, down) });
    this.#tryCommit(now, ballot);
  }

  #onRefuse(now: number, from: CardId, { number, promised, missing }: RefuseView): void {
    const ballot = this.#ballot;
    if (ballot?.number === number && ballot.isAsked(from, this.#incarnationOf(from))) {
      const unheard = cardsIn(from, missing).filter((card) => card !== from && ballot.draft.members.includes(card));
      for (const card of unheard) this.#leftOut.addPair(now, from, card);
      if (unheard.length === 0 && promised < number) this.#leftOut.add(now, from);
      this.#ballot = undefined;
      this.#isDirty = true;
      return;
    }
    // Who refuses goes on asking. A second card of its identity makes it refuse each time: not a view for each word.
    const isRefusedCommit = this.#view?.number === number && this.#commit !== undefined && promised !== this.#numbers.promised;
    if (isRefusedCommit && now - this.#viewAt >= wantViewMs) this.#want(from);
  }

  #onCommit(now: number, from: CardId, message: CommitView): void {
    const { number } = message;
    const members = cardsIn(from, message.members);
    const index = members.indexOf(this.#card);
    if (proposerOf(number) !== from) return;
    if (index < 0 || message.incarnations[index] !== this.#incarnation) {
      if (number <= (this.#view?.number ?? 0) || !members.some((card) => this.#isMember(card))) return;
      return this.#enterTentative(now, `card ${from} went on in a view without this card`);
    }
    if (number === this.#view?.number) return this.#answer(now, from, { kind: "committedView", number });
    const promise = this.#promise;
    // It promised a higher one since, or another card promised in its name.
    if (promise?.number !== number) {
      return this.#send(from, { kind: "refuseView", number, promised: this.#numbers.promised, missing: cardSetOf(this.#card, []) });
    }
    this.#answeredAt = -Infinity;
    this.#answer(now, from, { kind: "committedView", number });
    this.#takeView(now, from, message, promise.down);
  }

  // ---- views

  /** `claimed`: the absent cards whose end this card said that it can prove. */
  #takeView(now: number, from: CardId, message: CommitView, claimed: readonly CardId[]): void {
    const view = viewOf(from, message);
    const cards = view.members.map(({ card }) => card);
    for (const { card, state } of view.absent) if (state === "down") this.#peers.onAgreed(now, card);
    const reason = this.#changeTo(now, draftOf(view), view.absent);
    for (const { card, previous } of view.members) this.#peers.get(card).previous = Math.max(this.#peers.get(card).previous, previous);
    // What the members agreed on counts, in both directions: a receipt that did not convince was older than their last views.
    const unknown = view.absent.filter(({ state }) => state === "unknown");
    for (const { card } of unknown) if (claimed.includes(card)) this.#peers.get(card).proof = undefined;
    for (const peer of this.#peers.all()) peer.aheadAt = Infinity;
    this.#leftOut.onView();
    this.#matrix.enterView(now, cards, view.ether);
    this.#view = view;
    this.#viewAt = now;
    this.#viewQuorum = this.#quorumOf(view);
    this.#promise = undefined;
    this.#waiting.stop();
    this.#isWanted = false;
    this.#isInDoubt = false;
    this.#isDirty = true;
    this.#wantAt = Infinity;
    this.#enter(now, unknown.length === 0 ? "confirmed" : "unconfirmed", reason);
  }

  #enterTentative(now: number, reason: string): void {
    if (!this.isHeld()) return;
    this.#wantAt = now + wantViewMs;
    this.#isDirty = true;
    this.#enter(now, "tentative", reason);
  }

  #enter(now: number, state: MembershipState, reason: string): void {
    this.#state = state;
    this.#reason = reason;
    if (state !== "tentative") this.#isWithoutQuorum = false;
    const view = this.#view;
    const notification = state === "tentative" || view === undefined ? { kind: "tentative" as const, reason } : { kind: state, view };
    this.#history.add(now, notification, reason);
    this.#outputs.push({ kind: "notification", notification, reason });
  }

  // ---- words

  #changeTo(now: number, to: ViewDraft, absent?: readonly AbsentCard[]): string {
    return changeText(this.#view, to, absent, (card) => this.#lossOf(now, card, to.members));
  }

  /** Why a card is not with `others`, in words. */
  #lossOf(now: number, card: CardId, others: readonly CardId[]): string {
    const unconfirmed = others.find((other) => this.#matrix.countsUntil("any", other, card) <= now);
    return lossText(card, this.#settings, this.#peers.get(card), unconfirmed);
  }

  // ---- outputs

  #send(to: Address, message: MembershipMessage): void {
    this.#outputs.push({ kind: "send", to, message });
  }

  #log(level: "info" | "warn", event: string, fields: Readonly<Record<string, number | readonly number[]>>): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}
