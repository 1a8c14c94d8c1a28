/**
 * The replica decides what the configuration of the system is, together with those of the other cards: it proposes what its callers wish,
 * follows what the order accepts, has its store make that durable, and answers when all replicas have it (FS-4). `CONFIGURATION.md` tells
 * the whole.
 *
 *               store opened        knows the state        durable = accepted, said in the order
 *     opening ─────────────► joining ─────────────► catching-up ─────────────► current ◄──► stale (no quorum)
 *        ▲                      ▲  ▲  place lost        │  ▲    left the view     │
 *        │ tried again          │  └───────────────────┴──┴──────────────────────┘
 *        └────────── hold ◄─────┴──── the store failed, from every state
 *
 * Its one surprising idea: what all agree on (`replica-state.ts`) is a function of the order alone and never of a disk, so that a card
 * whose store is slow holds nobody up but those who wait for its word; and the only thing that a card is believed about its disk is
 * what it says of itself, durably done, in `caughtUp` and `configDurable`.
 *
 * Invariants: the store is given changes in the order of the chain, each once; nothing is planned but upon the accepted head; a caller is
 * told `changed` only when every replica, and enough of them, have it durably.
 */
import { unreachable } from "../base/assert.ts";
import { hex } from "../base/hex.ts";
import { type CardId, chassisOf, slotOf } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest, GroupView } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";
import {
  configAnnounceMaxMs,
  configAnnounceMs,
  configAskMs,
  configCommitBytesMax,
  configElectMs,
  configGatherMs,
  configHoldRetryMs,
  configRecentMax,
  configRecordBytesMax,
  configTailBytesMax,
  configYieldMs,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { ConfigMessage, ConfigState } from "../wire/message.ts";
import { compareHeads, emptyHead, equalBytes, headOf, isSameHead } from "./chain.ts";
import type { Change, ConfigRefusal, Head } from "./change.ts";
import { decodeReplicaEntry, encodeProposals, encodeReplicaEntry, partBytesMax, type ReplicaEntry } from "./replica-entry.ts";
import { type Outcome, ReplicaState } from "./replica-state.ts";
import { type Answered, type Caller, Wishes } from "./replica-wishes.ts";
import type { ConfigAnswer, ConfigRequest, ConfigurationStatus } from "./request.ts";
import type { Branch, StoreFault, StoreOrder, StoreResult } from "./store.ts";

/** The group whose members are the replicas, and those that want to be. */
export const configurationGroup = "cardinal.configuration";

export type ReplicaInput =
  /** This card has a store: there is a replica. */
  | { readonly kind: "storeFound" }
  | { readonly kind: "stored"; readonly result: StoreResult }
  /** The cards that vote. */
  | { readonly kind: "electorate"; readonly cards: readonly CardId[] }
  /** A view, at its place in the order. */
  | { readonly kind: "epoch"; readonly view: NodeView }
  /** What the group service tells its member, and the number of the view whose order it is from. */
  | { readonly kind: "group"; readonly event: ApplicationEvent; readonly epoch: number }
  | { readonly kind: "message"; readonly from: CardId; readonly message: ConfigMessage }
  | { readonly kind: "configure"; readonly client: number; readonly request: ConfigRequest }
  | { readonly kind: "tick" };

export type ReplicaOutput =
  | { readonly kind: "request"; readonly request: ApplicationRequest }
  | { readonly kind: "send"; readonly to: CardId; readonly message: ConfigMessage }
  | { readonly kind: "store"; readonly order: StoreOrder }
  | { readonly kind: "configured"; readonly client: number; readonly answer: ConfigAnswer }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  };

type StoreOrderBody = StoreOrder extends infer Order ? Order extends unknown ? Omit<Order, "order"> : never : never;

/** What an order to the store was for. */
type Purpose =
  | { readonly kind: "open" }
  | { readonly kind: "plan"; readonly base: Head }
  | { readonly kind: "commit"; readonly changes: readonly Change[] };

/** What a card said of itself in the order. */
type Announced = { readonly head: Head; readonly level: number; readonly levelMax: number };

/** What came between our announcement and the answer to it. */
type Recorded =
  | { readonly kind: "entry"; readonly epoch: number; readonly card: CardId; readonly entry: ReplicaEntry }
  | { readonly kind: "dropped"; readonly cards: readonly CardId[] };

type Counters = { accepted: number; refused: number; malformed: number; announced: number; elected: number; started: number };

export class Replica implements Service<ReplicaInput, ReplicaOutput> {
  readonly #card: CardId;
  readonly #counters: Counters = { accepted: 0, refused: 0, malformed: 0, announced: 0, elected: 0, started: 0 };
  readonly #load = { served: 0, servedForOthers: 0, forwarded: 0 };
  #outputs: ReplicaOutput[] = [];
  #electorate: readonly CardId[] = [];

  // The store.
  #store: "none" | "opening" | "open" | "hold" = "none";
  #fault: StoreFault | undefined;
  #retryAt = Infinity;
  #lastOrder = 0;
  readonly #orders = new Map<number, Purpose>();
  #durable: Head = emptyHead;
  #level = 0;
  #levelMax = 0;
  #branches: readonly Branch[] = [];

  // The group.
  #lastRequest = 0;
  #isMember = false;
  #group: GroupView = { number: 0, members: [] };
  #view: NodeView | undefined;
  /** Why nothing is ordered; told to us when it is so. */
  #stopped: string | undefined;
  #caughtUpSaid: Uint8Array | undefined;

  // What all agree on, and the way there.
  #state: ReplicaState | undefined;
  readonly #announced = new Map<CardId, Announced>();
  readonly #holding = new Set<CardId>();
  #announceAt = Infinity;
  #announceMs = configAnnounceMs;
  /** The place of our announcement; what came after it is recorded. */
  #announcedAt: number | undefined;
  #record: Recorded[] = [];
  #recordBytes = 0;
  #electAt = Infinity;

  // The chain.
  /** Accepted and not in the store's hands; each follows on the one before. */
  #tail: Change[] = [];
  #tailBytes = 0;
  /** The last change that the store was given. */
  #ordered: Head = emptyHead;
  readonly #recent = new Map<number, Uint8Array>();
  readonly #durableOf = new Map<CardId, Head>();
  #askAt = Infinity;
  /** Others' turn lasts until then. */
  #yieldUntil = -Infinity;
  #knownAt = -Infinity;

  readonly #wishes: Wishes;

  constructor(card: CardId) {
    this.#card = card;
    this.#wishes = new Wishes(card);
  }

  deadline(): number {
    if (this.#store === "none") return Infinity;
    const yieldAt = this.#wishes.isWaiting && Number.isFinite(this.#yieldUntil) ? this.#yieldUntil : Infinity;
    return Math.min(this.#retryAt, this.#announceAt, this.#electAt, this.#askAt, yieldAt, this.#wishes.deadline());
  }

  step(now: number, input: ReplicaInput): ReplicaOutput[] {
    switch (input.kind) {
      case "storeFound":
        if (this.#store === "none") this.#openStore();
        break;
      case "stored":
        this.#onStored(now, input.result);
        break;
      case "electorate":
        this.#electorate = input.cards;
        break;
      case "epoch":
        this.#onEpoch(now, input.view);
        break;
      case "group":
        this.#onGroup(now, input.epoch, input.event);
        break;
      case "message":
        this.#onMessage(now, input.from, input.message);
        break;
      case "configure":
        this.#onConfigure(now, input.client, input.request);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    if (this.#store !== "none") {
      this.#runTimers(now);
      this.#advance(now);
    }
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** The durable head. */
  get head(): Head {
    return this.#durable;
  }

  /** `undefined` on a card without a store. */
  status(now: number): ConfigurationStatus | undefined {
    if (this.#store === "none") return undefined;
    const { state, reason } = this.#condition();
    const { sequence, epoch, hash } = this.#durable;
    return {
      state,
      ...(reason === undefined ? {} : { reason }),
      ...(this.#fault === undefined ? {} : { code: this.#fault.code }),
      head: { sequence, epoch, hash: hex(hash) },
      level: this.#level,
      levelMax: this.#levelMax,
      replicas: this.#state?.replicas ?? [],
      ageMs: state === "current" ? 0 : Math.round(now - Math.max(this.#knownAt, 0)),
      branches: this.#branches.map(({ id, setAsideAt, head, common }) => ({
        id,
        setAsideAt,
        changes: head.sequence - common.sequence,
        since: common.sequence,
      })),
      pending: this.#wishes.count,
      load: { ...this.#load },
      counters: { ...this.#counters },
    };
  }

  #condition(): { readonly state: ConfigurationStatus["state"]; readonly reason?: string } {
    if (this.#store === "hold") return { state: "hold", reason: (this.#fault as StoreFault).message };
    if (this.#store !== "open") return { state: "opening" };
    if (this.#stopped !== undefined) return { state: "stale", reason: this.#stopped };
    const state = this.#state;
    if (state === undefined) return { state: "joining", reason: this.#whyJoining() };
    if (state.isReplica(this.#card)) return { state: "current" };
    const behind = state.accepted.sequence - this.#durable.sequence;
    return { state: "catching-up", reason: behind > 0 ? `${behind} changes behind` : "waiting for its turn in the order" };
  }

  #whyJoining(): string {
    if (!this.#isMember) return "joining the group of replicas";
    const silent = (this.#view?.ether ?? []).filter((card) => !this.#announced.has(card) && !this.#holding.has(card));
    return silent.length === 0 ? "waiting for the state of the replicas" : `waiting for the word of ${named(silent)}`;
  }

  /** Whether this card's answers are the system's. */
  get #isCurrent(): boolean {
    return this.#store === "open" && this.#stopped === undefined && this.#state?.isReplica(this.#card) === true;
  }

  // ---- the store

  #order(body: StoreOrderBody, purpose: Purpose): void {
    const order = ++this.#lastOrder;
    this.#orders.set(order, purpose);
    this.#outputs.push({ kind: "store", order: { order, ...body } as StoreOrder });
  }

  #openStore(): void {
    this.#store = "opening";
    this.#retryAt = Infinity;
    this.#order({ kind: "open" }, { kind: "open" });
  }

  #onStored(now: number, result: StoreResult): void {
    const purpose = this.#orders.get(result.order);
    if (purpose === undefined) return;
    this.#orders.delete(result.order);
    if (result.kind === "failed") return this.#enterHold(now, result.fault);
    switch (purpose.kind) {
      case "open":
        if (result.kind === "opened") this.#onOpened(now, result);
        return;
      case "plan":
        if (result.kind !== "planned" || this.#state === undefined) return;
        // Others came first while the store was at it.
        if (!isSameHead(purpose.base, this.#state.accepted) || !this.#isCurrent) return this.#wishes.replan();
        return this.#propose(now, purpose.base, this.#wishes.onPlanned(purpose.base, result.outcomes, partBytesMax));
      case "commit":
        if (result.kind === "committed") this.#onCommitted(purpose.changes, result.head, result.level);
        return;
      default:
        return unreachable(purpose);
    }
  }

  #onOpened(now: number, opened: Extract<StoreResult, { kind: "opened" }>): void {
    this.#store = "open";
    this.#fault = undefined;
    this.#durable = this.#ordered = opened.head;
    this.#level = opened.level;
    this.#levelMax = opened.levelMax;
    this.#branches = opened.branches;
    this.#log("info", "configuration opened", { sequence: opened.head.sequence, level: opened.level });
    this.#outputs.push({ kind: "request", request: this.#joinRequest() });
    this.#forgetState(now);
  }

  #joinRequest(): ApplicationRequest {
    const name = `card ${chassisOf(this.#card)}/${slotOf(this.#card)}`;
    return { kind: "join", request: ++this.#lastRequest, group: configurationGroup, name, critical: false, monitorMs: 0 };
  }

  #onCommitted(changes: readonly Change[], head: Head, level: number): void {
    this.#durable = head;
    this.#level = level;
    const origins = new Set(changes.map(({ card }) => card));
    for (const card of origins) if (card !== this.#card) this.#send(card, { kind: "configDurable", head });
  }

  /** The store cannot be used: this card is no replica, and says so in every epoch. */
  #enterHold(now: number, fault: StoreFault): void {
    if (this.#store === "hold") return;
    this.#store = "hold";
    this.#fault = fault;
    this.#orders.clear();
    this.#log("error", "configuration in hold", { code: fault.code, reason: fault.message });
    this.#forgetState(now);
    this.#announceAt = Infinity;
    if (fault.code === "disk-full" || fault.code === "io") this.#retryAt = now + configHoldRetryMs;
    if (this.#isMember) {
      this.#outputs.push({ kind: "request", request: { kind: "leave", request: ++this.#lastRequest, group: configurationGroup } });
    }
    this.#isMember = false;
    this.#sayHolding();
  }

  // ---- the order

  #say(entry: ReplicaEntry): void {
    const request: ApplicationRequest = {
      kind: "send",
      request: ++this.#lastRequest,
      group: configurationGroup,
      data: encodeReplicaEntry(entry),
    };
    this.#outputs.push({ kind: "request", request });
  }

  #sayHolding(): void {
    this.#say({ kind: "announce", head: this.#durable, level: this.#level, levelMax: this.#levelMax, held: true });
  }

  #onEpoch(now: number, view: NodeView): void {
    this.#view = view;
    this.#holding.clear();
    if (this.#store === "hold") this.#sayHolding();
    if (this.#state === undefined) this.#electAt = now + configElectMs;
  }

  #onGroup(now: number, epoch: number, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
        this.#isMember = true;
        this.#group = event.view;
        return this.#forgetState(now);
      case "view": {
        this.#group = event.view;
        const changed = event.changes.map(({ member }) => member.card);
        return this.#onMembersChanged(now, changed);
      }
      case "message":
        return this.#onEntry(now, epoch, event.sequence, event.from.card, event.from.number > 0, event.data);
      case "lost":
        return this.#forgetState(now);
      case "stopped":
        this.#stopped = event.reason;
        return;
      case "resumed":
        this.#stopped = undefined;
        if (this.#isMember && !this.#isCurrent) this.#announceSoon(now);
        return;
      case "refused":
        return this.#onRefusedRequest(now);
      case "sent":
      case "left":
      case "watching":
      case "monitor":
        return;
      default:
        return unreachable(event);
    }
  }

  /** The group service had no room. What was said is said again when its time comes. */
  #onRefusedRequest(now: number): void {
    this.#caughtUpSaid = undefined;
    if (!this.#isMember && this.#store === "open") this.#retryAt = now + configHoldRetryMs;
    if (this.#state === undefined) this.#announceAt = Math.min(this.#announceAt, now + this.#announceMs);
  }

  #onMembersChanged(now: number, cards: readonly CardId[]): void {
    for (const card of cards) {
      this.#announced.delete(card);
      this.#durableOf.delete(card);
    }
    this.#state?.drop(cards);
    if (this.#announcedAt !== undefined) this.#record.push({ kind: "dropped", cards });
    // Nobody knows what is accepted any more: all begin from what they have.
    if (this.#state?.replicas.length === 0) return this.#forgetState(now);
    // Somebody new has not heard what we announced.
    if (this.#isMember && !this.#isCurrent) this.#announceSoon(now);
    this.#electAt = this.#state === undefined ? now + configElectMs : Infinity;
  }

  /** This card does not know the state of the replicas (any more): it announces itself. */
  #forgetState(now: number): void {
    if (this.#isCurrent) this.#knownAt = now;
    this.#state = undefined;
    this.#tail = [];
    this.#tailBytes = 0;
    this.#recent.clear();
    this.#durableOf.clear();
    this.#announced.clear();
    this.#announcedAt = undefined;
    this.#record = [];
    this.#recordBytes = 0;
    this.#caughtUpSaid = undefined;
    this.#askAt = Infinity;
    this.#announceMs = configAnnounceMs;
    this.#answerAll(this.#wishes.onDoubt());
    this.#electAt = now + configElectMs;
    if (this.#isMember) this.#announceSoon(now);
  }

  #announceSoon(now: number): void {
    this.#announceAt = Math.min(this.#announceAt, now + configGatherMs);
  }

  #announce(now: number): void {
    this.#counters.announced++;
    this.#announceAt = now + this.#announceMs;
    this.#announceMs = Math.min(2 * this.#announceMs, configAnnounceMaxMs);
    this.#say({ kind: "announce", head: this.#durable, level: this.#level, levelMax: this.#levelMax, held: false });
  }

  #onEntry(now: number, epoch: number, sequence: number, card: CardId, isMember: boolean, data: Uint8Array): void {
    const entry = decodeReplicaEntry(data);
    const isHeld = entry?.kind === "announce" && entry.held;
    if (entry === undefined || (!isMember && !isHeld)) {
      this.#counters.malformed++;
      return;
    }
    if (entry.kind === "announce") this.#onAnnounced(sequence, card, entry);
    if (this.#state !== undefined) return this.#applyEntry(now, epoch, sequence, card, entry);
    if (entry.kind === "elect") return this.#onElected(now, epoch, entry);
    if (entry.kind === "caughtUp") this.#announced.delete(card);
    if (this.#announcedAt === undefined || sequence <= this.#announcedAt) return;
    this.#record.push({ kind: "entry", epoch, card, entry });
    this.#recordBytes += data.length;
    if (this.#recordBytes > configRecordBytesMax) this.#forgetState(now);
  }

  #onAnnounced(sequence: number, card: CardId, { head, level, levelMax, held }: Extract<ReplicaEntry, { kind: "announce" }>): void {
    if (held) {
      this.#announced.delete(card);
      this.#holding.add(card);
      return;
    }
    this.#holding.delete(card);
    this.#announced.set(card, { head, level, levelMax });
    if (card !== this.#card || this.#state !== undefined) return;
    this.#announcedAt = sequence;
    this.#record = [];
    this.#recordBytes = 0;
  }

  #applyEntry(now: number, epoch: number, sequence: number, card: CardId, entry: ReplicaEntry): void {
    const state = this.#state as ReplicaState;
    const outcome = state.apply(epoch, card, entry);
    if (state.replicas.length === 0) return this.#forgetState(now);
    if (entry.kind === "announce") {
      this.#durableOf.delete(card);
      const isAnswering = !entry.held && card !== this.#card && state.replicas[0] === this.#card;
      if (isAnswering) this.#send(card, { kind: "configState", announced: sequence, ...state.snapshot() });
    }
    if (entry.kind === "caughtUp" && state.isReplica(card)) this.#durableOf.set(card, entry.head);
    this.#onOutcome(now, card, outcome);
  }

  #onOutcome(now: number, card: CardId, outcome: Outcome): void {
    switch (outcome.kind) {
      case "none":
        return;
      case "replicas":
        if (card !== this.#card || !this.#isCurrent) return;
        this.#announceAt = Infinity;
        this.#log("info", "configuration current", { sequence: this.#durable.sequence });
        return;
      case "accepted":
        this.#counters.accepted += outcome.changes.length;
        for (const change of outcome.changes) this.#follow(change);
        if (card === this.#card) {
          this.#wishes.onAccepted(outcome.id, outcome.changes);
          this.#askAt = now + configAskMs;
        }
        // Somebody's turn is over.
        this.#yieldUntil = now + configYieldMs;
        return;
      case "refused":
        this.#counters.refused++;
        if (card === this.#card) this.#answerAll(this.#wishes.onRefused(outcome.id));
        this.#yieldUntil = now + configYieldMs;
        return;
      case "missed":
        return this.#forgetState(now);
      default:
        return unreachable(outcome);
    }
  }

  /** Takes up an accepted change. What is too much to be kept is asked for again later. */
  #follow(change: Change): void {
    this.#tail.push(change);
    this.#tailBytes += change.changeset.length;
    while (this.#tailBytes > configTailBytesMax && this.#tail.length > 1) {
      this.#tailBytes -= (this.#tail.shift() as Change).changeset.length;
    }
    this.#recent.set(change.sequence, change.hash);
    this.#recent.delete(change.sequence - configRecentMax);
  }

  // ---- coming to know the state

  #onElected(now: number, epoch: number, { groupView, head, level, replicas }: Extract<ReplicaEntry, { kind: "elect" }>): void {
    if (groupView !== this.#group.number) return;
    this.#counters.elected++;
    const levels = [...this.#announced].map(([card, { levelMax }]) => ({ card, levelMax }));
    this.#log("info", "configuration begins", { sequence: head.sequence, replicas });
    this.#knowState(now, { accepted: head, level, lineage: epoch, replicas, levels, line: [], parts: undefined });
  }

  #onState(now: number, message: ConfigState): void {
    if (this.#state !== undefined || message.announced !== this.#announcedAt) return;
    const record = this.#record;
    this.#knowState(now, message);
    for (const recorded of record) {
      if (this.#state === undefined) return;
      if (recorded.kind === "dropped") this.#onMembersChanged(now, recorded.cards);
      else this.#applyEntry(now, recorded.epoch, 0, recorded.card, recorded.entry);
    }
  }

  #knowState(now: number, snapshot: ConstructorParameters<typeof ReplicaState>[0]): void {
    this.#state = new ReplicaState(snapshot);
    this.#announcedAt = undefined;
    this.#record = [];
    this.#recordBytes = 0;
    this.#announceAt = this.#electAt = Infinity;
    this.#recent.set(snapshot.accepted.sequence, snapshot.accepted.hash);
    for (const card of snapshot.replicas) this.#durableOf.set(card, snapshot.accepted);
    this.#yieldUntil = now;
    if (snapshot.level > this.#levelMax) {
      const message = `the configuration has level ${snapshot.level}, this card's software stores up to ${this.#levelMax}: upgrade it`;
      this.#enterHold(now, { code: "too-old", message });
    }
  }

  /** Who has spoken last of those that could be asked for: begin with what the best of them has. */
  #elect(now: number): void {
    const members = this.#group.members.map(({ card }) => card);
    const isComplete = members.length > 0 && members.every((card) => this.#announced.has(card));
    if (!isComplete || members[0] !== this.#card || this.#stopped !== undefined) return;
    const silent = (this.#view?.ether ?? []).filter((card) => !members.includes(card) && !this.#holding.has(card));
    if (silent.length > 0 && now < this.#electAt) return;
    if (!this.#isEnough(members)) return;
    const best = [...this.#announced.values()].reduce((one, other) => compareHeads(other.head, one.head) > 0 ? other : one);
    const replicas = members.filter((card) => isSameHead((this.#announced.get(card) as Announced).head, best.head));
    this.#say({ kind: "elect", groupView: this.#group.number, head: best.head, level: best.level, replicas });
    this.#electAt = now + configElectMs;
  }

  /**
   * Whether what these cards have cannot be passed over by any quorum: more than half of the electorate; or half of it, when it is all
   * that the view orders messages with, or when there are only two cards, of which one must be able to go on.
   */
  #isEnough(cards: readonly CardId[]): boolean {
    const voters = cards.filter((card) => this.#electorate.includes(card));
    const half = this.#electorate.length / 2;
    if (voters.length > half) return true;
    const ether = this.#view?.ether ?? [];
    return voters.length === half && (half === 1 || ether.every((card) => cards.includes(card)));
  }

  // ---- carrying on

  #runTimers(now: number): void {
    if (now >= this.#retryAt) {
      this.#retryAt = Infinity;
      if (this.#store === "hold") this.#openStore();
      else if (!this.#isMember) this.#outputs.push({ kind: "request", request: this.#joinRequest() });
    }
    if (now >= this.#announceAt) {
      if (this.#stopped === undefined && this.#isMember && !this.#isCurrent) this.#announce(now);
      else this.#announceAt = Infinity;
    }
    if (now >= this.#askAt) this.#askDurable(now);
    if (now >= this.#wishes.deadline()) this.#answerAll(this.#wishes.expire(now, this.#whyUnacknowledged()));
  }

  /** What follows from what is known by now. */
  #advance(now: number): void {
    if (this.#store !== "open") return;
    const state = this.#state;
    if (state === undefined) {
      if (this.#isMember) this.#elect(now);
      return;
    }
    this.#commit();
    if (!state.isReplica(this.#card) && isSameHead(this.#durable, state.accepted)) this.#sayCaughtUp(state.accepted);
    if (!this.#isCurrent) return;
    this.#acknowledge(state);
    this.#seeToOwn(now, state);
    this.#plan(now, state);
  }

  /** Gives the store what follows on what it has, one transaction at a time: what comes meanwhile goes into the next one together. */
  #commit(): void {
    if ([...this.#orders.values()].some(({ kind }) => kind === "commit")) return;
    while (this.#tail[0] !== undefined && this.#tail[0].sequence <= this.#ordered.sequence) this.#shift();
    if (this.#tail[0] === undefined || !equalBytes(this.#tail[0].previous, this.#ordered.hash)) return;
    const changes: Change[] = [];
    let bytes = 0;
    while (this.#tail[0] !== undefined && (changes.length === 0 || bytes + this.#tail[0].changeset.length <= configCommitBytesMax)) {
      const change = this.#shift();
      bytes += change.changeset.length;
      changes.push(change);
    }
    this.#ordered = headOf(changes.at(-1) as Change);
    this.#order({ kind: "commit", changes }, { kind: "commit", changes });
  }

  #shift(): Change {
    const change = this.#tail.shift() as Change;
    this.#tailBytes -= change.changeset.length;
    return change;
  }

  #sayCaughtUp(head: Head): void {
    if (this.#caughtUpSaid !== undefined && equalBytes(this.#caughtUpSaid, head.hash)) return;
    this.#caughtUpSaid = head.hash;
    this.#say({ kind: "caughtUp", head });
  }

  /** Plans what waits, when nothing of ours is under way and nobody else's turn is on. */
  #plan(now: number, state: ReplicaState): void {
    if (!this.#wishes.isWaiting || this.#wishes.isUnderWay || !isSameHead(this.#ordered, state.accepted)) return;
    if ((state.level === 0 && !this.#wishes.hasOwn) || !this.#isEnough(state.replicas)) return;
    const isOthersTurn = state.line[0] !== undefined && state.line[0] !== this.#card && now < this.#yieldUntil;
    if (state.busy !== undefined || isOthersTurn) return;
    const wishes = this.#wishes.batch();
    this.#order({ kind: "plan", wishes, card: this.#card }, { kind: "plan", base: state.accepted });
  }

  #propose(_now: number, base: Head, { answers, id, proposals }: ReturnType<Wishes["onPlanned"]>): void {
    this.#answerAll(answers);
    if (proposals.length === 0) return;
    const bytes = encodeProposals(proposals);
    if (bytes.length <= partBytesMax) return this.#say({ kind: "propose", id, base: base.hash, proposals });
    const count = Math.ceil(bytes.length / partBytesMax);
    for (let index = 0; index < count; index++) {
      const data = bytes.slice(index * partBytesMax, (index + 1) * partBytesMax);
      this.#say({ kind: "part", id, index, count, base: base.hash, data });
    }
  }

  /** What the replicas themselves see to: that the chain rises to the level that all can store, and that an old change is vouched for anew. */
  #seeToOwn(now: number, state: ReplicaState): void {
    if (this.#wishes.hasOwn || !this.#isEnough(state.replicas)) return;
    const author = `card ${chassisOf(this.#card)}/${slotOf(this.#card)}`;
    if (state.replicas[0] === this.#card) {
      const cards = state.level === 0 ? state.replicas : [...new Set([...state.replicas, ...this.#electorate])];
      const canAll = cards.every((card) => state.isReplica(card));
      const level = Math.min(...cards.map((card) => state.levelMaxOf(card) ?? 0));
      if (canAll && level > state.level) {
        this.#wishes.add(now, { kind: "self" }, { author, comment: `level ${level}`, key: "", operations: [] }, level);
      }
    }
  }

  // ---- what is durable where

  #acknowledge(state: ReplicaState): void {
    if (this.#wishes.awaited === undefined || !this.#isEnough(state.replicas)) return;
    this.#answerAll(this.#wishes.onDurable(this.#durableEverywhere(state)));
    if (this.#wishes.awaited === undefined) this.#askAt = Infinity;
  }

  #durableEverywhere(state: ReplicaState): number {
    return Math.min(...state.replicas.map((card) => this.#durableOn(card)));
  }

  /** The sequence up to which a card has our chain durably, as far as we know. */
  #durableOn(card: CardId): number {
    if (card === this.#card) return this.#durable.sequence;
    const head = this.#durableOf.get(card);
    const ours = head === undefined ? undefined : this.#recent.get(head.sequence);
    return head !== undefined && ours !== undefined && equalBytes(ours, head.hash) ? head.sequence : 0;
  }

  #askDurable(now: number): void {
    const awaited = this.#wishes.awaited;
    this.#askAt = Infinity;
    if (awaited === undefined || this.#state === undefined) return;
    this.#askAt = now + configAskMs;
    for (const card of this.#state.replicas) {
      if (card !== this.#card && this.#durableOn(card) < awaited) this.#send(card, { kind: "configAsk", id: 0, what: "durable" });
    }
  }

  #whyUnacknowledged(): string | undefined {
    const state = this.#state;
    if (this.#stopped !== undefined) return this.#stopped;
    if (state === undefined) return "this card does not know the present head";
    if (!this.#isEnough(state.replicas)) return `only ${named(state.replicas)} of ${this.#electorate.length} cards have the present head`;
    const awaited = this.#wishes.awaited ?? 0;
    const slow = state.replicas.filter((card) => this.#durableOn(card) < awaited);
    return slow.length === 0 ? undefined : `not durable on ${named(slow)}`;
  }

  // ---- messages

  #send(to: CardId, message: ConfigMessage): void {
    this.#outputs.push({ kind: "send", to, message });
  }

  #onMessage(now: number, from: CardId, message: ConfigMessage): void {
    if (this.#store === "none") return;
    switch (message.kind) {
      case "configState":
        return this.#onState(now, message);
      case "configDurable":
        this.#durableOf.set(from, message.head);
        return;
      case "configAsk":
        if (message.what === "durable" && this.#store === "open") this.#send(from, { kind: "configDurable", head: this.#durable });
        return;
      case "configGive":
      case "configForward":
      case "configAnswer":
        return;
      default:
        return unreachable(message);
    }
  }

  // ---- requests

  #onConfigure(now: number, client: number, request: ConfigRequest): void {
    const caller: Caller = { kind: "client", client };
    if (request.kind !== "change") return this.#refuse(caller, "hold", "not carried out here");
    if (this.#store === "none") return this.#refuse(caller, "hold", "this card keeps no configuration");
    if (this.#stopped !== undefined) return this.#refuse(caller, "no-quorum", this.#stopped);
    this.#load.served++;
    const refused = this.#wishes.add(now, caller, request.wish);
    if (refused !== undefined) this.#answer({ caller, answer: refused });
  }

  #refuse(caller: Caller, code: ConfigRefusal["code"], message: string): void {
    this.#answer({ caller, answer: { kind: "refused", refusal: { code, message }, servedBy: this.#card } });
  }

  #answerAll(answers: readonly Answered[]): void {
    for (const answered of answers) this.#answer(answered);
  }

  #answer({ caller, answer }: Answered): void {
    if (caller.kind === "client") this.#outputs.push({ kind: "configured", client: caller.client, answer });
  }

  #log(
    level: "debug" | "info" | "warn" | "error",
    event: string,
    fields: Readonly<Record<string, string | number | readonly (string | number)[]>>,
  ): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}

function named(cards: readonly CardId[]): string {
  return cards.map((card) => `card ${card}`).join(", ");
}
