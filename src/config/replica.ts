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
import { type CardId, cardName } from "../base/ids.ts";
import type { ApplicationEvent } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";
import { configHoldRetryMs, configObjectMs, configRecentMax } from "../limits.ts";
import type { Service } from "../service.ts";
import type { ConfigMessage, ConfigState } from "../wire/message.ts";
import { emptyHead, equalBytes, isSameHead } from "./chain.ts";
import type { Change, Head } from "./change.ts";
import { ConfigAlarms } from "./replica-alarms.ts";
import { Database, type Opened } from "./replica-database.ts";
import { Durability } from "./replica-durability.ts";
import { Electorate, named } from "./replica-electorate.ts";
import { decodeReplicaEntry, partBytesMax, proposalEntries, type ReplicaEntry } from "./replica-entry.ts";
import { digestOf, Heads } from "./replica-heads.ts";
import type { LogFields, ReplicaInput, ReplicaOutput } from "./replica-io.ts";
import { Joining } from "./replica-joining.ts";
import { Requests } from "./replica-requests.ts";
import { type Outcome, ReplicaState, type Snapshot } from "./replica-state.ts";
import { Seat } from "./replica-seat.ts";
import { conditionOf, type Situation, statusOf } from "./replica-status.ts";
import { Tail } from "./replica-tail.ts";
import { Transfers } from "./replica-transfers.ts";
import { Turn } from "./replica-turn.ts";
import { Upkeep } from "./replica-upkeep.ts";
import { type Caller, Wishes } from "./replica-wishes.ts";
import type { ConfigRequest, ConfigurationStatus } from "./request.ts";
import type { StoreFault, StoreResult } from "./store.ts";

/** Faults that may pass without anybody's doing. */
const passingFaults: ReadonlySet<StoreFault["code"]> = new Set(["disk-full", "io", "read-only"]);

export class Replica implements Service<ReplicaInput, ReplicaOutput> {
  readonly #card: CardId;
  readonly #counters = { accepted: 0, refused: 0, malformed: 0, announced: 0, elected: 0 };
  readonly #alarms = new ConfigAlarms();
  #outputs: ReplicaOutput[] = [];
  #electorate = new Electorate();

  // The store.
  #store: "none" | "opening" | "open" | "hold" = "none";
  #fault: StoreFault | undefined;
  #retryAt = Infinity;
  readonly #database = new Database((order) => this.#outputs.push({ kind: "store", order }));
  readonly #upkeep: Upkeep;

  // The group.
  readonly #seat: Seat;
  #view: NodeView | undefined;
  /** Why nothing is ordered; told to us when it is so. */
  #stopped: string | undefined;

  // What all agree on, and the way there.
  #state: ReplicaState | undefined;
  readonly #joining: Joining;
  readonly #transfers: Transfers;
  #caughtUpSaid: Uint8Array | undefined;
  /** When this card last knew that its head is the system's. */
  #currentAt = -Infinity;

  // The chain.
  /** The newest view in which something was accepted, as far as this card knows. */
  #seen = 0;
  readonly #tail = new Tail();
  /** The first change that these replicas accepted, as far as this card has seen it. */
  #firstOfLineage: number | undefined;
  readonly #heads = new Heads(configRecentMax);
  readonly #durability = new Durability(this.#heads);
  readonly #turn = new Turn();

  readonly #wishes: Wishes;
  readonly #requests: Requests;

  /** `nonce`: drawn at each start of the card, 32 bits. */
  constructor(card: CardId, nonce: number) {
    this.#card = card;
    this.#seat = new Seat(card, (request) => this.#outputs.push({ kind: "request", request }));
    this.#wishes = new Wishes(card);
    this.#requests = new Requests(card, nonce, this.#wishes, {
      send: (to, message, isAgain) => this.#send(to, message, isAgain),
      configured: (client, answer) => this.#outputs.push({ kind: "configured", client, answer }),
      stopped: () => this.#stopped,
      isCurrent: () => this.isCurrent,
      isToBeForwarded: () => this.#isToBeForwarded,
      servers: () => this.#servers(),
    });
    this.#joining = new Joining(card);
    this.#upkeep = new Upkeep({
      order: (body, take) => this.#database.order(body, take, body.kind === "reset" ? "database" : undefined),
      hold: (now, fault) => this.#enterHold(now, fault),
      answer: (client, answer) => this.#outputs.push({ kind: "configured", client, answer }),
      onReset: (now, opened) => this.#onOpened(now, opened),
      whyNoRepair: () => this.#stopped ?? (this.#servers().length > 0 ? undefined : "no other card has the configuration"),
      reopen: () => this.#openStore(),
      leave: (now) => this.#leave(now),
    }, card);
    this.#transfers = new Transfers(card, this.#database, {
      send: (to, message, isAgain) => this.#send(to, message, isAgain),
      onOpened: (opened) => this.#takeDatabase(opened),
      commit: (changes) => this.#orderCommit(changes),
      log: (event, fields) => this.#log("info", event, fields),
    });
  }

  deadline(): number {
    if (this.#store === "none") return Infinity;
    return Math.min(
      this.#retryAt,
      this.#durability.deadline(),
      this.#turn.deadline(),
      this.#tail.objection?.until ?? Infinity,
      this.#joining.deadline(),
      this.#transfers.deadline(),
      this.#upkeep.deadline(),
      this.#seat.deadline(),
      this.#wishes.deadline(),
      this.#requests.deadline(),
      this.#alarms.deadline(),
    );
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
        this.#electorate = new Electorate(input.cards, input.tieBreak);
        break;
      case "epoch":
        this.#onEpoch(now, input.view);
        break;
      case "group":
        this.#onGroup(now, input.epoch, input.event);
        break;
      case "message":
        if (this.#store !== "none") this.#onMessage(now, input.from, input.message);
        break;
      case "beat":
        this.#onBeat(now, input.from, input.head);
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
      this.#watch(now);
    }
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** What heartbeats say of the durable head, `undefined` where there is none. */
  digest(): number | undefined {
    return this.#store === "none" || this.#store === "opening" ? undefined : digestOf(this.#database.durable);
  }

  /** `undefined` on a card without a store. */
  status(now: number): ConfigurationStatus | undefined {
    if (this.#store === "none") return undefined;
    const situation = this.#situation();
    const condition = conditionOf(situation);
    const progress = condition.state === "catching-up" ? this.#transfers.progress() : undefined;
    return {
      ...statusOf(now, situation, condition, this.#currentAt),
      ...(progress === undefined ? {} : { progress }),
      pending: this.#requests.count,
      load: this.#requests.load(),
      counters: { ...this.#counters, ...this.#transfers.counters },
    };
  }

  #situation(): Situation {
    return {
      card: this.#card,
      store: this.#store,
      fault: this.#fault,
      stopped: this.#stopped,
      state: this.#state,
      isMember: this.#seat.isMember,
      silent: () => this.#joining.silent(this.#view?.ether ?? []),
      lack: () => this.#electorate.lackOf(this.#seat.group.members.map(({ card }) => card)),
      database: this.#database,
    };
  }

  get #isReplica(): boolean {
    return this.#state?.isReplica(this.#card) === true;
  }

  /** Whether this card keeps the configuration. */
  get isKept(): boolean {
    return this.#store !== "none";
  }

  /** Whether this card's answers are the system's. */
  get isCurrent(): boolean {
    return this.#store === "open" && this.#stopped === undefined && this.#isReplica;
  }

  // ---- the store

  #onStored(now: number, result: StoreResult): void {
    const failure = this.#database.onResult(now, result);
    if (failure === undefined) return;
    if (failure.unfit === undefined) this.#enterHold(now, failure.fault);
    else this.#onUnfit(now, failure.unfit, failure.fault);
  }

  #openStore(): void {
    this.#store = "opening";
    this.#retryAt = Infinity;
    this.#database.order({ kind: "open" }, (now, result) => {
      if (result.kind === "opened") this.#onOpened(now, result);
    }, "database");
  }

  #onOpened(now: number, opened: Opened): void {
    this.#store = "open";
    this.#fault = undefined;
    this.#retryAt = Infinity;
    this.#takeDatabase(opened);
    this.#transfers.onStoreOpened();
    this.#upkeep.onOpened(now);
    this.#log("info", "configuration opened", { sequence: opened.head.sequence, tables: opened.level });
    this.#seat.ask();
    this.#forgetState(now);
  }

  #takeDatabase(opened: Opened): void {
    this.#database.onOpened(opened);
    this.#seen = Math.max(this.#seen, opened.head.epoch);
  }

  /** False while the others take this card for a member. */
  #leave(now: number): boolean {
    this.#seat.leave();
    this.#forgetState(now);
    return !this.#seat.isLeaving;
  }

  /** The store cannot be used: this card is no replica, and says so in every epoch. */
  #enterHold(now: number, fault: StoreFault): void {
    const isNew = this.#store !== "hold";
    const isKnown = !isNew && this.#fault?.code === fault.code;
    this.#store = "hold";
    this.#fault = fault;
    this.#database.forgetOrders();
    this.#retryAt = passingFaults.has(fault.code) ? now + configHoldRetryMs : Infinity;
    this.#upkeep.onHold(now, fault);
    if (!isKnown) this.#log("error", "configuration in hold", { code: fault.code, reason: fault.message });
    if (!isNew) return;
    this.#leave(now);
    this.#joining.end();
    this.#sayHolding();
  }

  // ---- changes that do not fit

  /**
   * The store does not take these changes: either it is not what it should be, or that of the card that planned them is not. Which of them it
   * is, is found by giving them one by one; then this card objects, proves itself, and waits for what the others say.
   */
  #onUnfit(now: number, changes: readonly Change[], fault: StoreFault): void {
    this.#database.failOrders(now, fault);
    this.#transfers.abandon();
    this.#database.order({ kind: "open" }, (_now, result) => {
      if (result.kind !== "opened") return;
      this.#takeDatabase(result);
      // They may have been taken back in the meantime.
      const accepted = changes.filter(({ sequence, hash }) => equalBytes(this.#heads.hashAt(sequence) ?? emptyHead.hash, hash));
      if (this.#state === undefined || (accepted.length === 0 && this.#isReplica)) return;
      this.#tail.unshift(accepted);
      if (changes.length > 1) return;
      this.#tail.objectTo(fault, now + configObjectMs);
      this.#log("error", "change does not fit", {
        sequence: changes[0]?.sequence ?? 0,
        from: changes[0]?.card ?? 0,
        reason: fault.message,
      });
      this.#seat.say({ kind: "object", head: this.#database.durable, level: this.#database.level });
      this.#upkeep.prove();
    }, "database");
  }

  /** Most replicas could not take what was behind this head: all go back to it, those that have more set it aside. */
  #onTakenBack(head: Head): void {
    this.#log("warn", "configuration taken back", { sequence: head.sequence, replicas: this.#state?.replicas ?? [] });
    this.#tail.clear();
    this.#firstOfLineage = undefined;
    this.#heads.takeBack(head.sequence);
    this.#durability.onTakenBack(head.sequence);
    this.#transfers.abandon();
    this.#wishes.onTakenBack(head.sequence);
    const reason = "changes were taken back: those that follow need another view";
    if (this.#state?.replicas[0] === this.#card) this.#outputs.push({ kind: "unsettled", reason });
  }

  // ---- the order

  #sayHolding(): void {
    this.#seat.say({
      kind: "announce",
      head: this.#database.durable,
      level: this.#database.level,
      levelMax: this.#database.levelMax,
      held: true,
      seen: this.#seen,
    });
  }

  #onEpoch(now: number, view: NodeView): void {
    const before = this.#view;
    this.#view = view;
    for (const { card, incarnation } of view.members) {
      const known = before?.members.find((member) => member.card === card);
      if (known !== undefined && known.incarnation !== incarnation) this.#requests.forget(card);
    }
    this.#joining.onEpoch(now);
    if (this.#store === "hold") this.#sayHolding();
  }

  #onGroup(now: number, epoch: number, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
        this.#seat.onAnswered();
        // It may have been asked to leave in the meantime.
        if (this.#store !== "open" || this.#seat.isLeaving) return;
        this.#seat.isMember = true;
        this.#seat.group = event.view;
        this.#stopped = undefined;
        return this.#forgetState(now);
      case "view": {
        this.#seat.group = event.view;
        const changed = event.changes.map(({ member }) => member.card);
        const staying = event.view.members.map(({ card }) => card).filter((card) => !changed.includes(card));
        // Others may have gone on without them meanwhile, and have ended: nobody that stays can tell.
        if (!this.#electorate.isEnough(staying)) return this.#forgetState(now);
        return this.#onMembersChanged(now, epoch, changed);
      }
      case "message":
        return this.#onEntry(now, epoch, event.sequence, event.from.card, event.from.number > 0, event.data);
      case "lost":
        return this.#forgetState(now);
      case "stopped":
        if (this.isCurrent) this.#currentAt = now;
        this.#stopped = event.reason;
        return;
      case "resumed":
        this.#stopped = undefined;
        if (this.#seat.isMember && !this.#isReplica) this.#joining.announceSoon(now);
        return;
      case "refused":
        return this.#onRefusedRequest(now, event);
      case "left":
        return this.#onLeft();
      case "sent":
        return this.#seat.onSent(event.request);
      case "watching":
      case "monitor":
        return;
      default:
        return unreachable(event);
    }
  }

  #onLeft(): void {
    this.#seat.onLeft();
    if (this.#upkeep.isLeaving) this.#upkeep.onLeft();
    // Wanted back in the meantime.
    else if (this.#store === "open") this.#seat.ask();
  }

  /** The group service had no room: what was said is said again in a while. */
  #onRefusedRequest(now: number, event: Extract<ApplicationEvent, { kind: "refused" }>): void {
    const refused = this.#seat.onRefused(now, event);
    if (refused !== "other") return refused === "gone" ? this.#onLeft() : undefined;
    this.#seat.onAnswered();
    this.#caughtUpSaid = undefined;
    if (this.#store === "open" && !this.#seat.isMember) this.#retryAt = Math.min(this.#retryAt, now + configHoldRetryMs);
    else if (this.#seat.isMember) this.#forgetState(now);
  }

  #onMembersChanged(now: number, epoch: number, cards: readonly CardId[]): void {
    for (const card of cards) this.#durability.forget(card);
    if (cards.includes(this.#card)) this.#caughtUpSaid = undefined;
    this.#state?.drop(cards);
    if (this.#state !== undefined) this.#onOutcome(now, this.#card, this.#state.settle(epoch));
    // Nobody knows what is accepted any more: all begin from what they have.
    if (this.#state?.replicas.length === 0) this.#forgetState(now);
    if (this.#seat.isMember && !this.#isReplica) this.#joining.onMembersChanged(now, epoch, cards);
  }

  /** This card does not know the state of the replicas (any more): it announces itself. */
  #forgetState(now: number): void {
    if (this.isCurrent) this.#currentAt = now;
    this.#state = undefined;
    this.#tail.clear();
    this.#heads.clear();
    this.#durability.clear();
    this.#caughtUpSaid = undefined;
    this.#seat.dropParts();
    this.#firstOfLineage = undefined;
    this.#transfers.abandon();
    this.#requests.answerAll(this.#wishes.onDoubt());
    if (this.#seat.isMember) this.#joining.begin(now);
    else this.#joining.end();
  }

  #onEntry(now: number, epoch: number, sequence: number, card: CardId, isMember: boolean, data: Uint8Array): void {
    const entry = decodeReplicaEntry(data);
    const isHeld = entry?.kind === "announce" && entry.held;
    if (entry === undefined || (!isMember && !isHeld)) {
      this.#counters.malformed++;
      if (entry !== undefined && card === this.#card) this.#onUnheard(entry);
      return;
    }
    if (entry.kind === "announce") this.#joining.onAnnounced(sequence, card, entry);
    if (this.#state !== undefined) return this.#applyEntry(now, epoch, sequence, card, entry);
    if (entry.kind === "elect") return this.#onElected(now, epoch, entry);
    if (!this.#joining.record(epoch, sequence, card, entry, data.length)) this.#forgetState(now);
  }

  /** What we said came into the order when it had lost us as a member: nobody heeds it. */
  #onUnheard(entry: ReplicaEntry): void {
    if (entry.kind === "caughtUp") this.#caughtUpSaid = undefined;
    const isRefused = entry.kind === "propose" || (entry.kind === "part" && entry.index === entry.count - 1);
    if (isRefused) this.#requests.answerAll(this.#wishes.onRefused(entry.id));
  }

  #applyEntry(now: number, epoch: number, sequence: number, card: CardId, entry: ReplicaEntry): void {
    const state = this.#state as ReplicaState;
    const outcome = state.apply(epoch, card, entry);
    if (state.replicas.length === 0) return this.#forgetState(now);
    if (entry.kind === "announce") {
      this.#durability.forget(card);
      const isAnswering = !entry.held && card !== this.#card && state.replicas[0] === this.#card;
      if (isAnswering) this.#send(card, { kind: "configState", announced: sequence, ...state.snapshot() });
    }
    if (entry.kind === "object" && card !== this.#card && this.#store === "open") this.#upkeep.prove();
    if (entry.kind === "caughtUp") {
      if (card === this.#card) this.#caughtUpSaid = undefined;
      if (state.isReplica(card)) this.#durability.onDurable(card, entry.head);
    }
    this.#onOutcome(now, card, outcome);
  }

  #onOutcome(now: number, card: CardId, outcome: Outcome): void {
    switch (outcome.kind) {
      case "none":
        return;
      case "replicas":
        if (card === this.#card && this.#isReplica) this.#onCurrent();
        return;
      case "accepted":
        this.#counters.accepted += outcome.changes.length;
        this.#firstOfLineage ??= outcome.changes[0]?.sequence;
        for (const change of outcome.changes) this.#follow(now, change);
        if (card === this.#card) this.#wishes.onAccepted(outcome.id, outcome.changes);
        if (card === this.#card) this.#durability.expect(now);
        this.#turn.onOutcome(now);
        return;
      case "refused":
        this.#counters.refused++;
        if (card === this.#card) this.#requests.answerAll(this.#wishes.onRefused(outcome.id));
        this.#turn.onOutcome(now);
        return;
      case "missed":
        return this.#forgetState(now);
      case "takenBack":
        return this.#onTakenBack(outcome.head);
      default:
        return unreachable(outcome);
    }
  }

  #onCurrent(): void {
    this.#joining.end();
    this.#log("info", "configuration current", { sequence: this.#database.durable.sequence });
    this.#upkeep.onCurrent();
  }

  #follow(now: number, change: Change): void {
    this.#tail.push(change);
    this.#heads.add(now, change);
    this.#seen = Math.max(this.#seen, change.epoch);
  }

  // ---- coming to know the state

  #onElected(now: number, epoch: number, { groupView, head, level, replicas }: Extract<ReplicaEntry, { kind: "elect" }>): void {
    if (groupView !== this.#seat.group.number) return;
    this.#counters.elected++;
    const levels = [...this.#joining.announced].map(([card, { levelMax }]) => ({ card, levelMax }));
    this.#log("info", "configuration begins", { sequence: head.sequence, replicas });
    this.#knowState(now, { accepted: head, level, lineage: epoch, replicas, levels, line: [], parts: undefined });
    for (const card of replicas) this.#durability.onDurable(card, head);
    if (this.#isReplica) this.#onCurrent();
  }

  #onState(now: number, message: ConfigState): void {
    const record = this.#state === undefined ? this.#joining.recordSince(message.announced) : undefined;
    if (record === undefined) return;
    this.#knowState(now, message);
    for (const recorded of record) {
      if (this.#state === undefined) return;
      if (recorded.kind === "dropped") this.#onMembersChanged(now, recorded.epoch, recorded.cards);
      else this.#applyEntry(now, recorded.epoch, 0, recorded.card, recorded.entry);
    }
  }

  #knowState(now: number, snapshot: Snapshot): void {
    this.#state = new ReplicaState(snapshot);
    this.#joining.end();
    this.#heads.add(now, snapshot.accepted);
    this.#seen = Math.max(this.#seen, snapshot.accepted.epoch);
    if (snapshot.level <= this.#database.levelMax) return;
    const message =
      `the configuration has level ${snapshot.level}, this card's software stores up to ${this.#database.levelMax}: upgrade it`;
    this.#enterHold(now, { code: "too-old", message });
  }

  // ---- carrying on

  #runTimers(now: number): void {
    if (now >= this.#retryAt) {
      this.#retryAt = Infinity;
      if (this.#store === "hold") this.#openStore();
      else this.#seat.ask();
    }
    this.#seat.onTick(now);
    this.#turn.onTick(now);
    // The others take it.
    const { objection } = this.#tail;
    if (objection !== undefined && now >= objection.until) this.#enterHold(now, objection.fault);
    this.#joining.onTick(now);
    // While the store is at something, what it will end with is not known.
    const canAnnounce = this.#stopped === undefined && this.#store === "open" && !this.#database.isChanging();
    if (this.#seat.isMember && !this.#isReplica && this.#joining.isToAnnounce(now, canAnnounce)) {
      this.#counters.announced++;
      this.#seat.say({
        kind: "announce",
        head: this.#database.durable,
        level: this.#database.level,
        levelMax: this.#database.levelMax,
        held: false,
        seen: this.#seen,
      });
    }
    this.#transfers.onTick(now);
    this.#upkeep.onTick(now);
    if (now >= this.#durability.deadline()) this.#askDurable(now);
    if (now >= this.#wishes.deadline()) {
      const lacksCards = this.#stopped !== undefined || (this.#state !== undefined && !this.#electorate.isEnough(this.#state.replicas));
      this.#requests.answerAll(this.#wishes.expire(now, this.#whyUnacknowledged(), lacksCards));
    }
    this.#requests.onTick(now);
  }

  /** What follows from what is known by now. */
  #advance(now: number): void {
    if (this.#store !== "open") return this.#requests.handOn(now);
    const state = this.#state;
    if (state === undefined) return this.#elect(now);
    this.#commit();
    if (!state.isReplica(this.#card)) {
      if (isSameHead(this.#database.durable, state.accepted)) this.#sayCaughtUp(state.accepted);
      else if (!isSameHead(this.#database.ordered, state.accepted) && !this.#tail.followsOn(this.#database.ordered)) {
        this.#transfers.begin(now, state.replicas);
      }
      return this.#requests.handOn(now);
    }
    if (!this.isCurrent) return;
    this.#acknowledge(now, state);
    this.#seeToOwn(now, state);
    this.#plan(now, state);
  }

  #elect(now: number): void {
    if (!this.#seat.isMember || this.#stopped !== undefined) return;
    const members = this.#seat.group.members.map(({ card }) => card);
    if (!this.#electorate.isEnough(members)) return;
    const election = this.#joining.elect(now, members, this.#seat.group.number, this.#view?.ether ?? []);
    if (election === undefined) return;
    if (this.#joining.seen < (this.#view?.number ?? 0)) return this.#seat.say(election);
    const reason = "the configuration begins anew, and needs a view of which it has no changes";
    this.#outputs.push({ kind: "unsettled", reason });
  }

  /** Gives the store what follows on what it has, one transaction at a time: what comes meanwhile goes into the next one together. */
  #commit(): void {
    if (this.#database.isChanging()) return;
    const changes = this.#tail.take(this.#database.ordered);
    if (changes.length > 0) this.#orderCommit(changes);
  }

  #orderCommit(changes: readonly Change[]): void {
    this.#database.commit(changes, () => {
      // Only the origins of changes that were accepted lately wait for our word.
      const origins = new Set(changes.filter(({ sequence }) => this.#heads.hashAt(sequence) !== undefined).map(({ card }) => card));
      for (const card of origins) if (card !== this.#card) this.#send(card, { kind: "configDurable", head: this.#database.durable });
    });
  }

  #sayCaughtUp(head: Head): void {
    if (this.#caughtUpSaid !== undefined) return;
    this.#caughtUpSaid = head.hash;
    this.#seat.say({ kind: "caughtUp", head });
  }

  /** Plans what waits, when nothing of ours is under way and nobody else's turn is on. */
  #plan(now: number, state: ReplicaState): void {
    this.#turn.pass();
    if (!this.#wishes.isWaiting || this.#wishes.isUnderWay || !isSameHead(this.#database.ordered, state.accepted)) return;
    if ((state.level === 0 && !this.#wishes.hasOwn) || !this.#electorate.isEnough(state.replicas)) return;
    if (state.busy !== undefined || (this.#view?.number ?? 0) < state.lineage) return;
    const [first] = state.line;
    if (!this.#turn.isOurs(now, first !== undefined && first !== this.#card)) return;
    const base = state.accepted;
    const olderCards = state.olderThan(this.#database.levelMax);
    this.#database.order({ kind: "plan", wishes: this.#wishes.batch(), card: this.#card, olderCards }, (_at, result) => {
      if (result.kind !== "planned") return this.#wishes.replan();
      // Others came first while the store was at it.
      if (!this.isCurrent || !isSameHead(base, (this.#state as ReplicaState).accepted)) return this.#wishes.replan();
      this.#propose(base, this.#wishes.onPlanned(base, result.outcomes, partBytesMax));
    });
  }

  #propose(base: Head, { answers, id, proposals }: ReturnType<Wishes["onPlanned"]>): void {
    this.#requests.answerAll(answers);
    const entries = proposalEntries(id, base.hash, proposals);
    if (entries.length > 1) this.#seat.sayParts(entries);
    else if (entries[0] !== undefined) this.#seat.say(entries[0]);
  }

  /**
   * What the replicas themselves see to: that the chain rises to the level that all can store (of a chain that has one, only with every
   * card of the electorate there to say so), and that a change from before these replicas began, which a better head may
   * still pass over, is vouched for by one of theirs before anybody is told that it stays.
   */
  #seeToOwn(now: number, state: ReplicaState): void {
    if (this.#wishes.hasOwn || !this.#electorate.isEnough(state.replicas)) return;
    const author = `card ${cardName(this.#card)}`;
    const wish = { author, key: "", operations: [] };
    if (state.level > 0 && state.accepted.epoch < state.lineage && this.#wishes.awaitsOlderThan(state.lineage)) {
      this.#wishes.add(now, { kind: "self" }, { ...wish, comment: "what was there before stays" });
    }
    if (state.replicas[0] !== this.#card) return;
    const level = state.levelForAll(this.#electorate.cards);
    if (level > state.level) this.#wishes.add(now, { kind: "self" }, { ...wish, comment: `level ${level}` }, level);
  }

  // ---- what is durable where

  #acknowledge(now: number, state: ReplicaState): void {
    if (this.#wishes.awaited === undefined || !this.#electorate.isEnough(state.replicas)) return;
    const everywhere = Math.min(...state.replicas.map((card) => this.#durableOn(card)));
    const isVouched = state.accepted.epoch >= state.lineage && everywhere >= (this.#firstOfLineage ?? state.accepted.sequence);
    this.#requests.answerAll(this.#wishes.onDurable(everywhere, isVouched ? 0 : state.lineage));
    if (this.#wishes.awaited === undefined) this.#durability.rest();
    else if (this.#durability.deadline() === Infinity) this.#askDurable(now);
  }

  #durableOn(card: CardId): number {
    return card === this.#card ? this.#database.durable.sequence : this.#durability.upTo(card);
  }

  #askDurable(now: number): void {
    const state = this.#state;
    const needed = this.#wishes.needed(state?.lineage ?? 0, this.#firstOfLineage);
    if (needed === undefined || state === undefined) return this.#durability.rest();
    const others = state.replicas.filter((card) => card !== this.#card);
    for (const card of this.#durability.owing(now, needed, others)) this.#send(card, { kind: "configAsk", id: 0, what: "durable" });
  }

  #whyUnacknowledged(): string | undefined {
    const state = this.#state;
    if (this.#stopped !== undefined) return this.#stopped;
    if (state === undefined) return "this card does not know the present head";
    const lack = this.#electorate.lackOf(state.replicas);
    if (lack !== undefined) return `the present head is on ${lack}`;
    const needed = this.#wishes.needed(state.lineage, this.#firstOfLineage) ?? 0;
    const slow = state.replicas.filter((card) => this.#durableOn(card) < needed);
    return slow.length === 0 ? undefined : `not durable on ${named(slow)}`;
  }

  // ---- messages

  #send(to: CardId, message: ConfigMessage, isAgain = false): void {
    this.#outputs.push({ kind: "send", to, message, isAgain });
  }

  #onMessage(now: number, from: CardId, message: ConfigMessage): void {
    switch (message.kind) {
      case "configState":
        return this.#onState(now, message);
      case "configDurable":
        this.#durability.onDurable(from, message.head);
        return;
      case "configAsk":
        if (this.#store !== "open") return;
        if (message.what === "durable") return this.#send(from, { kind: "configDurable", head: this.#database.durable });
        if (this.isCurrent) return this.#transfers.onAsk(now, from, message);
        return this.#send(from, { kind: "configGive", id: message.id, what: "nothing", reason: "behind" });
      case "configGive":
        return this.#transfers.onGive(now, from, message);
      case "configForward":
        return this.#requests.onForward(now, from, message.id, message.wish);
      case "configAnswer":
        return this.#requests.onAnswer(now, from, message.id, message.answer);
      default:
        return unreachable(message);
    }
  }

  #onBeat(now: number, from: CardId, digest: number): void {
    const isSettled = this.isCurrent && isSameHead(this.#database.durable, (this.#state as ReplicaState).accepted);
    if (!isSettled || this.#state?.isReplica(from) !== true) return;
    const verdict = this.#heads.compare(now, this.#database.durable, digest);
    if (verdict === "other") this.#alarms.onDivergent(from, this.#database.durable.sequence);
    else if (verdict === "same") this.#alarms.onEqual(from);
  }

  #watch(now: number): void {
    const { state, reason } = conditionOf(this.#situation());
    const replicas = this.#state?.replicas ?? [];
    const isVoter = this.#electorate.includes(this.#card);
    this.#outputs.push(
      ...this.#alarms.watch(now, { state, reason, isVoter, fault: this.#fault, branches: this.#database.branches, replicas }),
    );
  }

  // ---- requests

  #onConfigure(now: number, client: number, request: ConfigRequest): void {
    const caller: Caller = { kind: "client", client };
    if (this.#store === "none") return this.#requests.refuse(caller, "hold", "this card keeps no configuration");
    switch (request.kind) {
      case "change":
        return this.#requests.take(now, caller, request.wish);
      case "check":
        return this.#upkeep.onCheck(client, request.repair);
      case "discardBranch":
        return this.#database.order({ kind: "discardBranch", id: request.id }, (_now, result) => {
          if (result.kind !== "discarded") {
            return this.#requests.refuse(caller, "invalid", `there is no branch "${request.id}" on this card`);
          }
          this.#database.branches = result.branches;
          this.#outputs.push({ kind: "configured", client, answer: { kind: "discarded" } });
        });
      default:
        return unreachable(request);
    }
  }

  /** Whether others can do what this card cannot; a card that is about to know more waits for that. */
  get #isToBeForwarded(): boolean {
    return this.#store === "hold" || (this.#state !== undefined && !this.#isReplica);
  }

  /** The cards that may be able to carry a wish out. */
  #servers(): readonly CardId[] {
    const state = this.#state;
    return (state === undefined ? this.#view?.ether ?? [] : state.replicas).filter((card) => card !== this.#card);
  }

  /** Why what is wrong here cannot be taken from another card, `undefined` when it can. */
  #log(level: "debug" | "info" | "warn" | "error", event: string, fields: LogFields): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}
