/**
 * Delta decides the one order of all messages of the system: the Delta protocol of the group communication service, and
 * what happens to it when the node view changes.
 *
 *                     view with us in its ether                 all spoke, all level
 *     stopped ──────────────────────────────► flushing ───────────────────────────────► running
 *        ▲                                     │  ▲ flush, sync        first pass taken   │
 *        └──── view without us in its ether ───┘  └──────────── next view ────────────────┘
 *
 *     initiator ─ submit ─► coordinator: queue ─ pass ─► card ─ pass ─► card ─ pass ─► coordinator ─ commit ─► all
 *
 * Follows HA-8 to HA-11: all messages go through the coordinator; a proposal travels the ring and is back when each card
 * has it in its proposal buffer; no card may abort; what was proposed is delivered to every survivor before the next
 * view, what was only queued of a lost initiator is never sent. Deviates in two points, which are its surprising
 * ideas. All groups share one order, so one ring pass carries what is queued for all of them. And a view is itself an
 * entry of that order: a card that was away replays what it missed, views included, and comes to the same state.
 *
 * Invariants: everything up to `committed` is held by every card of the epoch; what any card has delivered is a prefix of
 * the order that goes on; data of one origin comes in the order of its ids, each once.
 */
import { assert, unreachable } from "../base/assert.ts";
import { type Address, type CardId, everybody } from "../base/ids.ts";
import {
  flushesFruitlessMax,
  flushResendMs,
  passAckMs,
  passBytesMax,
  passEntriesMax,
  passResendMaxMs,
  passResendMs,
  passResendRoundTrips,
  pendingBytesMax,
  pendingEntriesMax,
  submitResendMs,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { Commit, Entry, Flush, Pass, Submit, Sync } from "../wire/message.ts";
import { type Epoch, OrderLog } from "./order-log.ts";
import type { Mark } from "../wire/message.ts";
import { entryOfView, readViewEntry } from "./view-entry.ts";
import type { NodeView } from "./view.ts";

export type DeltaMessage = Submit | Pass | Commit | Flush | Sync;

export type DeltaInput =
  | { readonly kind: "view"; readonly view: NodeView }
  | { readonly kind: "message"; readonly from: CardId; readonly message: DeltaMessage }
  /** `data` gets the next id; `control` is sent until it is ordered or the epoch ends. */
  | { readonly kind: "submit"; readonly type: "control" | "data"; readonly body: Uint8Array }
  /** Whether our data may go; while the group service levels its state it may not. */
  | { readonly kind: "open"; readonly open: boolean }
  /** The group service knows the state that follows from the order. */
  | { readonly kind: "whole" }
  | { readonly kind: "tick" };

export type DeltaOutput =
  /** `isAgain`: what was sent before may not have come. */
  | { readonly kind: "send"; readonly to: Address; readonly message: DeltaMessage; readonly isAgain?: boolean }
  | { readonly kind: "delivered"; readonly sequence: number; readonly entry: Entry }
  /** A view, at its place in the order. `whole` are its cards that know the state at this place. */
  | { readonly kind: "epoch"; readonly sequence: number; readonly view: NodeView; readonly whole: readonly CardId[] }
  /** Everything before this sequence is unknown to this card; our own data up to the id `ordered` is in it. */
  | { readonly kind: "skipped"; readonly sequence: number; readonly ordered: number }
  | { readonly kind: "stopped"; readonly reason: string }
  /** The view's epoch does not begin for this card, whatever it says: only another view helps. */
  | { readonly kind: "stuck"; readonly reason: string };

/** Where the order stands, for people. */
export type DeltaStatus = {
  readonly state: "stopped" | "flushing" | "running";
  readonly reason?: string;
  readonly epoch: number;
  readonly coordinator?: CardId;
  readonly held: number;
  readonly committed: number;
  readonly delivered: number;
  readonly pending: number;
  readonly counters: Readonly<Record<keyof Counters, number>>;
};

type Counters = {
  /** Passes that we began, and those that we sent again. */
  passes: number;
  passesResent: number;
  submitsResent: number;
  /** Entries that this card has delivered. */
  delivered: number;
  /** Entries given to cards that were behind, and taken over from others. */
  synced: number;
  caughtUp: number;
  /** Times that this card had lost its place. */
  skips: number;
  /** Messages of another epoch, from a card that is not in the view, or not in turn. */
  ignored: number;
  /** Entries that an initiator sent again, out of turn, or beyond its bounds. */
  refused: number;
};

/** A proposal that is on its way around the ring. */
type UnderWay = {
  readonly first: number;
  readonly entries: readonly Entry[];
  readonly sentAt: number;
  resendAt: number;
  resendMs: number;
};

/** What the newest round trip counts in the smoothed one. */
const roundTripShare = 1 / 8;

/** A place behind the order that we go on from once the view begins. */
type Skip = { readonly last: number; readonly epochs: readonly Epoch[]; readonly marks: readonly Mark[] };

export class Delta implements Service<DeltaInput, DeltaOutput> {
  readonly #card: CardId;
  readonly #log = new OrderLog();
  readonly #counters: Counters = {
    passes: 0,
    passesResent: 0,
    submitsResent: 0,
    delivered: 0,
    synced: 0,
    caughtUp: 0,
    skips: 0,
    ignored: 0,
    refused: 0,
  };
  #state: DeltaStatus["state"] = "stopped";
  #reason = "no view yet";
  /** The view that we flush for or run in. */
  #view: NodeView | undefined;
  /** The epoch whose first pass this card has taken in last. */
  #entered = 0;
  #committed = 0;
  #whole = false;

  // As an initiator.
  #lastId = 0;
  /** Not delivered to ourselves yet, in the order of their ids. */
  readonly #pending: Entry[] = [];
  #pendingBytes = 0;
  #control: Entry[] = [];
  #open = true;
  /** The view has been delivered: the group service has said whether our data may go. */
  #isEpochDelivered = false;
  /** The last data id and the number of control entries sent in this epoch, and the last data id seen in a pass. */
  #sentId = 0;
  #sentControl = 0;
  #seenId = 0;
  #submitAt = Infinity;

  // As a member of the ring.
  #lastPass = 0;

  // As the coordinator.
  #queue: Entry[] = [];
  #queueHead = 0;
  readonly #queuedBytes = new Map<CardId, number>();
  /** The last data id of each origin in the queue or the order. */
  readonly #taken = new Map<CardId, number>();
  #underWay: UnderWay | undefined;
  /** How long a pass takes around the ring, smoothed: on a busy machine longer than a lost one should be waited for on an idle one. */
  #roundTripMs = 0;
  /** Everybody has delivered up to here. */
  #acknowledged = 0;
  #ackAt = Infinity;

  // While flushing.
  /** What each card said first of itself for our view, and what came for a view that we are about to be told of. */
  readonly #flushes = new Map<CardId, Flush>();
  readonly #early = new Map<CardId, Flush>();
  readonly #ready = new Map<CardId, Flush>();
  #holder: (Flush & { readonly from: CardId }) | undefined;
  #isReady = false;
  #skip: Skip | undefined;
  /** A first piece of what we lack has come: the others follow on it. */
  #isSyncing = false;
  #flushAt = Infinity;
  /** Where the piece began that each card was given last. */
  readonly #given = new Map<CardId, number>();
  /** What each card said last that it holds, and how often we have said ours since somebody came on. */
  readonly #said = new Map<CardId, number>();
  #fruitless = 0;

  constructor(card: CardId) {
    this.#card = card;
  }

  deadline(): number {
    return Math.min(this.#submitAt, this.#underWay?.resendAt ?? Infinity, this.#ackAt, this.#flushAt);
  }

  step(now: number, input: DeltaInput): DeltaOutput[] {
    const outputs: DeltaOutput[] = [];
    switch (input.kind) {
      case "view":
        this.#onView(now, input.view, outputs);
        break;
      case "message":
        this.#onMessage(now, input.from, input.message, outputs);
        break;
      case "submit":
        this.#onSubmitted(now, input.type, input.body, outputs);
        break;
      case "open":
        this.#open = input.open;
        if (input.open) this.#sendSubmits(now, outputs);
        break;
      case "whole":
        this.#whole = true;
        break;
      case "tick":
        this.#runTimers(now, outputs);
        break;
      default:
        return unreachable(input);
    }
    return outputs;
  }

  /** The id of the last data entry submitted here. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Whether this card has room for another entry of so many bytes. */
  hasRoom(bytes: number): boolean {
    return this.#pending.length < pendingEntriesMax && this.#pendingBytes + bytes <= pendingBytesMax;
  }

  /** The epoch that this card has entered, 0 before the first, and the last sequence that it has delivered. */
  place(): { readonly epoch: number; readonly delivered: number } {
    return { epoch: this.#entered, delivered: this.#log.delivered };
  }

  status(): DeltaStatus {
    return {
      state: this.#state,
      ...(this.#state === "stopped" ? { reason: this.#reason } : {}),
      epoch: this.#entered,
      ...(this.#view === undefined || this.#view.ether[0] === undefined ? {} : { coordinator: this.#view.ether[0] }),
      held: this.#log.held,
      committed: Math.max(this.#committed, this.#log.delivered),
      delivered: this.#log.delivered,
      pending: this.#pending.length,
      counters: { ...this.#counters },
    };
  }

  // ---- the view changes

  #onView(now: number, view: NodeView, outputs: DeltaOutput[]): void {
    // An epoch that was left is never entered again: what it held may have been settled without us.
    if (view.number <= (this.#view?.number ?? 0)) return this.#ignore();
    this.#view = view;
    this.#leaveEpoch();
    if (!view.ether.includes(this.#card)) {
      this.#state = "stopped";
      this.#reason = view.ether.length === 0
        ? "Ethernet does not join a quorum of cards"
        : `Ethernet does not join this card with ${view.ether.map((card) => `card ${card}`).join(", ")}`;
      outputs.push({ kind: "stopped", reason: this.#reason });
      return;
    }
    this.#state = "flushing";
    for (const [card, flush] of this.#early) {
      if (flush.view === view.number && view.ether.includes(card)) this.#flushes.set(card, flush);
      if (flush.view <= view.number) this.#early.delete(card);
    }
    const flush = this.#ownFlush();
    this.#flushes.set(this.#card, flush);
    this.#sendFlush(now, flush, outputs);
    this.#level(now, outputs);
  }

  /** Nothing of the epoch is taken or passed on any more. Control entries were its own; data is kept for the next one. */
  #leaveEpoch(): void {
    this.#queue = [];
    this.#queueHead = 0;
    this.#queuedBytes.clear();
    this.#taken.clear();
    this.#underWay = undefined;
    this.#ackAt = this.#submitAt = this.#flushAt = Infinity;
    this.#control = [];
    this.#sentId = this.#sentControl = this.#seenId = 0;
    this.#lastPass = 0;
    this.#flushes.clear();
    this.#ready.clear();
    this.#given.clear();
    this.#holder = undefined;
    this.#isReady = this.#isSyncing = false;
    this.#skip = undefined;
    this.#said.clear();
    this.#fruitless = 0;
  }

  #ownFlush(): Flush {
    const whole = (this.#whole || this.#isToBegin()) && this.#skip === undefined;
    return { kind: "flush", view: this.#view?.number ?? 0, ...this.#log.claim(), whole, ready: this.#isReady };
  }

  /** What this card holds and has not delivered lets it begin with the empty state: then it knows it at the end of what it holds. */
  #isToBegin(): boolean {
    for (let sequence = this.#log.delivered + 1; sequence <= this.#log.held; sequence++) {
      const entry = this.#log.at(sequence);
      const opened = entry.type === "view" ? readViewEntry(entry.body) : undefined;
      if (opened?.whole.length === 0 && opened.view.ether.includes(this.#card)) return true;
    }
    return false;
  }

  #sendFlush(now: number, flush: Flush, outputs: DeltaOutput[]): void {
    outputs.push({ kind: "send", to: everybody, message: flush });
    this.#flushAt = now + flushResendMs;
  }

  #onFlush(now: number, from: CardId, flush: Flush, outputs: DeltaOutput[]): void {
    const view = this.#view;
    if (view === undefined || flush.view > view.number) {
      // The commit of that view is on its way to us.
      if (this.#early.get(from)?.view !== flush.view) this.#early.set(from, flush);
      return;
    }
    if (flush.view < view.number || !view.ether.includes(from)) return this.#ignore();
    if (this.#state === "running" && !flush.ready) {
      // Ours got lost on its way to that card: without it, it cannot tell who holds the most and takes no pass. An answer
      // is ready, so that it is not answered.
      outputs.push({ kind: "send", to: from, message: { ...this.#flushes.get(this.#card) as Flush, ready: true }, isAgain: true });
      return;
    }
    if (this.#state !== "flushing") return this.#ignore();
    if (!this.#flushes.has(from)) this.#flushes.set(from, flush);
    // Who holds more than before is still at it; who has gone on answers the same again and again.
    if (this.#said.get(from) !== flush.held) this.#fruitless = 0;
    this.#said.set(from, flush.held);
    if (flush.ready) this.#ready.set(from, flush);
    const isAnswer = this.#isHolder();
    this.#level(now, outputs);
    if (isAnswer && !flush.ready) this.#sendSync(from, flush, outputs);
  }

  /** With the first words of all, each works out for itself who holds the most, and who has to be given something. */
  #level(now: number, outputs: DeltaOutput[]): void {
    const { ether } = this.#view as NodeView;
    if (this.#holder === undefined) {
      const first = ether.flatMap((from) => {
        const flush = this.#flushes.get(from);
        return flush === undefined ? [] : [{ from, ...flush }];
      });
      if (first.length < ether.length) return;
      const holder = first.reduce((most, flush) => holdsMore(flush, most) ? flush : most);
      this.#holder = holder;
      for (const flush of first) {
        // A card that holds the same needs nothing and says nothing more.
        if (!holdsMore(holder, flush)) this.#ready.set(flush.from, flush);
        else if (this.#isHolder()) this.#sendSync(flush.from, flush, outputs);
      }
      this.#isReady = this.#ready.has(this.#card);
    }
    if (ether[0] === this.#card && ether.every((card) => this.#ready.has(card))) this.#beginEpoch(now, outputs);
  }

  #isHolder(): boolean {
    return this.#holder?.from === this.#card;
  }

  /** Gives a card the next piece of what it lacks; its answer asks for the next one. */
  #sendSync(to: CardId, flush: Flush, outputs: DeltaOutput[]): void {
    const last = this.#log.held;
    const shared = this.#log.sharedWith(flush);
    const view = flush.view;
    if (shared === undefined) {
      const { marks } = this.#log;
      const epochs = [...this.#log.epochs];
      const message: Sync = { kind: "sync", view, first: last + 1, last, entries: [], skip: true, epochs, marks };
      return this.#sendPiece(to, message, outputs);
    }
    const entries = this.#log.entriesFrom(shared + 1, passEntriesMax, passBytesMax);
    this.#counters.synced += entries.length;
    this.#sendPiece(to, { kind: "sync", view, first: shared + 1, last, entries, skip: false, epochs: [], marks: [] }, outputs);
  }

  #sendPiece(to: CardId, message: Sync, outputs: DeltaOutput[]): void {
    const isAgain = this.#given.get(to) === message.first;
    this.#given.set(to, message.first);
    outputs.push({ kind: "send", to, message, ...(isAgain ? { isAgain } : {}) });
  }

  #onSync(now: number, sync: Sync, outputs: DeltaOutput[]): void {
    if (this.#state !== "flushing" || sync.view !== this.#view?.number || this.#isReady || this.#isHolder()) return this.#ignore();
    if (sync.skip) {
      this.#skip = { last: sync.last, epochs: sync.epochs, marks: sync.marks };
      this.#isReady = true;
    } else {
      const { delivered, held } = this.#log;
      const follows = this.#isSyncing ? sync.first === held + 1 : sync.first > delivered && sync.first <= held + 1;
      if (!follows) return this.#ignore();
      this.#isSyncing = true;
      this.#counters.caughtUp += sync.entries.length;
      this.#log.replace(sync.first, sync.entries);
      this.#isReady = this.#log.held === sync.last;
    }
    this.#fruitless = 0;
    const flush = this.#ownFlush();
    if (flush.ready) this.#ready.set(this.#card, flush);
    this.#sendFlush(now, flush, outputs);
    this.#level(now, outputs);
  }

  /**
   * Says again what it holds. Counted rather than timed, so that a card that was stopped does not hold its own silence against the
   * others: after many times without an answer that helps, the others run this epoch without us, as if they had had us in it.
   */
  #repeatFlush(now: number, outputs: DeltaOutput[]): void {
    this.#sendFlush(now, this.#ownFlush(), outputs);
    if (++this.#fruitless < flushesFruitlessMax) return;
    this.#fruitless = 0;
    const silent = (this.#view as NodeView).ether.filter((card) => !this.#flushes.has(card)).map((card) => `card ${card}`);
    const reason = silent.length > 0 ? `nothing came from ${silent.join(", ")}` : "the others have gone on without this card";
    outputs.push({ kind: "stuck", reason });
  }

  /** As the coordinator: the view is the first entry of its epoch. */
  #beginEpoch(now: number, outputs: DeltaOutput[]): void {
    const view = this.#view as NodeView;
    const whole = view.ether.filter((card) => this.#ready.get(card)?.whole === true);
    const first = (this.#skip?.last ?? this.#log.held) + 1;
    const entries = [entryOfView(this.#card, { view, whole })];
    this.#enterEpoch(entries, outputs);
    for (const mark of this.#log.marks) this.#taken.set(mark.card, mark.id);
    this.#acknowledged = this.#log.delivered;
    this.#propose(now, first, entries, outputs);
  }

  /** Takes in the first entries of the view's epoch, of which the first is the view. */
  #enterEpoch(entries: readonly Entry[], outputs: DeltaOutput[]): void {
    const skip = this.#skip;
    if (skip !== undefined) this.#log.skipTo(skip.last, skip.epochs, skip.marks);
    for (const entry of entries) this.#log.append(entry);
    // What is in the order already is not sent again.
    const ordered = this.#log.markOf(this.#card);
    if (skip !== undefined) {
      // What is below counts as committed once the first pass has been around, not before: others may still lack it. And
      // what was committed in an order that was overtaken counts for nothing.
      this.#committed = Math.min(this.#committed, skip.last);
      this.#whole = false;
      this.#counters.skips++;
      this.#forgetPending(ordered);
      outputs.push({ kind: "skipped", sequence: skip.last + 1, ordered });
    }
    this.#skip = undefined;
    this.#entered = this.#log.epoch;
    this.#sentId = this.#seenId = ordered;
    this.#state = "running";
    this.#isEpochDelivered = false;
    this.#flushAt = Infinity;
  }

  // ---- initiator

  #onSubmitted(now: number, type: "control" | "data", body: Uint8Array, outputs: DeltaOutput[]): void {
    if (type === "control") {
      if (this.#state !== "running") return;
      this.#control.push({ type, origin: this.#card, id: 0, body });
    } else {
      this.#pending.push({ type, origin: this.#card, id: ++this.#lastId, body });
      this.#pendingBytes += body.length;
    }
    this.#sendSubmits(now, outputs);
  }

  /**
   * Sends what has not been sent in this epoch. While data is on its way to the order, more of it gathers here, so that
   * one frame carries what came in the meantime.
   */
  #sendSubmits(now: number, outputs: DeltaOutput[], isAgain = false): void {
    const view = this.#view;
    if (this.#state !== "running" || view === undefined) return;
    const entries = this.#control.slice(this.#sentControl);
    this.#sentControl = this.#control.length;
    if (this.#open && this.#isEpochDelivered && this.#sentId <= this.#seenId) {
      const firstId = this.#pending[0]?.id ?? 0;
      let bytes = 0;
      for (let index = Math.max(0, this.#sentId + 1 - firstId); index < this.#pending.length; index++) {
        const entry = this.#pending[index] as Entry;
        bytes += entry.body.length;
        if (entries.length > 0 && (bytes > passBytesMax || entries.length >= passEntriesMax)) break;
        entries.push(entry);
        this.#sentId = entry.id;
      }
    }
    if (entries.length === 0) return;
    this.#submitAt = Math.min(this.#submitAt, now + submitResendMs);
    const coordinator = view.ether[0] as CardId;
    const floor = this.#pending[0]?.id ?? this.#lastId + 1;
    if (coordinator === this.#card) this.#onSubmit(now, this.#card, entries, floor, outputs);
    else {
      const message: Submit = { kind: "submit", view: view.number, entries, floor };
      outputs.push({ kind: "send", to: coordinator, message, ...(isAgain ? { isAgain } : {}) });
    }
  }

  /** What was sent and has not come into the order is sent once more. */
  #resendSubmits(now: number, outputs: DeltaOutput[]): void {
    this.#submitAt = Infinity;
    if (this.#sentId > this.#seenId || this.#sentControl > 0) this.#counters.submitsResent++;
    this.#sentId = this.#seenId;
    this.#sentControl = 0;
    this.#sendSubmits(now, outputs, true);
  }

  #forgetPending(upTo: number): void {
    while (this.#pending[0] !== undefined && this.#pending[0].id <= upTo) {
      this.#pendingBytes -= (this.#pending.shift() as Entry).body.length;
    }
  }

  /** Entries of ours in a pass: they are in the order now. */
  #onOwnProposed(now: number, entries: readonly Entry[], outputs: DeltaOutput[]): void {
    let isSeen = false;
    for (const entry of entries) {
      if (entry.origin !== this.#card || entry.type !== "data" || entry.id <= this.#seenId) continue;
      this.#seenId = entry.id;
      isSeen = true;
    }
    if (!isSeen) return;
    this.#sentId = Math.max(this.#sentId, this.#seenId);
    // A pass may bring a part of what was sent; the rest may have been lost on its way.
    if (this.#control.length === 0 && this.#sentId === this.#seenId) this.#submitAt = Infinity;
    this.#sendSubmits(now, outputs);
  }

  // ---- coordinator

  #onSubmit(now: number, from: CardId, entries: readonly Entry[], floor: number, outputs: DeltaOutput[]): void {
    this.#taken.set(from, Math.max(this.#taken.get(from) ?? 0, floor - 1));
    for (const entry of entries) {
      const bytes = this.#queuedBytes.get(from) ?? 0;
      const isNext = entry.type === "data"
        ? entry.id === (this.#taken.get(from) ?? 0) + 1
        : entry.type === "control" && !this.#isQueued(entry);
      if (entry.origin !== from || !isNext || bytes + entry.body.length > pendingBytesMax) {
        this.#counters.refused++;
        continue;
      }
      if (entry.type === "data") this.#taken.set(from, entry.id);
      this.#queuedBytes.set(from, bytes + entry.body.length);
      this.#queue.push(entry);
    }
    if (this.#underWay === undefined) this.#proposeNext(now, outputs);
  }

  #isQueued(entry: Entry): boolean {
    const isSame = (other: Entry) => other.type === entry.type && other.origin === entry.origin && isEqual(other.body, entry.body);
    return this.#underWay?.entries.some(isSame) === true || this.#queue.some((other, index) => index >= this.#queueHead && isSame(other));
  }

  /** Proposes what is queued; with nothing queued, an empty pass gathers the acknowledgment of the last commit. */
  #proposeNext(now: number, outputs: DeltaOutput[]): void {
    const entries: Entry[] = [];
    let bytes = 0;
    while (this.#queueHead < this.#queue.length && entries.length < passEntriesMax) {
      const entry = this.#queue[this.#queueHead] as Entry;
      bytes += entry.body.length;
      if (entries.length > 0 && bytes > passBytesMax) break;
      entries.push(entry);
      this.#queueHead++;
      this.#queuedBytes.set(entry.origin, (this.#queuedBytes.get(entry.origin) ?? 0) - entry.body.length);
    }
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    }
    if (entries.length === 0) {
      if (this.#acknowledged < this.#committed && this.#ackAt === Infinity) this.#ackAt = now + passAckMs;
      return;
    }
    const first = this.#log.held + 1;
    for (const entry of entries) this.#log.append(entry);
    this.#propose(now, first, entries, outputs);
  }

  #propose(now: number, first: number, entries: readonly Entry[], outputs: DeltaOutput[]): void {
    this.#counters.passes++;
    this.#lastPass++;
    this.#ackAt = Infinity;
    const resendMs = Math.min(Math.max(passResendMs, passResendRoundTrips * this.#roundTripMs), passResendMaxMs);
    this.#underWay = { first, entries, sentAt: now, resendAt: now + resendMs, resendMs };
    this.#onOwnProposed(now, entries, outputs);
    if (this.#next() === this.#card) return this.#onRoundTrip(now, this.#log.delivered, outputs);
    this.#sendPass(outputs);
  }

  #sendPass(outputs: DeltaOutput[], isAgain = false): void {
    const { first, entries } = this.#underWay as UnderWay;
    const view = this.#view as NodeView;
    const message: Pass = {
      kind: "pass",
      view: view.number,
      pass: this.#lastPass,
      first,
      entries,
      committed: this.#committed,
      delivered: this.#log.delivered,
    };
    outputs.push({ kind: "send", to: this.#next(), message, ...(isAgain ? { isAgain } : {}) });
  }

  /** The proposal is back: every card holds it. */
  #onRoundTrip(now: number, delivered: number, outputs: DeltaOutput[]): void {
    const { first, entries, sentAt } = this.#underWay as UnderWay;
    const view = this.#view as NodeView;
    // Of one that was sent again too, from the first time on: a ring that always takes longer must be learnt.
    this.#roundTripMs += (Math.min(now - sentAt, passResendMaxMs) - this.#roundTripMs) * roundTripShare;
    this.#underWay = undefined;
    this.#acknowledged = delivered;
    const committed = Math.max(this.#committed, first + entries.length - 1);
    if (committed > this.#committed) {
      this.#committed = committed;
      if (view.ether.length > 1) outputs.push({ kind: "send", to: everybody, message: { kind: "commit", view: view.number, committed } });
      this.#deliver(now, outputs);
      if (view.ether.length === 1) this.#acknowledged = committed;
    }
    this.#proposeNext(now, outputs);
  }

  // ---- ring

  #onPass(now: number, from: CardId, message: Pass, outputs: DeltaOutput[]): void {
    const view = this.#view;
    if (view === undefined || message.view !== view.number || from !== this.#previous()) return this.#ignore();
    if (view.ether[0] === this.#card) {
      const isBack = this.#state === "running" && this.#underWay !== undefined && message.pass === this.#lastPass;
      return isBack ? this.#onRoundTrip(now, message.delivered, outputs) : this.#ignore();
    }
    if (this.#state === "flushing") {
      const held = this.#skip?.last ?? this.#log.held;
      if (!this.#isReady || message.first !== held + 1 || message.entries[0]?.type !== "view") return this.#ignore();
      this.#enterEpoch(message.entries, outputs);
    }
    if (this.#state !== "running" || message.pass < this.#lastPass || message.first > this.#log.held + 1) return this.#ignore();
    const isAgain = message.pass === this.#lastPass;
    this.#lastPass = message.pass;
    // What was seen before is only passed on again.
    for (const entry of message.entries.slice(this.#log.held + 1 - message.first)) this.#log.append(entry);
    this.#onOwnProposed(now, message.entries, outputs);
    this.#onCommitted(now, message.committed, outputs);
    const passed = { ...message, delivered: Math.min(message.delivered, this.#log.delivered) };
    outputs.push({ kind: "send", to: this.#next(), message: passed, ...(isAgain ? { isAgain } : {}) });
  }

  #onCommit(now: number, from: CardId, message: Commit, outputs: DeltaOutput[]): void {
    const view = this.#view;
    if (this.#state !== "running" || message.view !== view?.number || from !== view.ether[0]) return this.#ignore();
    this.#onCommitted(now, message.committed, outputs);
  }

  #onCommitted(now: number, committed: number, outputs: DeltaOutput[]): void {
    // A commit can only name what we have been passed; one that overtook its proposal waits for the next pass.
    this.#committed = Math.max(this.#committed, Math.min(committed, this.#log.held));
    this.#deliver(now, outputs);
  }

  #deliver(now: number, outputs: DeltaOutput[]): void {
    while (this.#log.delivered < this.#committed) {
      const entry = this.#log.deliver();
      const sequence = this.#log.delivered;
      this.#counters.delivered++;
      if (entry.type === "view") {
        const read = readViewEntry(entry.body);
        assert(read !== undefined, "a view entry was checked when it was taken");
        outputs.push({ kind: "epoch", sequence, ...read });
        if (this.#state !== "running" || read.view.number !== this.#view?.number) continue;
        this.#isEpochDelivered = true;
        this.#submitAt = now;
        continue;
      }
      if (entry.origin === this.#card) this.#onOwnDelivered(entry);
      outputs.push({ kind: "delivered", sequence, entry });
    }
  }

  #onOwnDelivered(entry: Entry): void {
    if (entry.type === "data") return this.#forgetPending(entry.id);
    const index = this.#control.findIndex((other) => isEqual(other.body, entry.body));
    if (index < 0) return;
    this.#control.splice(index, 1);
    this.#sentControl = Math.max(0, this.#sentControl - 1);
  }

  /** The card that we pass on to, and the one that passes to us. */
  #next(): CardId {
    const { ether } = this.#view as NodeView;
    return ether[(ether.indexOf(this.#card) + 1) % ether.length] as CardId;
  }

  #previous(): CardId {
    const { ether } = this.#view as NodeView;
    return ether[(ether.indexOf(this.#card) + ether.length - 1) % ether.length] as CardId;
  }

  // ---- all

  #onMessage(now: number, from: CardId, message: DeltaMessage, outputs: DeltaOutput[]): void {
    switch (message.kind) {
      case "submit": {
        const view = this.#view;
        const isOurs = this.#state === "running" && message.view === view?.number && view.ether[0] === this.#card;
        return isOurs && view.ether.includes(from) ? this.#onSubmit(now, from, message.entries, message.floor, outputs) : this.#ignore();
      }
      case "pass":
        return areViewsRead(message.entries) ? this.#onPass(now, from, message, outputs) : this.#ignore();
      case "commit":
        return this.#onCommit(now, from, message, outputs);
      case "flush":
        return this.#onFlush(now, from, message, outputs);
      case "sync":
        return areViewsRead(message.entries) ? this.#onSync(now, message, outputs) : this.#ignore();
      default:
        return unreachable(message);
    }
  }

  #ignore(): void {
    this.#counters.ignored++;
  }

  #runTimers(now: number, outputs: DeltaOutput[]): void {
    if (now >= this.#flushAt) this.#repeatFlush(now, outputs);
    if (now >= this.#submitAt) this.#resendSubmits(now, outputs);
    if (now >= this.#ackAt) {
      this.#ackAt = Infinity;
      if (this.#underWay === undefined) this.#propose(now, this.#log.held + 1, [], outputs);
    }
    const underWay = this.#underWay;
    if (underWay !== undefined && now >= underWay.resendAt) {
      this.#counters.passesResent++;
      underWay.resendMs = Math.min(2 * underWay.resendMs, passResendMaxMs);
      underWay.resendAt = now + underWay.resendMs;
      this.#sendPass(outputs, true);
    }
  }
}

function holdsMore(one: Flush, other: Flush): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.held > other.held);
}

function areViewsRead(entries: readonly Entry[]): boolean {
  return entries.every((entry) => entry.type !== "view" || readViewEntry(entry.body) !== undefined);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
